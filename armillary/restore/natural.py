"""Rows by their natural key and canonical content: what means the same in every workspace.

UUIDs are another workspace's own, times are those of the export, numbers are written one way or
another: none of that makes two rows different. What is left is compared, and counted as equal only
if it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from armillary.backup.resources import REFERENCES
from armillary.restore.canonical import EXTRAS, TIMESTAMP, UNKNOWN, canonical
from armillary.restore.columns import Columns
from armillary.restore.directory import Directory, Key
from armillary.restore.types import KIND_OF, TypeNames
from armillary.sync.canonical import DataType

Row = Mapping[str, Any]

# As plain text: an enumeration's member costs a look-up twice the time, two million times.
_TEXT, _NUMBER = DataType.TEXT.value, DataType.NUMBER.value
_DATE, _BOOLEAN = DataType.DATE.value, DataType.BOOLEAN.value

SCALARS: Mapping[str, Mapping[str, str]] = {
    "instruments": {"name": _TEXT},
    "markets": {"name": _TEXT},
    "market_listings": {"local_code": _TEXT, "currency": _TEXT, "lot_size": _NUMBER},
    "market_listing_suspensions": {"suspended_until": TIMESTAMP, "reason": _TEXT},
    "market_calendars": {"is_open": _BOOLEAN, "description": _TEXT},
    "time_series_values": {"value": _NUMBER},
    "composite_time_series_values": {},
}
"""By resource type: the columns of its content that hold one value, with their data types."""

FIELDS: Mapping[str, str] = {
    "instruments": "fields",
    "markets": "fields",
    "composite_time_series_values": "items",
}
"""By resource type: the name under which a body holds the custom fields."""


class Orphan(Exception):
    """A row cannot be placed: what it refers to is not there, or it has no name of its own.

    Attributes:
        reason: for a person, to follow the row's number.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Natural(msgspec.Struct, frozen=True, gc=False):
    """One row: what it is called, what it holds, whether it is archived."""

    key: Key
    body: Mapping[str, Any]
    """Canonical; what is blank or null is left out. Custom fields lie in a mapping of their own."""
    archived: bool | None
    """None where the row does not tell."""
    id: str
    """Its UUID in its own workspace; blank where the row does not tell."""


