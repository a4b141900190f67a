"""Lists of instruments, page by page (contract section 6)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from simulator.cadenza.config import CadenzaConfig
from simulator.cadenza.practice import Row, instrument
from simulator.cadenza.presenting import enveloped, presented
from simulator.cadenza.refusals import Refused
from simulator.cadenza.venue import Venue
from simulator.exchange import Answer, Incoming

BAD_REQUEST = 400
_NOT_TRADABLE = ("DELISTED", "DISABLED")


class Listing:
    """The instrument list; remembers what it needs to shift and shuffle pages."""

    def __init__(self, config: CadenzaConfig, seed: int) -> None:
        self.config = config
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._readings: dict[str, int] = {}

    def page(self, venues: dict[str, Venue], incoming: Incoming) -> Answer:
        """One page.

        Raises:
            Refused: 400 for parameters that make no sense.
        """
        query = parse_qs(incoming.query_string, keep_blank_values=True)
        limit = self._limit(query)
        offset = _whole(query, "offset", 0)
        name = query.get("venue", [""])[-1]
        rows = self._ordered(self._filtered(self._of(venues, name), query))
        rows = self._shifted(rows, name, offset, limit)
        shown = [presented(row, self.config) for row in rows[offset : offset + limit]]
        more = self._pagination(offset, limit, len(rows))
        return enveloped(shown, self.config, **more)

    def _limit(self, query: dict[str, list[str]]) -> int:
        most = self.config.list_limit_max
        limit = _whole(query, "limit", min(self.config.list_limit_default, most))
        if limit < 1 or (limit > most and self.config.large_limit == "refuse"):
            raise Refused(19004, f"limit must be between 1 and {most}")
        return min(limit, most)

    def _of(self, venues: dict[str, Venue], name: str) -> list[Row]:
        if name and name not in venues:
            if self.config.unknown_venue == BAD_REQUEST:
                raise Refused(22015, f"Invalid venue specified: {name}")
            return []
        asked = [venues[name]] if name else list(venues.values())
        hides = self.config.maintenance_list == "empty"
        return [row for venue in asked if venue.online or not hides for row in venue.copy.values()]

    def _filtered(self, rows: list[Row], query: dict[str, list[str]]) -> list[Row]:
        statuses = self._statuses(query)
        if statuses:
            rows = [row for row in rows if row.get("status") in statuses]
        elif self.config.default_statuses == "active":
            rows = [row for row in rows if row.get("status") == "ACTIVE"]
        elif self.config.default_statuses == "tradable":
            rows = [row for row in rows if row.get("status") not in _NOT_TRADABLE]
        symbols = self._symbols(query)
        if symbols:
            rows = [row for row in rows if self._cased(str(row.get("symbol"))) in symbols]
        kinds = set(query.get("securityType", []))
        if kinds:
            key = "instrumentType" if self.config.security_type == "kinds" else "baseSecurityType"
            rows = [row for row in rows if row.get(key) in kinds]
        return rows

    def _statuses(self, query: dict[str, list[str]]) -> set[str]:
        name = self.config.status_parameter
        read = ("status", "instrumentStatus") if name == "either" else (name,)
        return {value.upper() for name in read for value in query.get(name, []) if value}

    def _symbols(self, query: dict[str, list[str]]) -> set[str]:
        given = [value for value in query.get("symbols", []) if value]
        if self.config.symbols_parameter == "comma":
            given = given[-1:]
        if self.config.symbols_parameter != "repeated":
            given = [part for value in given for part in value.split(",")]
        return {self._cased(symbol.strip()) for symbol in given}

    def _cased(self, symbol: str) -> str:
        return symbol if self.config.symbol_case == "sensitive" else symbol.upper()

    def _ordered(self, rows: list[Row]) -> list[Row]:
        if self.config.order == "newest_first":
            return rows[::-1]
        if self.config.order == "shuffled":
            return self._random.sample(rows, len(rows))
        return rows

    def _shifted(self, rows: list[Row], name: str, offset: int, limit: int) -> list[Row]:
        """The list as it is by the time of a further page (N3)."""
        if offset == 0:
            self._readings[name] = self._readings.get(name, 0) + 1
        count = self.config.page_shift
        times = self.config.page_shift_readings
        if not count or not offset or (times is not None and self._readings.get(name, 0) > times):
            return rows
        pages = -(-offset // limit)
        stays = self.config.page_shift_total == "stays"
        size = len(rows)
        if count > 0:
            rows = [*_made_up(name, "NEW", count * pages), *rows]
            return rows[:size] if stays else rows
        gone = min(-count * pages, size)
        rows = rows[gone:]
        return [*rows, *_made_up(name, "LATE", gone)] if stays else rows

    def _pagination(self, offset: int, limit: int, total: int) -> dict[str, Any]:
        style = self.config.pagination
        if style == "absent":
            return {}
        told: dict[str, Any] = {
            "offset": offset,
            "limit": limit,
            "total": total,
            "cursor": None,
            "hasNext": offset + limit < total,
        }
        if style == "nulls":
            told = dict.fromkeys(told)
        for missing, key in (("no_total", "total"), ("no_has_next", "hasNext")):
            if style == missing:
                del told[key]
        return {"pagination": told}


def _whole(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[-1]
    if not text:
        return default
    if not text.isdecimal():
        raise Refused(19004, f"{name} must be a whole number, not {text!r}")
    return int(text)


def _made_up(name: str, word: str, count: int) -> Sequence[Row]:
    return [instrument(name or "MOCK", f"{word}{number}/USDT") for number in range(count, 0, -1)]
