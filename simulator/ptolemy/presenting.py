"""Parts of records as answers show them."""

from __future__ import annotations

from typing import Any

from simulator.clock import timestamp
from simulator.config import Config
from simulator.ptolemy.records import Record
from simulator.ptolemy.schema import Type, Values
from simulator.ptolemy.values import renderers

Shown = dict[str, Any]


class Presenter:
    """Shows records by the switches; made anew when these change."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._renderers = renderers(config)

    def times(self, record: Record) -> Shown:
        """``created_at``, ``archived_at`` and, by N14, ``updated_at``."""
        shown: Shown = {"created_at": timestamp(record.created_at)}
        if self._config.updated_at == "present":
            shown["updated_at"] = timestamp(record.updated_at)
        archived_at = record.archived_at
        shown["archived_at"] = None if archived_at is None else timestamp(archived_at)
        if self._config.unknown_keys == "present":
            shown["revision_hint"] = {"number": record.number}
        return shown

    def reference(self, name: str, record: Record | None) -> Shown:
        """A reference to another record, by D2."""
        style = self._config.references
        shown: Shown = {}
        if style != "embedded":
            shown[f"{name}_id"] = record.id if record else None
        if style != "plain":
            shown[name] = self.embedded(record) if record else None
        return shown

    def embedded(self, record: Record) -> Shown:
        """The minimal shape of a record inside another."""
        shown: Shown = {"id": record.id}
        if record.identifier is not None and self._config.reference_identifier == "present":
            shown["identifier"] = record.identifier
        return shown

    def snapshot(self, owner: Type, stored: Values) -> Shown:
        """``extra_fields_snapshot``: every field as it comes back (section 6, N6, A33)."""
        render = self._renderers
        missing = self._config.missing_value
        shown: Shown = {}
        for field, value in owner.items(stored):
            if value is not None:
                how = render.get(field.config.data_type)
                shown[field.key] = how(value) if how else value
            elif missing != "absent":
                shown[field.key] = None if missing == "null" else ""
        return shown

    def rendered(self, data_type: str, value: str | None) -> str | None:
        """One value as it comes back."""
        how = self._renderers.get(data_type)
        return how(value) if how and value is not None else value
