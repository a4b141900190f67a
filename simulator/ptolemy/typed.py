"""Instruments and markets: records with an identifier, a type, custom fields and extras."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.exchange import Refusal
from simulator.ptolemy import filters, schema
from simulator.ptolemy.call import mapping, text
from simulator.ptolemy.comparisons import Reader
from simulator.ptolemy.records import Record
from simulator.ptolemy.schema import Schema, Type, Values
from simulator.ptolemy.writing import WritableCollection

if TYPE_CHECKING:
    from simulator.ptolemy.workspace import Workspace

IDENTIFIER_CHARS = 255
SLUG = re.compile(r"[a-z0-9][a-z0-9._:-]*")
FIELD_PREFIX = "field."


class TypedRecord(Record):
    """An instrument or a market; ``values`` follow the fields of the type."""

    __slots__ = ("extras", "name", "values")

    def __init__(self, identifier: str, name: str, owner: Type, values: Values) -> None:
        super().__init__(identifier, owner)
        self.name = name
        self.values = values
        self.extras: dict[str, Any] | None = None

    @property
    def type(self) -> Type:
        """The type; kept in ``group``."""
        owner = self.group
        if not isinstance(owner, Type):
            raise TypeError(f"{self.id} has no type")
        return owner


class TypedCollection(WritableCollection[TypedRecord]):
    """What instruments and markets have in common."""

    fields: ClassVar[frozenset[str]] = frozenset(
        {"name", "identifier", "type_id", "field_values", "extras"}
    )
    narrowing: ClassVar[frozenset[str]] = frozenset({"type_id"})
    group_field: ClassVar[str] = "type_id"
    hard: ClassVar[bool] = True
    includes: ClassVar[frozenset[str]] = frozenset({"type", "tags"})

    def __init__(self, workspace: Workspace, types: Schema) -> None:
        self.schema = types
        super().__init__(workspace)

    def readers(self) -> dict[str, Reader]:
        """The fields of the record itself; ``field.<key>`` comes from the schema."""
        owner = Reader("type_id", "reference", lambda record: record.group.id, self._type_id)
        return {**super().readers(), owner.name: owner}

    def reader(self, name: str) -> Reader:
        """Also ``field.<field_key>``."""
        if not name.startswith(FIELD_PREFIX):
            return super().reader(name)
        key = name.removeprefix(FIELD_PREFIX)
        data_types = self.schema.data_types(key)
        if not data_types:
            raise filters.refuse(f"No type has a field {key!r}")
        data_type: Any = next(iter(data_types.values()))
        rendered = self.workspace.presenter.rendered
        if data_type == "text":
            return Reader(
                name,
                "text",
                lambda record: rendered("text", record.group.value(record.values, key)),
            )
        return Reader(name, data_type, lambda record: record.group.value(record.values, key))

    def warnings(self, compiled: filters.Filter) -> list[str]:
        """A field not every type has (section 3)."""
        found = []
        for name in sorted({leaf.field for leaf in compiled.leaves}):
            if name.startswith(FIELD_PREFIX):
                key = name.removeprefix(FIELD_PREFIX)
                if len(self.schema.data_types(key)) < len(self.schema.types):
                    found.append(f"Not every type has the field {key}")
        return found

    def owner(self, key: str) -> Record | None:
        """A type by UUID or identifier."""
        return self.schema.find(key)

    def _type_id(self, key: str) -> str | None:
        owner = self.schema.find(key)
        return owner.id if owner else None

    def present(self, record: TypedRecord) -> dict[str, Any]:
        """The record as answers show it (section 8)."""
        presenter = self.workspace.presenter
        return {
            "id": record.id,
            "identifier": record.identifier,
            "name": record.name,
            **presenter.reference("type", record.group),
            "extra_fields_snapshot": presenter.snapshot(record.type, record.values),
            "extras": record.extras or {},
            **presenter.times(record),
        }

    def included(self, what: str, record: TypedRecord) -> list[Record]:
        """The type, or the tags."""
        return [record.type] if what == "type" else list(record.tags)

    def make(self, body: dict[str, Any]) -> TypedRecord:
        """Judge a create body (section 8)."""
        name = text(body, "name")
        identifier = self._free_identifier(text(body, "identifier"), None)
        owner = self._find_type(text(body, "type_id"))
        given = mapping(body, "field_values")
        values = schema.created(owner, given, self.workspace.config)
        record = TypedRecord(identifier, name, owner, values)
        record.extras = mapping(body, "extras") or None
        return record

    def change(self, record: TypedRecord, body: dict[str, Any]) -> None:
        """Judge and apply a PATCH body: given values merge with the stored ones."""
        config = self.workspace.config
        owner, stored = record.type, record.values
        name = text(body, "name") if "name" in body else record.name
        identifier = record.identifier or ""
        if "identifier" in body:
            identifier = self._free_identifier(text(body, "identifier"), record)
        if "type_id" in body:
            owner, stored = self._new_type(record, text(body, "type_id"))
        values = schema.patched(owner, stored, mapping(body, "field_values"), config)
        extras = record.extras
        if "extras" in body:
            given = mapping(body, "extras")
            extras = {**(extras or {}), **given} if config.extras == "merge" else given
        record.name, record.values, record.extras = name, values, extras or None
        if identifier != record.identifier:
            self.table.rename(record, identifier)
        if owner is not record.group:
            self.table.move(record, owner)

    def _new_type(self, record: TypedRecord, key: str) -> tuple[Type, Values]:
        owner = self._find_type(key)
        if owner is record.group:
            return owner, record.values
        if self.workspace.config.type_change == "refused":
            raise Refusal(422, "The type cannot be changed", field="type_id")
        held = {field.key: value for field, value in record.type.items(record.values)}
        return owner, tuple(held.get(field.key) for field in owner.fields)

    def _find_type(self, key: str) -> Type:
        owner = self.schema.find(key)
        if owner is None:
            raise Refusal(422, f"No type {key!r} in this workspace", code="type", field="type_id")
        return owner

    def _free_identifier(self, given: str, holder: TypedRecord | None) -> str:
        """The identifier as stored; 422 when malformed, 409 when another record has it."""
        config = self.workspace.config
        identifier = self.workspace.folded(given)
        bad = (
            len(identifier) > IDENTIFIER_CHARS
            or not identifier.isprintable()
            or (config.identifier_characters == "slug" and not SLUG.fullmatch(identifier))
        )
        if bad:
            message = f"identifier: {identifier[:80]!r} is not allowed"
            raise Refusal(422, message, code="invalid_identifier", field="identifier")
        taken: list[TypedRecord] = [
            other
            for other in self.table.holders(identifier)
            if other is not holder
            and (other.archived_at is None or config.archived_holds_identifier)
        ]
        if taken:
            message = f"The identifier {identifier!r} belongs to another {self.noun}"
            raise Refusal(409, message, code="identifier_taken", field="identifier")
        return identifier


class Instruments(TypedCollection):
    """Section 8."""

    path: ClassVar[str] = "instruments"
    noun: ClassVar[str] = "instrument"

    def before_archive(self, record: TypedRecord) -> None:
        """A39: an instrument with active listings, where the server minds."""
        if self.workspace.config.archive_with_listings == "allowed":
            return
        if self.workspace.has_active_listings(record):
            raise Refusal(409, "The instrument has active listings", code="has_listings")

    def cascade(self, record: TypedRecord) -> None:
        """Field values and tag assignments live in the record; nothing else goes (section 9)."""


class Markets(TypedCollection):
    """Section 11; the paths follow those of instruments (N5)."""

    path: ClassVar[str] = "markets"
    noun: ClassVar[str] = "market"

    def cascade(self, record: TypedRecord) -> None:
        """Listings and calendars go with a market (section 9)."""
        self.workspace.remove_of_market(record)
