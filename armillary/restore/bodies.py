"""What is sent to bring a row back: the body of a create, or of a PATCH of what is there.

Values are sent as they were exported, so that the number ``1.10`` is ``1.10`` again; only what the
contract takes in one form (dates, booleans, times: section 6) is sent in that form. References are
those of the target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from armillary.backup.resources import REFERENCES
from armillary.restore.canonical import TIMESTAMP, canonical, opened, plain
from armillary.restore.directory import Directory, Key
from armillary.restore.natural import FIELDS, SCALARS, Natural, Naturals, Orphan, Row
from armillary.restore.order import FIXED
from armillary.restore.types import TypeNames
from armillary.sync.canonical import MAX_NUMBER_CHARS, DataType

_KEYS: Mapping[str, Mapping[str, str]] = {
    "market_listing_suspensions": {"suspended_from": TIMESTAMP},
    "market_calendars": {"date": DataType.DATE.value},
    "time_series_values": {"timestamp": TIMESTAMP},
    "composite_time_series_values": {"timestamp": TIMESTAMP},
}
"""By resource type: the columns of its key that are no references, with their data types."""

_ONE_FORM = frozenset({DataType.DATE.value, DataType.BOOLEAN.value, TIMESTAMP})

_NEVER_CLEARED = frozenset({"name", "is_open", "value"})
"""Every record has these, so a null is refused, and all else in the body with it."""


class Bodies:
    """Bodies for the rows of one type of a backup, as the target takes them."""

    def __init__(
        self, resource_type: str, source: Naturals, target_types: TypeNames, target: Directory
    ) -> None:
        """Bodies of ``resource_type``.

        Args:
            resource_type: of the rows.
            source: reads rows of the backup.
            target_types: of the workspace that is written.
            target: its parents, settled.
        """
        self._resource_type = resource_type
        self._source = source
        self._target_types = target_types
        self._target = target
        self._scalars = SCALARS[resource_type]
        self._sent = {**_KEYS.get(resource_type, {}), **self._scalars}
        self._fields_name = FIELDS.get(resource_type)
        self._parents = REFERENCES[resource_type]
        self._type_ids: dict[str, str] = {}

    def create(self, row: Row) -> dict[str, Any]:
        """The body that makes a record of a row of the backup, by import or by POST.

        Raises:
            Orphan: a parent is not in the backup, or not in the target.
        """
        body = self._references(row)
        if self._fields_name == "fields":
            body["identifier"] = str(row.get("identifier") or self._source.of(row).key[0])
        for column, data_type in self._sent.items():
            value = _sent(column, row.get(column), data_type)
            if value is not None:
                body[column] = value
        if self._source.kind is not None and (type_id := self._type_id(row)):
            body["type_id"] = type_id
        if self._fields_name is not None:
            self._add_fields(body, self._fields(row))
            if extras := self._extras(row):
                body["extras"] = extras
        return body

    def patch(self, row: Row, found: Natural) -> dict[str, Any]:
        """The body that brings a record of the target to what the backup holds of it.

        Args:
            row: of the backup.
            found: the record as it is in the target.

        Returns:
            Only what differs, nulls for what has to be cleared; empty if nothing can be changed.

        Raises:
            Orphan: a parent of the row is not in the backup.
        """
        wanted = self._source.of(row).body
        body: dict[str, Any] = {}
        for column, data_type in self._scalars.items():
            if wanted.get(column) != found.body.get(column):
                value = _sent(column, row.get(column), data_type)
                if value is not None or column not in _NEVER_CLEARED:
                    body[column] = value
        if wanted.get("type") != found.body.get("type") and (type_id := self._type_id(row)):
            body["type_id"] = type_id
        if self._fields_name is not None:
            name = self._fields_name
            self._patch_fields(body, row, wanted.get(name, {}), found.body.get(name, {}))
        if wanted.get("extras") != found.body.get("extras"):
            held = opened(found.body.get("extras"))
            body["extras"] = _emptied(self._extras(row) or {}, held)
        fixed = FIXED[self._resource_type]
        return {name: value for name, value in body.items() if name not in fixed}

    def _references(self, row: Row) -> dict[str, Any]:
        return {
            column: self._reference(self._source.parent(row, column), parent_type)
            for column, parent_type in self._parents.items()
        }

    def _reference(self, key: Key, parent_type: str) -> str:
        uuid = self._target.uuid_of(parent_type, key)
        if uuid is not None:
            return uuid
        # An identifier alone means the active one, and a listing has none.
        if len(key) == 1 and self._target.has(parent_type, key):
            return key[0]
        called = " ".join(key)
        raise Orphan(
            f"it belongs to {called}, of which the workspace does not tell the id."
            if self._target.has(parent_type, key)
            else f"it belongs to {called}, which is not among the {parent_type} of the workspace."
        )

    def _type_id(self, row: Row) -> str:
        """By identifier: the UUID is the other workspace's own (contract D14)."""
        found, kind = self._source.type_of(row), self._source.kind
        if found not in self._type_ids:
            known = self._target_types.identifier_of(kind, found) if kind else None
            self._type_ids[found] = known or found
        return self._type_ids[found]

    def _fields(self, row: Row) -> dict[str, Any]:
        data_types = self._source.data_types(self._source.type_of(row))
        return {
            key: _written(value, data_types.get(key, ""))
            for key, value in self._source.fields(row).items()
        }

    def _patch_fields(
        self, body: dict[str, Any], row: Row, wanted: Mapping[str, str], found: Mapping[str, str]
    ) -> None:
        values = self._fields(row)
        names = sorted(wanted.keys() | found.keys())
        changed = {key: values.get(key) for key in names if wanted.get(key) != found.get(key)}
        if changed:
            self._add_fields(body, changed)

    def _add_fields(self, body: dict[str, Any], values: Mapping[str, Any]) -> None:
        if self._fields_name == "items":
            body["items"] = [{"field_key": key, "value": values[key]} for key in values]
        else:
            body["field_values"] = dict(values)

    def _extras(self, row: Row) -> Any:
        return _exact(opened(row.get("extras"))) if self._fields_name == "fields" else None


