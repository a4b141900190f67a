"""A big workspace in a simulator: something of each of the seven types."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from benchmarks.records import held, seeds
from benchmarks.simulator_ceiling import Server

SEED_CHUNK = 20_000
SIZES = {
    "instruments": 100_000,
    "markets": 20,
    "calendars": 5_000,
    "listings": 120_000,
    "suspensions": 5_000,
    "values": 2_000_000,
    "composites": 200_000,
}

Row = dict[str, Any]


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """An option for each of ``SIZES``."""
    for name, count in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"default: {count:,}")


def fill(server: Server, sizes: Mapping[str, int]) -> dict[str, float]:
    """Load all types, parents first; the seconds of each."""
    instruments, listings = sizes["instruments"], sizes["listings"]
    rows: dict[str, Iterator[Row]] = {
        "instruments": seeds(instruments),
        "markets": _markets(sizes["markets"]),
        "market_calendars": _calendars(sizes["calendars"], sizes["markets"]),
        "market_listings": _listings(listings, instruments, sizes["markets"]),
        "market_listing_suspensions": _suspensions(sizes["suspensions"], listings),
        "time_series_values": _values(sizes["values"], instruments),
        "composite_time_series_values": _composites(sizes["composites"], instruments),
    }
    seconds = {}
    for kind, of_kind in rows.items():
        start = time.perf_counter()
        while chunk := list(islice(of_kind, SEED_CHUNK)):
            server.post("/_simulator/seed", {kind: chunk})
        seconds[kind] = round(time.perf_counter() - start, 1)
    return seconds


def _instrument(number: int) -> str:
    return held(number)["identifier"]


def _market(number: int) -> str:
    return f"x{number:03d}"


def _listing(number: int) -> str:
    return f"01920000-0000-7000-8000-{number:012x}"


def _day(number: int) -> str:
    return f"{2000 + number // 336}-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}"


def _markets(count: int) -> Iterator[Row]:
    for number in range(count):
        mic = _market(number)
        fields = {"mic": mic.upper()}
        yield {"identifier": mic, "name": mic, "type_id": "exchange", "field_values": fields}


def _calendars(count: int, markets: int) -> Iterator[Row]:
    for number in range(count):
        day, which = divmod(number, markets)
        yield {
            "market_id": _market(which),
            "date": _day(day),
            "is_open": False,
            "description": "Holiday",
        }


def _listings(count: int, instruments: int, markets: int) -> Iterator[Row]:
    for number in range(count):
        again, which = divmod(number, instruments)
        yield {
            "id": _listing(number),
            "instrument_id": _instrument(which),
            "market_id": _market((which + again) % markets),
            "local_code": f"T{which}",
            "currency": "AUD",
            "lot_size": 100,
        }


def _suspensions(count: int, listings: int) -> Iterator[Row]:
    for number in range(count):
        yield {
            "listing_id": _listing(number * 7 % listings),
            "suspended_from": f"{_day(number)}T00:00:00Z",
            "suspended_until": None,
            "reason": "awaiting news",
        }


def _values(count: int, instruments: int) -> Iterator[Row]:
    for number in range(count):
        day, which = divmod(number, instruments)
        yield {
            "instrument_id": _instrument(which),
            "type_id": "close-price",
            "timestamp": f"{_day(day)}T00:00:00Z",
            "value": f"{number * 31 % 9973}.{number % 89 + 10}",
        }


def _composites(count: int, instruments: int) -> Iterator[Row]:
    keys = ("open", "high", "low", "close")
    for number in range(count):
        day, which = divmod(number, instruments)
        value = f"{number * 31 % 9973}.{number % 89 + 10}"
        yield {
            "instrument_id": _instrument(which),
            "type_id": "ohlcv-daily",
            "timestamp": f"{_day(day)}T00:00:00Z",
            "items": [{"field_key": key, "value": value} for key in keys],
        }