class Naturals:
    """Reads rows of one type of one workspace.

    Attributes:
        directory: the parents in that workspace.
        rows_of_type: rows by type identifier, of types that have fields.
        used: field keys that have a value in at least one row, and in how many, by type identifier;
            every type that a row has is in it.
        ambiguous: how many references name an identifier that several records share: nothing in
            such a row tells which of them is meant, and it is taken for the active one (D5).
    """

    def __init__(self, resource_type: str, types: TypeNames, directory: Directory) -> None:
        """Read rows of ``resource_type``; the parents of it must be settled by then."""
        self.resource_type = resource_type
        self.directory = directory
        self.types = types
        self.kind = KIND_OF.get(resource_type)
        self.used: dict[str, dict[str, int]] = {}
        self.rows_of_type: dict[str, int] = {}
        self.ambiguous = 0
        self._columns = Columns(resource_type, types)
        self._scalars = tuple(SCALARS[resource_type].items())
        self._fields_name = FIELDS.get(resource_type)
        self._data_types: dict[str, Mapping[str, str]] = {}
        self._type_names: dict[str, str] = {}
        self._known: dict[str, tuple[Callable[[str], Key | None], Mapping[Key, int]]] = {}
        self._key: Callable[[Row], Key] = {
            "instruments": self._identifier,
            "markets": self._identifier,
            "market_listings": self._listing,
            "market_listing_suspensions": self._suspension,
            "market_calendars": self._day,
        }.get(resource_type, self._point)

    @property
    def unknown_columns(self) -> set[str]:
        """Columns that are neither the contract's nor custom fields: they are not compared."""
        return self._columns.unknown

    def of(self, row: Row) -> Natural:
        """Read one row.

        Raises:
            Orphan: a parent is not there, or the row lacks a part of its own key.
        """
        key = self._key(row)
        body: dict[str, Any] = {}
        for column, data_type in self._scalars:
            text = canonical(row.get(column), data_type)
            if text is not None:
                body[column] = text
        if self._fields_name is None:
            self._columns.look(row)
        else:
            self._read_fields(row, body)
        archived = bool(row["archived_at"]) if "archived_at" in row else None
        return Natural(key, body, archived, row.get("id") or "")

    def enrol(self, row: Row) -> Natural:
        """Read one row and add it to the directory, as a parent for other types.

        Raises:
            Orphan: as :meth:`of`; then it is not added.
        """
        natural = self.of(row)
        self.directory.add(self.resource_type, row, natural.key, natural.body)
        return natural

    def fields(self, row: Row) -> Mapping[str, Any]:
        """The values of custom fields as they stand in a row, blank and null ones left out."""
        found = self._columns.fields(row, self.type_of(row))
        return {key: value for key, value in found.items() if canonical(value, _TEXT)}

    def type_of(self, row: Row) -> str:
        """The identifier of the row's type; what the row says where no type is known by that."""
        reference = row.get("type_id")
        if type(reference) is str and (known := self._type_names.get(reference)) is not None:
            return known
        return self._type_anew(row)

    def data_types(self, type_identifier: str) -> Mapping[str, str]:
        """Data types of the type's fields by key; empty where they are not told (N5)."""
        known = self._data_types.get(type_identifier)
        if known is None:
            known = self.types.fields(self.kind, type_identifier) if self.kind else {}
            self._data_types[type_identifier] = known
        return known

    def parent(self, row: Row, column: str) -> Key:
        """The key of the parent a row refers to.

        Raises:
            Orphan: it refers to none, or to one that is not there.
        """
        reference = row.get(column)
        if type(reference) is str:
            known = self._known.get(column)
            if known is None:
                parents = REFERENCES[self.resource_type][column]
                known = self.directory.finder(parents), self.directory.shared(parents)
                self._known[column] = known
            found = known[0](reference)
            if found is not None:
                if known[1] and found in known[1] and reference == found[0]:
                    self.ambiguous += 1
                return found
        key = self.directory.key_of(self.resource_type, row, column)
        if key is None:
            raise Orphan(_missing(row, column, REFERENCES[self.resource_type][column]))
        return key

    def _read_fields(self, row: Row, body: dict[str, Any]) -> None:
        type_identifier = self.type_of(row)
        data_types, used = self.data_types(type_identifier), self.used[type_identifier]
        fields = {}
        for field_key, value in self._columns.fields(row, type_identifier).items():
            text = canonical(value, data_types.get(field_key, UNKNOWN))
            if text is not None:
                fields[field_key] = text
        self.rows_of_type[type_identifier] = self.rows_of_type.get(type_identifier, 0) + 1
        for field_key in fields:
            used[field_key] = used.get(field_key, 0) + 1
        if self._fields_name == "items":
            body["items"] = fields
            return
        if type_identifier:
            body["type"] = type_identifier
        body["fields"] = fields
        extras = canonical(row.get("extras"), EXTRAS)
        if extras is not None:
            body["extras"] = extras

    def _type_anew(self, row: Row) -> str:
        names = list(_named(row.get("type_id"))) + list(_named(row.get("type")))
        known = (self.types.identifier_of(self.kind, name) for name in names if self.kind)
        # An object that has both names the identifier last.
        found = next((name for name in known if name), names[-1] if names else "")
        self.used.setdefault(found, {})
        if isinstance(row.get("type_id"), str):
            self._type_names[row["type_id"]] = found
        return found

    def _identifier(self, row: Row) -> Key:
        identifier = row.get("identifier")
        if not identifier:
            raise Orphan("it has no identifier.")
        return (sys.intern(str(identifier)),)

    def _listing(self, row: Row) -> Key:
        return self.parent(row, "instrument_id") + self.parent(row, "market_id")

    def _suspension(self, row: Row) -> Key:
        return (*self.parent(row, "listing_id"), _needed(row, "suspended_from", TIMESTAMP))

    def _day(self, row: Row) -> Key:
        return (*self.parent(row, "market_id"), _needed(row, "date", _DATE))

    def _point(self, row: Row) -> Key:
        moment = _needed(row, "timestamp", TIMESTAMP)
        return (*self.parent(row, "instrument_id"), self.type_of(row), moment)


def _needed(row: Row, column: str, data_type: str) -> str:
    text = canonical(row.get(column), data_type)
    if text is None:
        raise Orphan(f"its {column} is blank.")
    return text


def _missing(row: Row, column: str, parent_type: str) -> str:
    names = [*_named(row.get(column)), *_named(row.get(column.removesuffix("_id")))]
    if not names:
        return f"its {column} is blank."
    return f"its {column} means {names[-1]}, which is not among the {parent_type}."


def _named(value: Any) -> list[str]:
    """The UUID and the identifier a reference has, in that order (contract D2)."""
    parts = (value.get("id"), value.get("identifier")) if isinstance(value, dict) else (value,)
    return [part for part in parts if isinstance(part, str) and part]
