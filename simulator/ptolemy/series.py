"""Time series values, scalar and composite (contract section 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.clock import timestamp as show
from simulator.exchange import NumberText, Refusal
from simulator.ptolemy import schema, values
from simulator.ptolemy.call import is_text, text
from simulator.ptolemy.collection import Collection
from simulator.ptolemy.comparisons import Reader, seconds
from simulator.ptolemy.linked import LinkedCollection
from simulator.ptolemy.records import Record
from simulator.ptolemy.schema import FieldDefinition, Type, Values

PointKey = tuple[str, str, float]


class Point(Record):
    """A value of a series at a moment; the instrument is the group."""

    __slots__ = ("timestamp", "type", "value", "values")

    def __init__(self, instrument: Record, owner: Type, moment: float) -> None:
        super().__init__(None, instrument)
        self.type = owner
        self.timestamp = moment
        self.value: str | None = None
        """Of a scalar point."""
        self.values: Values = ()
        """Of a composite point, in the order of the type's fields."""

    @property
    def key(self) -> PointKey:
        """What only one active point may have."""
        return (self.group.id if self.group else "", self.type.id, self.timestamp)


class Points(LinkedCollection[Point]):
    """What scalar and composite values have in common."""

    fixed: ClassVar[frozenset[str]] = frozenset({"instrument_id", "type_id", "timestamp"})
    narrowing: ClassVar[frozenset[str]] = frozenset({"instrument_id", "type_id"})
    group_field: ClassVar[str] = "instrument_id"
    attribute: ClassVar[Mapping[str, str]] = {"instrument_id": "group", "type_id": "type"}
    bare_in_samples: ClassVar[bool] = True
    composite: ClassVar[bool] = False

    def __init__(self, workspace: Any) -> None:
        super().__init__(workspace)
        self._taken: dict[PointKey, Point] = {}

    def linked(self, name: str) -> Collection[Any]:
        """``type_id`` means series types here."""
        return self.workspace.series_types if name == "type_id" else super().linked(name)

    def readers(self) -> dict[str, Reader]:
        """Also the moment."""
        moment = Reader("timestamp", "time", lambda record: record.timestamp)
        return {**super().readers(), moment.name: moment}

    def begun(self, body: dict[str, Any]) -> Point:
        """A new point without values; 409 when one is there already."""
        instrument, owner, moment = self._place(body)
        if bool(owner.fields) is not self.composite:
            kind = "composite" if owner.fields else "scalar"
            raise Refusal(422, f"{owner.identifier} is a {kind} series", field="type_id")
        point = Point(instrument, owner, moment)
        self.before_restore(point)
        return point

    def twin(self, body: dict[str, Any]) -> Point | None:
        """The active point at the same place."""
        instrument, owner, moment = self._place(body)
        return self._taken.get((instrument.id, owner.id, moment))

    def _place(self, body: dict[str, Any]) -> tuple[Record, Type, float]:
        instrument = self.referred(body, "instrument_id")
        owner: Type = self.referred(body, "type_id")
        try:
            return instrument, owner, seconds(text(body, "timestamp"))
        except Refusal as refusal:
            raise Refusal(422, refusal.message, code="time", field="timestamp") from refusal

    def after_create(self, record: Point, caller: str) -> None:  # noqa: ARG002
        """The place is taken."""
        self._taken[record.key] = record

    def after_archive(self, record: Point) -> None:
        """The place is free."""
        self._taken.pop(record.key, None)

    def before_restore(self, record: Point) -> None:
        """The place must be free."""
        if record.key in self._taken:
            raise Refusal(409, "There is a value at this timestamp; PATCH it", code="value_exists")

    def after_restore(self, record: Point) -> None:
        """The place is taken again."""
        self._taken[record.key] = record

    def cascade(self, record: Point) -> None:
        """The place is free (reached when an import is rolled back)."""
        self._taken.pop(record.key, None)


class ScalarValues(Points):
    """``/time-series-values``."""

    path: ClassVar[str] = "time-series-values"
    noun: ClassVar[str] = "time_series_value"
    fields: ClassVar[frozenset[str]] = frozenset({"instrument_id", "type_id", "timestamp", "value"})

    def readers(self) -> dict[str, Reader]:
        """Also the value."""
        value = Reader("value", "number", lambda record: record.value)
        return {**super().readers(), value.name: value}

    def present(self, record: Point) -> dict[str, Any]:
        """A value as answers show it: always text."""
        presenter = self.workspace.presenter
        return {
            "id": record.id,
            **self.references(record),
            "timestamp": show(record.timestamp),
            "value": presenter.rendered("number", record.value),
            **presenter.times(record),
        }

    def make(self, body: dict[str, Any]) -> Point:
        """Judge a create body."""
        point = self.begun(body)
        if "value" not in body:
            raise Refusal(422, "value is required", code="required", field="value")
        self.change(point, body)
        return point

    def change(self, record: Point, body: dict[str, Any]) -> None:
        """Judge and apply the value (D16)."""
        if "value" not in body:
            return
        value, wanted = body["value"], self.workspace.config.series_value
        is_number = isinstance(value, NumberText | int) and not isinstance(value, bool)
        if (wanted == "string" and not is_text(value)) or (wanted == "number" and not is_number):
            raise Refusal(422, f"value must be a JSON {wanted}", code="type", field="value")
        record.value = values.parse("number", value, "value")


