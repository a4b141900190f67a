"""Rows of an export: the shapes N12 leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import timestamp
from simulator.exchange import encode
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.records import Record
from simulator.ptolemy.schema import Schema
from simulator.ptolemy.series import Point
from simulator.ptolemy.trading import CalendarDay, Listing, Suspension
from simulator.ptolemy.typed import FIELD_PREFIX, TypedCollection, TypedRecord

if TYPE_CHECKING:
    from simulator.ptolemy.workspace import Workspace

TYPED = ("identifier", "name", "type_id")
LISTING = ("instrument_id", "market_id", "local_code", "currency", "lot_size")
SUSPENSION = ("listing_id", "suspended_from", "suspended_until", "reason")
CALENDAR = ("market_id", "date", "is_open", "description")
VALUE = ("instrument_id", "type_id", "timestamp", "value")
COMPOSITE = ("instrument_id", "type_id", "timestamp")
OWN = {
    "market-listings": LISTING,
    "market-listing-suspensions": SUSPENSION,
    "market-calendars": CALENDAR,
    "time-series-values": VALUE,
    "composite-time-series-values": COMPOSITE,
}


class Columns:
    """How the records of one collection become rows."""

    def __init__(self, workspace: Workspace, target: Collection[Any]) -> None:
        self._workspace = workspace
        self._config = workspace.config
        self._own = OWN.get(target.path, TYPED)
        schema: Schema | None = None
        if isinstance(target, TypedCollection):
            schema = target.schema
        elif target.path == "composite-time-series-values":
            schema = workspace.series_schema
        self._keys = _keys(schema)
        self._typed = isinstance(target, TypedCollection)
        self._names = self.header()

    def header(self) -> list[str]:
        """The names of CSV columns."""
        prefix = FIELD_PREFIX if self._typed and self._config.csv_columns == "prefixed" else ""
        names = ["id"] if self._config.export_ids == "present" else []
        names += [*self._own, *(prefix + key for key in self._keys)]
        names += ["extras"] if self._typed else []
        names.append("created_at")
        return [*names, "archived_at"] if self._config.export_archived_at == "present" else names

    def cells(self, record: Record) -> list[str]:
        """A CSV row."""
        row = {**self._own_values(record), **self._edge(record)}
        fields = self._snapshot(record)
        prefix = FIELD_PREFIX if self._typed and self._config.csv_columns == "prefixed" else ""
        row.update((prefix + key, value) for key, value in fields.items())
        if isinstance(record, TypedRecord):
            row["extras"] = encode(record.extras).decode() if record.extras else ""
        return [_cell(row.get(name)) for name in self._names]

    def row(self, record: Record) -> dict[str, Any]:
        """A JSON object."""
        row = {**self._own_values(record)}
        fields = self._snapshot(record)
        if isinstance(record, TypedRecord):
            if self._config.export_fields == "flat":
                row.update(fields)
            else:
                row[self._config.export_fields] = fields
            row["extras"] = record.extras or {}
        elif self._own is COMPOSITE:
            items = ((key, value) for key, value in fields.items() if value is not None)
            row["items"] = [{"field_key": key, "value": value} for key, value in items]
        return {**row, **self._edge(record)}

    def _edge(self, record: Record) -> dict[str, Any]:
        edge: dict[str, Any] = {"created_at": timestamp(record.created_at)}
        if self._config.export_ids == "present":
            edge["id"] = record.id
        if self._config.export_archived_at == "present":
            archived_at = record.archived_at
            edge["archived_at"] = None if archived_at is None else timestamp(archived_at)
        return edge

    def _snapshot(self, record: Record) -> dict[str, Any]:
        presenter = self._workspace.presenter
        if isinstance(record, TypedRecord):
            return presenter.snapshot(record.type, record.values)
        if isinstance(record, Point) and record.values:
            return presenter.snapshot(record.type, record.values)
        return {}

    def _own_values(self, record: Record) -> dict[str, Any]:
        if isinstance(record, TypedRecord):
            own: tuple[Any, ...] = (record.identifier, record.name, self._refer(record.group))
        elif isinstance(record, Listing):
            pair = (self._refer(record.group), self._refer(record.market))
            own = (*pair, record.local_code, record.currency, record.lot_size)
        elif isinstance(record, Suspension):
            period = (record.suspended_from, record.suspended_until)
            own = (self._refer(record.group), *period, record.reason)
        elif isinstance(record, CalendarDay):
            is_open = record.is_open == "true"
            own = (self._refer(record.group), record.date, is_open, record.description)
        elif isinstance(record, Point):
            rendered = self._workspace.presenter.rendered("number", record.value)
            moment = timestamp(record.timestamp)
            own = (self._refer(record.group), self._refer(record.type), moment, rendered)
        else:
            raise TypeError(f"{type(record).__name__} cannot be exported")
        return dict(zip(self._own, own, strict=False))

    def _refer(self, record: Record | None) -> str | None:
        if record is None:
            return None
        uuid_only = self._config.export_references == "uuid" or record.identifier is None
        return record.id if uuid_only else record.identifier


def _keys(schema: Schema | None) -> list[str]:
    owners = schema.types.rows if schema else []
    return list(dict.fromkeys(field.key for owner in owners for field in owner.fields))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