def _written(value: Any, data_type: str) -> str:
    """One value as text."""
    if data_type in _ONE_FORM and (text := canonical(value, data_type)):
        return text
    return plain(value).strip() if data_type == DataType.NUMBER.value else plain(value)


_WHOLE = re.compile(r"-?[0-9]+").fullmatch
_BOOLEANS = {"true": True, "false": False}


def _sent(column: str, value: Any, data_type: str) -> Any:
    """One column of a record; None for null and blank."""
    text = canonical(value, data_type)
    if text is None:
        return None
    if column == "is_open":
        return _BOOLEANS.get(text, text)
    if data_type in _ONE_FORM:
        return text
    if column == "lot_size":
        # A number in the samples, an integer at that (section 11); a CSV has it as text.
        return int(text) if _is_whole(text) else _written(value, data_type)
    if column == "value":
        # Plain decimals (D16): an exponent is written out, digits stay as they are.
        written = plain(value).strip()
        return text if "e" in written.lower() else written
    return _written(value, data_type)


def _is_whole(text: str) -> bool:
    return _WHOLE(text) is not None and len(text) <= MAX_NUMBER_CHARS


def _exact(value: Any) -> Any:
    """JSON whose numbers are written digit by digit, whoever encodes it.

    The client writes a ``Decimal`` as text, which is right for values and wrong within extras.
    """
    if isinstance(value, dict):
        return {name: _exact(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_exact(member) for member in value]
    return msgspec.Raw(str(value).encode()) if isinstance(value, Decimal) else value


def _emptied(wanted: Any, held: Any) -> Any:
    """Extras with a null for each member that has to go.

    Whether extras are merged or replaced is not told (N6): a member that is left out could stay.
    """
    if not (isinstance(wanted, dict) and isinstance(held, dict)):
        return wanted
    gone: dict[str, Any] = {name: None for name in held if name not in wanted}
    return {
        **{name: _emptied(value, held.get(name)) for name, value in wanted.items()},
        **gone,
    }
