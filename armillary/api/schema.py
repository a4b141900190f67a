"""The read-only schema of a workspace: which fields an instrument type has (contract section 6)."""

from __future__ import annotations

from typing import Any

from armillary.api.collection import Collection
from armillary.api.envelope import Row, references
from armillary.api.models import FieldDefinition
from armillary.api.transport import Transport
from armillary.errors import UnexpectedAnswer

_NAMES = ("id", "field_key", "identifier")


class InstrumentTypeFields(Collection):
    """``/instrument-type-fields``: definitions of all types, each naming its own somehow."""

    def __init__(self, transport: Transport, types: Collection) -> None:
        super().__init__(transport, "/instrument-type-fields")
        self._types = types

    def for_type(self, type_id: str, type_identifier: str) -> list[FieldDefinition]:
        """The fields of one instrument type, in the order the service lists them.

        A field names its type by ``type_id``, ``instrument_type_id``, ``type`` or
        ``instrument_type``, as text or object, by UUID or identifier (D2). One that names none
        counts only if the type's own answer embeds it.

        Raises:
            UnexpectedAnswer: a field without key or data type.
        """
        wanted = {type_id, type_identifier} - {""}
        rows = [row for row in self.list() if row.get("archived_at") is None]
        loose = [row for row in rows if not references(row, "type", "instrument_type")]
        embedded = _embedded(self._types.get(type_id or type_identifier)) if loose else set()
        return [self._definition(row) for row in rows if _belongs(row, wanted, embedded)]

    def _definition(self, row: Row) -> FieldDefinition:
        if not (row.get("field_key") and row.get("data_type")):
            raise UnexpectedAnswer(
                f"field {row.get('field_key') or row.get('id')!r} has no key or no data type.",
                method="GET",
                path=self.path,
            )
        return FieldDefinition.of(row)


def _belongs(row: Row, wanted: set[str], embedded: set[str]) -> bool:
    named = references(row, "type", "instrument_type")
    return bool(named & wanted) if named else bool(_names(row) & embedded)


def _embedded(type_row: Row) -> set[str]:
    """Ids and keys of the fields a type's answer carries, as objects or as plain text."""
    fields: Any = type_row.get("fields") or type_row.get("instrument_type_fields") or []
    found: set[str] = set()
    for entry in fields if isinstance(fields, list) else []:
        found |= {entry} if isinstance(entry, str) else _names(entry)
    return found


def _names(row: Any) -> set[str]:
    if not isinstance(row, dict):
        return set()
    return {row[name] for name in _NAMES if isinstance(row.get(name), str)}
