"""The state of a workspace in canonical form: no UUIDs, no times, no order of creation."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from simulator.clock import timestamp
from simulator.exchange import encode, encode_sorted
from simulator.ptolemy.comparisons import seconds
from simulator.ptolemy.records import Record
from simulator.ptolemy.schema import Type, Values
from simulator.ptolemy.series import Point
from simulator.ptolemy.trading import CalendarDay, Listing, Suspension
from simulator.ptolemy.typed import TypedRecord
from simulator.ptolemy.values import canonical
from simulator.ptolemy.workspace import Workspace

Row = dict[str, Any]
State = dict[str, list[Row]]


def state(workspace: Workspace) -> State:
    """Everything that is billed, sorted; references by identifier; values canonical."""
    return {
        "instruments": _rows(workspace.instruments.table.rows, _typed),
        "markets": _rows(workspace.markets.table.rows, _typed),
        "market_listings": _rows(workspace.listings.table.rows, _listing),
        "market_listing_suspensions": _rows(workspace.suspensions.table.rows, _suspension),
        "market_calendars": _rows(workspace.calendars.table.rows, _day),
        "time_series_values": _rows(workspace.scalar_values.table.rows, _point),
        "composite_time_series_values": _rows(workspace.composite_values.table.rows, _point),
    }


def digest(workspace: Workspace) -> str:
    """SHA-256 over the canonical state."""
    return hashlib.sha256(encode_sorted(state(workspace))).hexdigest()


def _rows(records: list[Any], shape: Any) -> list[Row]:
    rows = [{**shape(record), "archived": record.archived_at is not None} for record in records]
    return sorted(rows, key=encode_sorted)


def _typed(record: TypedRecord) -> Row:
    return {
        "identifier": record.identifier,
        "name": record.name,
        "type": record.type.identifier,
        "field_values": _values(record.type, record.values),
        # An import keeps the text of numbers, a seed has them as numbers.
        "extras": msgspec.json.decode(encode(record.extras or {})),
        "tags": sorted(tag.identifier or "" for tag in record.tags),
    }


def _listing(record: Listing) -> Row:
    size = record.lot_size
    return {
        "instrument": _name(record.group),
        "market": _name(record.market),
        "local_code": record.local_code,
        "currency": record.currency,
        "lot_size": None if size is None else canonical("number", str(size)),
    }


def _suspension(record: Suspension) -> Row:
    listing = record.group
    until = record.suspended_until
    return {
        "listing": _listing(listing) if isinstance(listing, Listing) else None,
        "suspended_from": timestamp(seconds(record.suspended_from)),
        "suspended_until": None if until is None else timestamp(seconds(until)),
        "reason": record.reason,
    }


def _day(record: CalendarDay) -> Row:
    return {
        "market": _name(record.group),
        "date": record.date,
        "is_open": record.is_open == "true",
        "description": record.description,
    }


def _point(record: Point) -> Row:
    row: Row = {
        "instrument": _name(record.group),
        "type": record.type.identifier,
        "timestamp": timestamp(record.timestamp),
    }
    if record.value is not None:
        return {**row, "value": canonical("number", record.value)}
    return {**row, "items": _values(record.type, record.values)}


def _values(owner: Type, stored: Values) -> dict[str, str]:
    return {
        field.key: canonical(field.config.data_type, value)
        for field, value in owner.items(stored)
        if value is not None
    }


def _name(record: Record | None) -> str | None:
    return record.identifier if record else None
