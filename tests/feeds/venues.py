"""A venue of the simulated Cadenza, and its feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from pydantic import SecretStr

from armillary.api.cadenza import Cadenza, CadenzaConnection, connect
from armillary.feeds.delivery import Delivery
from armillary.feeds.venue_delivery import venue_delivery
from simulator import Simulator

Row = dict[str, Any]

LATER = "Nothing was written and nothing is archived. Start the sync again "


@contextmanager
def opened(sim: Simulator) -> Iterator[Cadenza]:
    """A client of the simulated Cadenza, with its one account."""
    account = CadenzaConnection(
        sim.cadenza_url, email=sim.cadenza.email, password=SecretStr(sim.cadenza.password)
    )
    with connect(account) as cadenza:
        yield cadenza


def delivered(sim: Simulator, venue: str = "BINANCE") -> Delivery:
    with opened(sim) as cadenza:
        return venue_delivery(cadenza, venue)


def rows_of(delivery: Delivery) -> dict[str, Row]:
    """The rows by their ids, in the order of the delivery."""
    rows: Sequence[Row] = msgspec.json.decode(delivery.content)
    return {row["instrumentId"]: row for row in rows}


def listed(sim: Simulator, *symbols: str, venue: str = "BINANCE", **fields: Any) -> None:
    """Cadenza's copy of a venue becomes these instruments, which all have these values."""
    sim.cadenza.set_rows(venue, [sim.cadenza.instrument(venue, each, **fields) for each in symbols])


def closed_during_the_list(venue: str) -> dict[str, Any]:
    """A rule of the fault plan: the venue goes into maintenance when its list has been read."""
    change = {"do": "set_status", "venue": venue, "status": "MAINTENANCE"}
    return {
        "path": "*/market/instrument/list",
        "action": "change_between_pages",
        "changes": [{"method": "POST", "path": "/cadenza", "json": change}],
    }
