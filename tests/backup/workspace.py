"""A small workspace with something of each of the seven types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from simulator import Simulator

Row = Mapping[str, Any]

MARKETS = ("xasx", "xnys")


def instruments(count: int) -> Iterator[Row]:
    """Every tenth of them archived."""
    for number in range(count):
        yield {
            "identifier": f"co{number:06}.xasx",
            "name": f"Company {number}",
            "type_id": "equity",
            "field_values": {"isin": f"AU{number:010}", "exchange": "XASX", "lot_size": "1.10"},
            "archived": number % 10 == 9,
        }


def active(count: int) -> Iterator[int]:
    """The numbers of instruments that are not archived."""
    return (number for number in range(count) if number % 10 != 9)


def markets() -> Iterator[Row]:
    for mic in MARKETS:
        yield {
            "identifier": mic,
            "name": mic.upper(),
            "type_id": "exchange",
            "field_values": {"mic": mic.upper()},
        }


def listings(count: int) -> Iterator[Row]:
    for number in active(count):
        yield {
            "id": f"01920000-0000-7000-8000-{number:012}",
            "instrument_id": f"co{number:06}.xasx",
            "market_id": "xasx",
            "local_code": f"C{number}",
            "currency": "AUD",
            "lot_size": 1,
        }


def suspensions(count: int) -> Iterator[Row]:
    for number in islice(active(10 * count), count):
        yield {
            "listing_id": f"01920000-0000-7000-8000-{number:012}",
            "suspended_from": "2026-01-05T00:00:00Z",
            "suspended_until": None,
            "reason": 'awaiting news, "as usual"\nsee above',
        }


def calendars() -> Iterator[Row]:
    yield {"market_id": "xasx", "date": "2026-12-25", "is_open": False, "description": "Christmas"}


def values(count: int, instruments: int) -> Iterator[Row]:
    """One number for each; of as many instruments as there are."""
    for number in range(count):
        day, which = divmod(number, instruments)
        yield {
            "instrument_id": f"co{which:06}.xasx",
            "type_id": "close-price",
            "timestamp": f"20{day // 336:02}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}T00:00:00Z",
            "value": f"{number % 9000}.10",
        }


def composites(count: int, instruments: int) -> Iterator[Row]:
    for number in range(count):
        day, which = divmod(number, instruments)
        yield {
            "instrument_id": f"co{which:06}.xasx",
            "type_id": "ohlcv-daily",
            "timestamp": f"20{day // 336:02}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}T00:00:00Z",
            "items": [
                {"field_key": key, "value": "1.10"} for key in ("open", "high", "low", "close")
            ],
        }


def seed(sim: Simulator, count: int = 30, *, days: int = 4) -> dict[str, int]:
    """Fill the workspace: so many instruments, and a value a day for each; tells rows by type."""
    return sim.seed_all(
        {
            "instruments": instruments(count),
            "markets": markets(),
            "market_listings": listings(count),
            "market_listing_suspensions": suspensions(count // 10),
            "market_calendars": calendars(),
            "time_series_values": values(count * days, count),
            "composite_time_series_values": composites(count * 2, count),
        }
    )
