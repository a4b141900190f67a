"""Types and their field definitions, and the judging of ``field_values``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.config import Config, FieldConfig, TypeConfig
from simulator.exchange import Refusal
from simulator.ptolemy import values
from simulator.ptolemy.records import Record, Table

Values = tuple[str | None, ...]


class FieldDefinition(Record):
    """A field of a type."""

    __slots__ = ("config", "position")

    def __init__(self, owner: Type, config: FieldConfig, position: int) -> None:
        super().__init__(None, owner)
        self.config = config
        self.position = position

    @property
    def key(self) -> str:
        """The ``field_key``."""
        return self.config.field_key


class Type(Record):
    """An instrument type, market type or series type."""

    __slots__ = ("fields", "name", "places")

    def __init__(self, identifier: str, name: str) -> None:
        super().__init__(identifier)
        self.name = name
        self.fields: list[FieldDefinition] = []
        self.places: dict[str, int] = {}

    def value(self, stored: Values, key: str) -> str | None:
        """The stored text of a field; none when it has no value or the type no such field."""
        place = self.places.get(key)
        return None if place is None or place >= len(stored) else stored[place]

    def items(self, stored: Values) -> list[tuple[FieldDefinition, str | None]]:
        """Every field with its stored text."""
        missing = (None,) * (len(self.fields) - len(stored))
        return list(zip(self.fields, stored + missing, strict=True))


class Schema:
    """The types of one kind in a workspace, with their fields."""

    def __init__(self, types: Table[Type], fields: Table[FieldDefinition]) -> None:
        self.types = types
        self.fields = fields

    def add_type(self, config: TypeConfig, at: float) -> Type:
        """Add a type with its fields."""
        made = self.types.add(Type(config.identifier, config.name or config.identifier), at)
        for field in config.fields:
            self.add_field(made, field, at)
        return made

    def add_field(self, owner: Type, config: FieldConfig, at: float) -> FieldDefinition:
        """Add a field at the end of a type."""
        field = FieldDefinition(owner, config, len(owner.fields))
        owner.places[config.field_key] = field.position
        owner.fields.append(field)
        return self.fields.add(field, at)

    def find(self, key: str) -> Type | None:
        """A type by UUID or identifier."""
        return self.types.by_id(key) or self.types.active(key)

    def data_types(self, key: str) -> dict[str, str]:
        """The data type of a field key in each type (by its UUID) that has it."""
        return {
            owner.id: owner.fields[owner.places[key]].config.data_type
            for owner in self.types.rows
            if key in owner.places
        }


def created(owner: Type, given: Mapping[str, Any], config: Config) -> Values:
    """The values of a new record.

    Raises:
        Refusal: 422 for an unknown key, a bad value, or a required field without one.
    """
    merged = _merged(owner, (None,) * len(owner.fields), given, config)
    filled = [
        field.config.default if value is None and field.config.has_default else value
        for field, value in owner.items(merged)
    ]
    check_required(owner, tuple(filled))
    return tuple(filled)


def patched(owner: Type, stored: Values, given: Mapping[str, Any], config: Config) -> Values:
    """The values after a PATCH: given ones merged with the stored ones (section 6).

    Raises:
        Refusal: 422 as :func:`created`.
    """
    merged = _merged(owner, stored, given, config)
    check_required(owner, merged)
    return merged


def check_required(owner: Type, stored: Values) -> None:
    """Raise 422 when a required field has no value."""
    for field, value in owner.items(stored):
        if field.config.is_required and value is None:
            message = f"field_values.{field.key} is required by the type {owner.identifier}"
            raise Refusal(422, message, code="required", field=f"field_values.{field.key}")


def _merged(owner: Type, stored: Values, given: Mapping[str, Any], config: Config) -> Values:
    merged = [value for _, value in owner.items(stored)]
    for key, value in given.items():
        place = owner.places.get(key)
        name = f"field_values.{key}"
        if place is None:
            if config.unknown_field == "refuse":
                message = f"{name}: the type {owner.identifier} has no field {key!r}"
                raise Refusal(422, message, code="unknown_field", field=name)
        elif value is None:
            _clear(merged, owner.fields[place], config)
        else:
            merged[place] = values.parse(owner.fields[place].config.data_type, value, name)
    return tuple(merged)


def _clear(merged: list[str | None], field: FieldDefinition, config: Config) -> None:
    if config.patch_null == "refused" or not field.config.allow_null:
        name = f"field_values.{field.key}"
        raise Refusal(422, f"{name}: null is not allowed", code="null", field=name)
    if config.patch_null == "clears":
        merged[field.position] = None
