"""The types of one kind in one workspace as a person sees them at the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from armillary.api.envelope import Row, references
from armillary.backup.schemas import Schemas
from armillary.restore.types import Kind, TypeNames

CALLED: Mapping[Kind, str] = MappingProxyType(
    {"instrument": "instrument type", "market": "market type", "series": "series type"}
)
"""For people; their plural has an s."""

_TYPES: Mapping[Kind, str] = MappingProxyType(
    {"instrument": "instrument_types", "market": "market_types", "series": "series"}
)
_FIELDS: Mapping[Kind, str] = MappingProxyType(
    {
        "instrument": "instrument_type_fields",
        "market": "market_type_fields",
        "series": "time_series_type_fields",
    }
)
"""By kind: the name in ``schemas.json``."""

_OWNERS = ("type", "instrument_type", "market_type", "time_series_type", "series_type", "series")
"""How a field may name its type (contract D2)."""


class Described:
    """What a workspace, or the file of a backup, tells of the types of one kind.

    Attributes:
        kind: of type.
        untold_types: why types are not told; blank if they are.
        untold_fields: why fields are not told; blank if they are.
    """

    def __init__(self, schemas: Schemas, kind: Kind) -> None:
        self.kind = kind
        self.untold_types = _untold(schemas, _TYPES[kind])
        self.untold_fields = self.untold_types or _untold(schemas, _FIELDS[kind])
        self._names = TypeNames.of(schemas)
        self._types = _by_identifier(schemas.resources.get(_TYPES[kind], []))
        self._fields: dict[str, dict[str, Row]] = {}
        for row in _active_last(schemas.resources.get(_FIELDS[kind], [])):
            for name in references(row, *_OWNERS):
                owner = self._names.identifier_of(kind, name)
                if owner and row.get("field_key"):
                    self._fields.setdefault(owner, {})[str(row["field_key"])] = row

    def type(self, identifier: str) -> Row | None:
        """A type, the active one if there are several; None if there is none."""
        return self._types.get(identifier)

    def fields(self, identifier: str) -> dict[str, Row]:
        """The fields of a type by key, in the order of the dashboard, archived ones too."""
        # A field that names no type is known by its data type alone.
        known: dict[str, Row] = {
            key: {"data_type": data_type}
            for key, data_type in self._names.fields(self.kind, identifier).items()
        }
        known |= self._fields.get(identifier, {})
        return dict(sorted(known.items(), key=_place))

    def named(self, identifier: str) -> str:
        """``instrument type equity (Equity)``."""
        name = str((self.type(identifier) or {}).get("name") or identifier)
        return f"{CALLED[self.kind]} {identifier}" + (f" ({name})" if name != identifier else "")


def is_archived(row: Row) -> bool:
    """Whether a type or field is hidden, and so takes no rows (contract section 9)."""
    return row.get("archived_at") is not None


def _untold(schemas: Schemas, name: str) -> str:
    if name in schemas.resources:
        return ""
    return schemas.missing.get(name, "not there")


def _by_identifier(rows: list[Row]) -> dict[str, Row]:
    return {str(row["identifier"]): row for row in _active_last(rows) if row.get("identifier")}


def _active_last(rows: list[Row]) -> list[Row]:
    """So that an active one takes the place of an archived one of the same name."""
    return sorted(rows, key=is_archived, reverse=True)


def _place(field: tuple[str, Row]) -> tuple[int, str]:
    key, row = field
    order: Any = row.get("display_order")
    return (order if isinstance(order, int) else 0, key)
