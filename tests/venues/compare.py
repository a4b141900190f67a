"""A venue in the simulated Cadenza beside the simulated Ptolemy, compared without Prefect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from armillary.venues.holdings import instruments_of
from armillary.venues.listings import listings_of
from armillary.venues.reconcile import reconcile
from armillary.venues.reconciled import Findings
from armillary.venues.sides import cadenza_side
from simulator import Simulator
from tests.api.cadenza import open_cadenza
from tests.api.clocks import JumpClock
from tests.sync.chain import open_client

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)

SIZES = {"tick_size": "pipSize", "lot_size": "lotSize"}

Row = dict[str, Any]


def listed(sim: Simulator, *symbols: str, venue: str = "BINANCE", **statuses: str) -> None:
    """Cadenza's copy of the venue becomes these, ACTIVE unless ``BTC_USDT="DELISTED"`` is said."""
    told = {name.replace("_", "/"): status for name, status in statuses.items()}
    rows = [
        sim.cadenza.instrument(
            venue, symbol, pipSize="0.10", lotSize="0.001", status=told.get(symbol, "ACTIVE")
        )
        for symbol in dict.fromkeys([*symbols, *told])
    ]
    sim.cadenza.set_rows(venue, rows)


def mirrored(rows: Iterable[Mapping[str, Any]], **fields: str) -> list[Row]:
    """What a sync of these rows of Cadenza would have made in Ptolemy, with other values said."""
    return [
        {
            "identifier": row["instrumentId"],
            "name": row["symbol"],
            "type_id": "venue-instrument",
            "field_values": {
                "venue": row["venue"],
                "symbol": row["symbol"],
                **{ours: row[theirs] for ours, theirs in SIZES.items()},
                **fields,
            },
        }
        for row in rows
        if row["status"] != "DELISTED"
    ]


def kinds(found: Findings) -> dict[str, list[str]]:
    """Identifiers by kind of finding, of the kinds that were found."""
    return {
        name: [entry.identifier for entry in getattr(found, name)]
        for name, count in found.counts.items()
        if count
    }


def compared(
    sim: Simulator, venue: str = "BINANCE", instrument_type: str = "venue-instrument"
) -> Findings:
    """Against instruments."""
    clock = JumpClock()
    with open_cadenza(sim, clock) as cadenza, open_client(sim, clock) as ptolemy:
        side = cadenza_side(cadenza, venue)
        return reconcile(
            side,
            instruments_of(
                ptolemy, workspace="demo", instrument_type=instrument_type, venue=side.venue
            ),
        )


def compared_listings(sim: Simulator, market: str = "binance") -> Findings:
    """Against listings."""
    clock = JumpClock()
    with open_cadenza(sim, clock) as cadenza, open_client(sim, clock) as ptolemy:
        side = cadenza_side(cadenza, "BINANCE")
        telling = side.telling_codes()
        return reconcile(
            side,
            listings_of(ptolemy, workspace="demo", market=market, telling=telling, now=NOW),
        )
