"""Where a row keeps the values of its custom fields: nobody tells (contract N12).

In an object of their own, in columns called as the field, or in columns called ``field.<key>``.
The rows of one file have few shapes, so each is looked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from armillary.restore.canonical import opened
from armillary.restore.types import KIND_OF, TypeNames

_EDGE = frozenset({"id", "created_at", "updated_at", "archived_at"})
_TYPED = frozenset({"identifier", "name", "type_id", "type", "extras"})
_SERIES = frozenset({"instrument_id", "instrument", "type_id", "type", "timestamp"})

OWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "instruments": _EDGE | _TYPED,
        "markets": _EDGE | _TYPED,
        "market_listings": _EDGE
        | {"instrument_id", "instrument", "market_id", "market"}
        | {"local_code", "currency", "lot_size"},
        "market_listing_suspensions": _EDGE
        | {"listing_id", "listing", "suspended_from", "suspended_until", "reason"},
        "market_calendars": _EDGE | {"market_id", "market", "date", "is_open", "description"},
        "time_series_values": _EDGE | _SERIES | {"value"},
        "composite_time_series_values": _EDGE | _SERIES,
    }
)
"""By resource type: the columns the contract knows, those of custom fields left out."""

_NESTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "instruments": ("extra_fields_snapshot", "field_values"),
        "markets": ("extra_fields_snapshot", "field_values"),
        "composite_time_series_values": ("items",),
    }
)
"""By resource type: the columns that may hold all custom fields at once, the one to read first."""

_PREFIX = "field."

_MOST_SHAPES = 4096

_Flat = tuple[tuple[str, str], ...]


class Columns:
    """The custom fields in rows of one type, and the columns nobody knows."""

    def __init__(self, resource_type: str, types: TypeNames) -> None:
        """No row has been looked at yet."""
        self._own = OWN[resource_type]
        self._nested = _NESTED.get(resource_type, ())
        self._kind = KIND_OF.get(resource_type) if self._nested else None
        self._types = types
        self._shapes: dict[tuple[str, ...], dict[str, _Flat]] = {}
        self.unknown: set[str] = set()

    def look(self, row: Mapping[str, Any]) -> dict[str, _Flat]:
        """Note the columns of a row that nobody knows.

        Returns:
            What is known of rows of this shape: by type, the columns that are fields, with keys.
        """
        shape = tuple(row)
        known = self._shapes.get(shape)
        if known is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()  # rows that leave blanks out: each may have its own
            known = self._shapes[shape] = {}
            self._note_unknown(shape)
        return known

    def fields(self, row: Mapping[str, Any], type_identifier: str) -> Mapping[str, Any]:
        """The values of the custom fields as they stand in the row, blank ones too."""
        known = self.look(row)
        flat = known.get(type_identifier)
        if flat is None:
            flat = known[type_identifier] = self._flat(tuple(row), type_identifier)
        held = None
        for name in self._nested:
            held = row.get(name)
            if held is not None:
                break
        else:
            return {key: row[column] for column, key in flat if _is_plain(row[column])}
        held = opened(held)
        fields = held if isinstance(held, dict) else _items(held)
        return {**{key: row[column] for column, key in flat}, **fields} if flat else fields

    def _flat(self, shape: tuple[str, ...], type_identifier: str) -> _Flat:
        fields = self._types.fields(self._kind, type_identifier) if self._kind else {}
        nested = not self._nested or any(name in shape for name in self._nested)
        found = []
        for column in shape:
            if column in self._own or column in self._nested:
                continue
            key = column.removeprefix(_PREFIX)
            guessed = not (nested or self._is_told)
            if key != column or guessed or (key in fields and not nested):
                found.append((column, key))
        return tuple(found)

    def _note_unknown(self, shape: tuple[str, ...]) -> None:
        rest = {name for name in shape if name not in self._own and name not in self._nested}
        if self._kind is None:
            self.unknown |= rest
            return
        nested = any(name in shape for name in self._nested)
        if not nested and not self._is_told:
            return  # each of them is taken for a field
        keys = self._types.keys(self._kind)
        self.unknown |= {
            name for name in rest if not name.startswith(_PREFIX) and (nested or name not in keys)
        }

    @property
    def _is_told(self) -> bool:
        return self._kind is not None and self._types.tells_fields(self._kind)


def _items(held: Any) -> dict[str, Any]:
    """The items of a composite value by key (contract section 12)."""
    found = {}
    for item in held if isinstance(held, list) else ():
        key = item.get("field_key") if isinstance(item, dict) else None
        if isinstance(key, str):
            found[key] = item.get("value")
    return found


def _is_plain(value: Any) -> bool:
    return not isinstance(value, dict | list)