class Item(Record):
    """One item of a composite value; the composite value is the group."""

    __slots__ = ("field", "point")

    def __init__(self, point: Point, field: FieldDefinition) -> None:
        super().__init__(None, point)
        self.point = point
        self.field = field

    @property
    def value(self) -> str | None:
        """The stored text, kept in the composite value."""
        return self.point.values[self.field.position]


class Items(LinkedCollection[Item]):
    """``/composite-time-series-value-items``: read only."""

    path: ClassVar[str] = "composite-time-series-value-items"
    noun: ClassVar[str] = "composite_time_series_value_item"
    narrowing: ClassVar[frozenset[str]] = frozenset({"composite_time_series_value_id"})
    group_field: ClassVar[str] = "composite_time_series_value_id"
    attribute: ClassVar[Mapping[str, str]] = {"composite_time_series_value_id": "group"}
    bare_in_samples: ClassVar[bool] = True
    items: ClassVar[int] = 0

    def readers(self) -> dict[str, Reader]:
        """Also the key."""
        key = Reader("field_key", "text", lambda record: record.field.key)
        return {**super().readers(), key.name: key}

    def present(self, record: Item) -> dict[str, Any]:
        """An item as answers show it."""
        presenter = self.workspace.presenter
        return {
            "id": record.id,
            **self.references(record),
            "field_key": record.field.key,
            "value": presenter.rendered(record.field.config.data_type, record.value),
            **presenter.times(record),
        }

    def make(self, body: dict[str, Any]) -> Item:  # noqa: ARG002
        """Items come with their composite value only."""
        raise Refusal(405, "Items are written through the composite value")

    def change(self, record: Item, body: dict[str, Any]) -> None:  # noqa: ARG002
        """Items change with their composite value only."""
        raise Refusal(405, "Items are written through the composite value")


class CompositeValues(Points):
    """``/composite-time-series-values``: all items in one request."""

    path: ClassVar[str] = "composite-time-series-values"
    noun: ClassVar[str] = "composite_time_series_value"
    fields: ClassVar[frozenset[str]] = frozenset({"instrument_id", "type_id", "timestamp", "items"})
    composite: ClassVar[bool] = True

    def present(self, record: Point) -> dict[str, Any]:
        """A composite value as answers show it."""
        presenter = self.workspace.presenter
        items = [
            {"field_key": key, "value": value}
            for key, value in presenter.snapshot(record.type, record.values).items()
            if value is not None
        ]
        return {
            "id": record.id,
            **self.references(record),
            "timestamp": show(record.timestamp),
            "items": items,
            **presenter.times(record),
        }

    def item_count(self, record: Point) -> int:
        """One, or one plus its items (D9)."""
        if self.workspace.config.item_billing == "one":
            return 1
        return 1 + sum(value is not None for value in record.values)

    def make(self, body: dict[str, Any]) -> Point:
        """Judge a create body; a missing required item is 422."""
        point = self.begun(body)
        given = _items(body)
        point.values = schema.created(point.type, given, self.workspace.config)
        return point

    def change(self, record: Point, body: dict[str, Any]) -> None:
        """Judge and apply items: given ones merge with the stored ones."""
        given = _items(body)
        values_after = schema.patched(record.type, record.values, given, self.workspace.config)
        record.values = values_after
        self._write_items(record)

    def after_create(self, record: Point, caller: str) -> None:
        """Its items are records too."""
        super().after_create(record, caller)
        self._write_items(record)

    def after_archive(self, record: Point) -> None:
        """Items are archived with their value."""
        super().after_archive(record)
        table = self.workspace.composite_items.table
        for item in table.group(record):
            table.archive(item, self.workspace.clock.now())

    def after_restore(self, record: Point) -> None:
        """Items are restored with their value."""
        super().after_restore(record)
        table = self.workspace.composite_items.table
        for item in table.group(record):
            table.restore(item, self.workspace.clock.now())

    def cascade(self, record: Point) -> None:
        """Items go with their value."""
        super().cascade(record)
        table = self.workspace.composite_items.table
        for item in list(table.group(record)):
            table.remove(item)

    def _write_items(self, record: Point) -> None:
        table = self.workspace.composite_items.table
        held = {item.field.key: item for item in table.group(record)}
        for field, value in record.type.items(record.values):
            item = held.get(field.key)
            if value is None and item is not None:
                table.remove(item)
            elif value is not None and item is None:
                table.add(Item(record, field), self.workspace.clock.now())


def _items(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("items", [])
    good = isinstance(given, list) and all(
        isinstance(item, dict) and item.keys() == {"field_key", "value"} for item in given
    )
    if not good:
        raise Refusal(422, "items must be a list of field_key and value", field="items")
    found: dict[str, Any] = {}
    for item in given:
        if not is_text(item["field_key"]) or item["field_key"] in found:
            raise Refusal(422, "items must have different field keys", field="items")
        found[item["field_key"]] = item["value"]
    return found
