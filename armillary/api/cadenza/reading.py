"""Reading a list by offset so that what it lacks can be believed (contract D2, N3, N4).

The order of the list and its stability between pages are not promised. Each page therefore begins
with the last row of the one before: when another stands there, rows moved while the list was read,
and one may have slipped past. Then, or when the distinct rows are not as many as the list says, the
whole list is read again; where no count is told, two readings have to agree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from armillary.api import envelope
from armillary.api.cadenza.models import InstrumentList

logger = logging.getLogger(__name__)

PAGE_ROWS = 100
"""One document allows 100, the other 1,000; the smaller is right in both (contract D2)."""

OVERLAP_ROWS = 1
MOST_READINGS = 3
MOST_PAGES = 2_000

Row = dict[str, Any]
Page = tuple[list[Row], Mapping[str, Any]]
ReadPage = Callable[[int], Page]
"""Rows and ``pagination`` from an offset on."""


@dataclass
class _Reading:
    """One pass over the list."""

    rows: dict[str, Row] = field(default_factory=dict)
    totals: list[int] = field(default_factory=list)
    pages: int = 0
    twice: int = 0
    fault: str = ""

    @property
    def total(self) -> int | None:
        return self.totals[-1] if self.totals else None

    @property
    def why_incomplete(self) -> str:
        """One clause; blank when this pass by itself proves that it is whole, or counts nothing."""
        if self.fault:
            return self.fault
        if len(set(self.totals)) > 1:
            return (
                f"the number of instruments changed from {self.totals[0]:,} to "
                f"{self.totals[-1]:,} while it was read"
            )
        if self.total is not None and self.total != len(self.rows):
            again = f", {self.twice:,} of them twice" if self.twice else ""
            return f"it says {self.total:,} instruments and gave {len(self.rows):,}{again}"
        return ""


def read_instruments(venue: str, read_page: ReadPage) -> InstrumentList:
    """Read the list of a venue until one reading is certainly whole, three times at most."""
    before: _Reading | None = None
    for number in range(1, MOST_READINGS + 1):
        reading = _read(read_page)
        agrees = before is not None and set(before.rows) == set(reading.rows)
        why = reading.why_incomplete
        if not why and (reading.total is not None or agrees):
            return _list(venue, reading, number, "")
        before = None if reading.fault else reading
        logger.info(
            "Instruments of %s, reading %d: %s.", venue, number, why or "read again to compare"
        )
    why = reading.why_incomplete or "no count is told, and no two readings agreed"
    return _list(venue, reading, MOST_READINGS, f"The list was read {MOST_READINGS} times: {why}.")


def _read(read_page: ReadPage) -> _Reading:
    reading = _Reading()
    offset = 0
    last = ""
    while not reading.fault:
        rows, pagination = read_page(offset)
        reading.pages += 1
        names = [identifier_of(row) for row in rows]
        total = envelope.whole(pagination.get("total"))
        if total is not None:
            reading.totals.append(total)
        if last and (not names or names[0] != last):
            moved = f"'{names[0]}'" if names else "nothing"
            reading.fault = (
                f"rows moved while it was read (behind row {offset + 1:,} stood '{last}', then "
                f"{moved})"
            )
            break
        fresh = rows[OVERLAP_ROWS:] if last else rows
        _keep(reading, fresh)
        received = offset + len(rows)
        has_all = total is not None and received >= total
        more = pagination.get("hasNext")
        if not fresh and more is True and not has_all:
            reading.fault = "it says that there is more and gives nothing"
        # A count that is cut off at some number is told by `hasNext`: then there are too many rows.
        if not fresh or more is False or (has_all and more is not True):
            break
        if len(rows) <= OVERLAP_ROWS and not has_all:
            reading.fault = "its pages hold a single row, which leaves none to compare"
        if reading.pages >= MOST_PAGES:
            reading.fault = f"it did not end within {MOST_PAGES:,} pages"
        last, offset = names[-1], received - OVERLAP_ROWS
    return reading


def _keep(reading: _Reading, rows: list[Row]) -> None:
    for row in rows:
        name = identifier_of(row)
        if not name:
            reading.fault = "it holds a row that names no instrument"
        reading.twice += name in reading.rows
        reading.rows[name] = row


def identifier_of(row: Mapping[str, Any]) -> str:
    """``instrumentId``, else made of ``venue`` and ``symbol`` (contract D5); blank for neither."""
    own = row.get("instrumentId")
    if isinstance(own, str) and own.strip():
        return own.strip()
    venue, symbol = row.get("venue"), row.get("symbol")
    if isinstance(venue, str) and isinstance(symbol, str) and venue and symbol:
        return f"{venue}:{symbol}"
    return ""


def joined(one: InstrumentList, other: InstrumentList) -> InstrumentList:
    """Both lists of one venue as one; whole only if both are."""
    rows = {row["instrumentId"]: row for row in (*one.rows, *other.rows)}
    return replace(
        one,
        rows=tuple(rows.values()),
        complete=one.complete and other.complete,
        why_incomplete=one.why_incomplete or other.why_incomplete,
        pages=one.pages + other.pages,
        total=None,
        notes=tuple(dict.fromkeys((*one.notes, *other.notes))),
    )


def _list(venue: str, reading: _Reading, readings: int, why: str) -> InstrumentList:
    own, foreign = [], set()
    for name, row in reading.rows.items():
        of = row.get("venue")
        whose = of if isinstance(of, str) and of else name.partition(":")[0]
        if whose.casefold() == venue.casefold():
            own.append({**row, "instrumentId": name})
        else:
            foreign.add(whose)
    notes = []
    if foreign:
        named = ", ".join(sorted(foreign)[:5])
        notes.append(f"Rows of other venues were left out: {named}.")
    return InstrumentList(
        venue=venue,
        rows=tuple(own),
        complete=not why,
        why_incomplete=why,
        total=reading.total,
        pages=reading.pages,
        readings=readings,
        notes=tuple(notes),
    )
