"""Listings, suspensions and calendars (contract section 11)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.exchange import Refusal
from simulator.ptolemy import values
from simulator.ptolemy.call import optional_text, text
from simulator.ptolemy.comparisons import Reader, seconds
from simulator.ptolemy.linked import DeletedCollection, LinkedCollection
from simulator.ptolemy.records import Record


class Listing(Record):
    """An instrument on a market; the instrument is the group."""

    __slots__ = ("currency", "local_code", "lot_size", "market")

    def __init__(self, instrument: Record, market: Record) -> None:
        super().__init__(None, instrument)
        self.market = market
        self.local_code: str | None = None
        self.currency: str | None = None
        self.lot_size: int | str | None = None


class Listings(LinkedCollection[Listing]):
    """``/market-listings``: the pair of instrument and market is unique."""

    path: ClassVar[str] = "market-listings"
    noun: ClassVar[str] = "market_listing"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"instrument_id", "market_id", "local_code", "currency", "lot_size"}
    )
    fixed: ClassVar[frozenset[str]] = frozenset({"instrument_id", "market_id"})
    narrowing: ClassVar[frozenset[str]] = frozenset({"instrument_id", "market_id"})
    group_field: ClassVar[str] = "instrument_id"
    attribute: ClassVar[Mapping[str, str]] = {"instrument_id": "group", "market_id": "market"}
    includes: ClassVar[frozenset[str]] = frozenset({"instrument", "market"})

    def readers(self) -> dict[str, Reader]:
        """Also code, currency and lot size."""
        own = [
            Reader("local_code", "text", lambda record: record.local_code),
            Reader("currency", "text", lambda record: record.currency),
            Reader("lot_size", "number", lambda record: _text_or_none(record.lot_size)),
        ]
        return {**super().readers(), **{reader.name: reader for reader in own}}

    def present(self, record: Listing) -> dict[str, Any]:
        """A listing as answers show it."""
        return {
            "id": record.id,
            **self.references(record),
            "local_code": record.local_code,
            "currency": record.currency,
            "lot_size": record.lot_size,
            **self.workspace.presenter.times(record),
        }

    def included(self, what: str, record: Listing) -> list[Record]:
        """The instrument, or the market."""
        other = record.group if what == "instrument" else record.market
        return [other] if other else []

    def make(self, body: dict[str, Any]) -> Listing:
        """Judge a create body."""
        listing = Listing(self.referred(body, "instrument_id"), self.referred(body, "market_id"))
        self.before_restore(listing)
        self.change(listing, body)
        return listing

    def change(self, record: Listing, body: dict[str, Any]) -> None:
        """Judge and apply code, currency and lot size."""
        local_code = optional_text(body, "local_code")
        currency = optional_text(body, "currency")
        lot_size = body.get("lot_size")
        if lot_size is not None:
            values.parse("number", lot_size, "lot_size")
        if "local_code" in body:
            record.local_code = local_code
        if "currency" in body:
            record.currency = currency
        if "lot_size" in body:
            record.lot_size = lot_size

    def twin(self, body: dict[str, Any]) -> Listing | None:
        """The active listing of the same pair."""
        return self._of_pair(self.referred(body, "instrument_id"), self.referred(body, "market_id"))

    def before_restore(self, record: Listing) -> None:
        """The pair must be free."""
        if record.group is not None and self._of_pair(record.group, record.market):
            raise Refusal(409, "The instrument is listed on this market", code="pair_taken")

    def cascade(self, record: Listing) -> None:
        """Its suspensions go too (reached when a market is hard deleted)."""
        self.workspace.suspensions.remove_group(record)

    def _of_pair(self, instrument: Record, market: Record) -> Listing | None:
        listings = self.table.group(instrument)
        found = (row for row in listings if row.market is market and row.archived_at is None)
        return next(found, None)


class Suspension(Record):
    """A period in which a listing is suspended; the listing is the group."""

    __slots__ = ("reason", "suspended_from", "suspended_until")

    def __init__(self, listing: Record) -> None:
        super().__init__(None, listing)
        self.suspended_from = ""
        self.suspended_until: str | None = None
        self.reason: str | None = None

    def overlaps(self, other: Suspension) -> bool:
        """Whether two periods share a moment; an open end lasts for ever."""
        return _start(self) < _end(other) and _start(other) < _end(self)


class Suspensions(DeletedCollection[Suspension]):
    """``/market-listing-suspensions``: the periods of one listing do not overlap."""

    path: ClassVar[str] = "market-listing-suspensions"
    noun: ClassVar[str] = "market_listing_suspension"
    fields: ClassVar[frozenset[str]] = frozenset(
        {"listing_id", "suspended_from", "suspended_until", "reason"}
    )
    fixed: ClassVar[frozenset[str]] = frozenset({"listing_id"})
    narrowing: ClassVar[frozenset[str]] = frozenset({"listing_id"})
    group_field: ClassVar[str] = "listing_id"
    attribute: ClassVar[Mapping[str, str]] = {"listing_id": "group"}

    def readers(self) -> dict[str, Reader]:
        """Also the period and the reason."""
        own = [
            Reader("suspended_from", "time", _start),
            Reader("suspended_until", "time", lambda row: _seconds_or_none(row.suspended_until)),
            Reader("reason", "text", lambda row: row.reason),
        ]
        return {**super().readers(), **{reader.name: reader for reader in own}}

    def present(self, record: Suspension) -> dict[str, Any]:
        """A suspension as answers show it."""
        return {
            "id": record.id,
            **self.references(record),
            "suspended_from": record.suspended_from,
            "suspended_until": record.suspended_until,
            "reason": record.reason,
            **self.workspace.presenter.times(record),
        }

    def make(self, body: dict[str, Any]) -> Suspension:
        """Judge a create body."""
        suspension = Suspension(self.referred(body, "listing_id"))
        suspension.suspended_from = _moment(text(body, "suspended_from"), "suspended_from")
        self.change(suspension, body)
        return suspension

    def change(self, record: Suspension, body: dict[str, Any]) -> None:
        """Judge and apply the period and the reason."""
        wanted = Suspension(record.group or record)
        wanted.suspended_from = record.suspended_from
        if "suspended_from" in body:
            wanted.suspended_from = _moment(text(body, "suspended_from"), "suspended_from")
        wanted.suspended_until = record.suspended_until
        if "suspended_until" in body:
            until = optional_text(body, "suspended_until")
            wanted.suspended_until = until and _moment(until, "suspended_until")
        if _end(wanted) <= _start(wanted):
            raise Refusal(422, "suspended_until must be later", field="suspended_until")
        wanted.reason = optional_text(body, "reason") if "reason" in body else record.reason
        self._free(wanted, record)
        record.suspended_from = wanted.suspended_from
        record.suspended_until = wanted.suspended_until
        record.reason = wanted.reason

    def before_restore(self, record: Suspension) -> None:
        """The period must be free."""
        self._free(record, record)

    def twin(self, body: dict[str, Any]) -> Suspension | None:
        """The suspension of the same listing with the same start."""
        start = seconds(text(body, "suspended_from"))
        rows = self.table.group(self.referred(body, "listing_id"))
        return next((r for r in rows if r.archived_at is None and _start(r) == start), None)

    def remove_group(self, listing: Record) -> None:
        """Forget all of a listing."""
        for row in list(self.table.group(listing)):
            self.destroy(row, "cascade")

    def _free(self, wanted: Suspension, holder: Suspension) -> None:
        for other in self.table.group(wanted.group or wanted):
            if other is not holder and other.archived_at is None and wanted.overlaps(other):
                raise Refusal(409, "The periods of a listing may not overlap", code="overlap")


class CalendarDay(Record):
    """A day of a market; the market is the group. The fields are not documented (N5)."""

    __slots__ = ("date", "description", "is_open")

    def __init__(self, market: Record) -> None:
        super().__init__(None, market)
        self.date = ""
        self.is_open = "false"
        self.description: str | None = None


class Calendars(DeletedCollection[CalendarDay]):
    """``/market-calendars``: path and fields are the simulator's own guess (N5)."""

    path: ClassVar[str] = "market-calendars"
    noun: ClassVar[str] = "market_calendar"
    fields: ClassVar[frozenset[str]] = frozenset({"market_id", "date", "is_open", "description"})
    fixed: ClassVar[frozenset[str]] = frozenset({"market_id"})
    narrowing: ClassVar[frozenset[str]] = frozenset({"market_id"})
    group_field: ClassVar[str] = "market_id"
    attribute: ClassVar[Mapping[str, str]] = {"market_id": "group"}

    def readers(self) -> dict[str, Reader]:
        """Also the day."""
        day = Reader("date", "date", lambda record: record.date)
        return {**super().readers(), day.name: day}

    def present(self, record: CalendarDay) -> dict[str, Any]:
        """A calendar day as answers show it."""
        return {
            "id": record.id,
            **self.references(record),
            "date": record.date,
            "is_open": record.is_open == "true",
            "description": record.description,
            **self.workspace.presenter.times(record),
        }

    def make(self, body: dict[str, Any]) -> CalendarDay:
        """Judge a create body."""
        day = CalendarDay(self.referred(body, "market_id"))
        day.date = values.parse("date", text(body, "date"), "date")
        same = (row for row in self.table.group(day.group or day) if row.date == day.date)
        if any(row.archived_at is None for row in same):
            raise Refusal(409, f"The market has the day {day.date}", code="day_taken")
        self.change(day, body)
        return day

    def change(self, record: CalendarDay, body: dict[str, Any]) -> None:
        """Judge and apply."""
        date = values.parse("date", body.get("date", record.date), "date")
        is_open = values.parse("boolean", body.get("is_open", record.is_open), "is_open")
        description = optional_text(body, "description")
        record.date, record.is_open = date, is_open
        if "description" in body:
            record.description = description

    def remove_group(self, market: Record) -> None:
        """Forget all of a market."""
        for row in list(self.table.group(market)):
            self.destroy(row, "cascade")


def _moment(text_given: str, name: str) -> str:
    try:
        seconds(text_given)
    except Refusal as refusal:
        raise Refusal(422, f"{name}: {refusal.message}", code="time", field=name) from refusal
    return text_given


def _start(record: Suspension) -> float:
    return seconds(record.suspended_from)


def _end(record: Suspension) -> float:
    return math.inf if record.suspended_until is None else seconds(record.suspended_until)


def _seconds_or_none(text_given: str | None) -> float | None:
    return None if text_given is None else seconds(text_given)


def _text_or_none(value: int | str | None) -> str | None:
    return None if value is None else str(value)
