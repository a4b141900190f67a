"""What the types of one workspace are called, and of which data type their fields are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from armillary.api.envelope import Row, references
from armillary.backup.schemas import Schemas

Kind = Literal["instrument", "market", "series"]

KIND_OF: Mapping[str, Kind] = MappingProxyType(
    {
        "instruments": "instrument",
        "markets": "market",
        "time_series_values": "series",
        "composite_time_series_values": "series",
    }
)
"""By resource type: of which kind the type is that its rows have."""

_FILES: Mapping[Kind, tuple[str, str]] = MappingProxyType(
    {
        "instrument": ("instrument_types", "instrument_type_fields"),
        "market": ("market_types", "market_type_fields"),
        "series": ("series", "time_series_type_fields"),
    }
)
"""By kind: the names of its types and fields in ``schemas.json``."""

_NAMES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "instrument": ("type", "instrument_type"),
        "market": ("type", "market_type"),
        "series": ("type", "time_series_type", "series_type", "series"),
    }
)
"""By kind: how a field may name the type it belongs to (contract D2)."""

_NONE: Mapping[str, str] = MappingProxyType({})


class TypeNames:
    """The types of one workspace, found by UUID or identifier, with their fields."""

    def __init__(self, kinds: Mapping[str, _Types]) -> None:
        """Made by :meth:`of`."""
        self._kinds = kinds

    @classmethod
    def of(cls, schemas: Schemas) -> TypeNames:
        """What a workspace, or the file of a backup, tells of its types."""
        return cls({kind: _Types(kind, schemas.resources) for kind in _FILES})

    def identifier_of(self, kind: Kind, reference: str) -> str | None:
        """The identifier of a type that is meant by UUID or by identifier; None if unknown."""
        return self._kinds[kind].identifiers.get(reference)

    def fields(self, kind: Kind, type_identifier: str) -> Mapping[str, str]:
        """Data types by field key; empty for a type without fields, or of unknown ones (N5)."""
        return self._kinds[kind].fields.get(type_identifier, _NONE)

    def keys(self, kind: Kind) -> frozenset[str]:
        """The keys of every field of every type of a kind."""
        return self._kinds[kind].keys

    def tells_fields(self, kind: Kind) -> bool:
        """Whether fields of this kind could be read at all (contract N5)."""
        return self._kinds[kind].told


class _Types:
    """The types of one kind. An archived one counts where no active one has its name."""

    def __init__(self, kind: Kind, resources: Mapping[str, list[Row]]) -> None:
        types, fields = _FILES[kind]
        self.told = fields in resources
        self.identifiers: dict[str, str] = {}
        rows = _active_last(resources.get(types, ()))
        for row in rows:
            identifier = row.get("identifier")
            if isinstance(identifier, str) and identifier:
                self.identifiers[identifier] = identifier
                if isinstance(row.get("id"), str):
                    self.identifiers[row["id"]] = identifier
        self.fields: dict[str, dict[str, str]] = {}
        owners = self._embedded(rows, fields)
        for field in _active_last(resources.get(fields, ())):
            self._add(field, _NAMES[kind], owners)
        self.keys = frozenset(key for known in self.fields.values() for key in known)

    def _add(self, field: Row, names: tuple[str, ...], owners: Mapping[str, set[str]]) -> None:
        key, data_type = field.get("field_key"), field.get("data_type")
        if not (isinstance(key, str) and isinstance(data_type, str)):
            return
        named = references(field, *names)
        if named:
            known = {self.identifiers[name] for name in named if name in self.identifiers}
            belongs = known or set(named)
        else:
            belongs = next((owners[name] for name in _called(field) if name in owners), set())
        for owner in belongs:
            self.fields.setdefault(owner, {})[key] = data_type

    def _embedded(self, rows: Iterable[Row], fields: str) -> Mapping[str, set[str]]:
        """Which types' own rows carry a field, by its UUID and key: it may name none itself."""
        owners: dict[str, set[str]] = {}
        for row in rows:
            identifier = self.identifiers.get(str(row.get("identifier")))
            for field in (row.get("fields") or row.get(fields) or ()) if identifier else ():
                for name in [field] if isinstance(field, str) else _called(field):
                    owners.setdefault(name, set()).add(str(identifier))
        return owners


def _called(field: Any) -> list[str]:
    """UUID and key of a field; the key comes last, because several types may have it."""
    if not isinstance(field, dict):
        return []
    return [found for name in ("id", "field_key") if isinstance(found := field.get(name), str)]


def _active_last(rows: Iterable[Row]) -> list[Row]:
    """So that an active one replaces an archived one of the same name."""
    return sorted(rows, key=lambda row: row.get("archived_at") is None)
