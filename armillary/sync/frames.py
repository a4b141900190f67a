"""Instruments as columns: the one shape in which rows of the API meet rows of a feed.

Columns: ``id``, ``identifier``, ``name``, ``type`` (a UUID or an identifier, contract D2),
``archived``, and ``field.<key>`` for each field that matters to the feed: canonical text, ``""``
where the workspace holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from armillary.api.envelope import reference
from armillary.api.models import Page
from armillary.sync.canonical import CLEAR, DataType, canonical_or_as_found, canonical_value

Scope = Mapping[str, Sequence[str]] | str | None
"""Which existing instruments a feed owns: by field value, ``all``, or not said."""

FIELD = "field."
SNAPSHOTS = ("extra_fields_snapshot", "field_values")
"""Where an instrument has its values, as answers and exports name it (contract section 6, N12)."""

BASE_SCHEMA: dict[str, type[pl.DataType]] = {
    "id": pl.String,
    "identifier": pl.String,
    "name": pl.String,
    "type": pl.String,
    "archived": pl.Boolean,
}


def column(field_key: str) -> str:
    """The column that holds a field."""
    return FIELD + field_key


class InstrumentColumns:
    """Gathers pages of instruments; rows become columns page by page, never all at once."""

    def __init__(self, data_types: Mapping[str, DataType]) -> None:
        self._data_types = data_types
        self._schema = BASE_SCHEMA | {column(key): pl.String for key in data_types}
        self._frames: list[pl.DataFrame] = []
        self.rows = 0

    def take(self, page: Page) -> None:
        """Add one page."""
        self.add(page.rows)

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows as the API returned them."""
        self.rows += len(rows)
        if rows:
            self._frames.append(pl.DataFrame(self._columns(rows), schema=self._schema))

    def frame(self) -> pl.DataFrame:
        """All rows so far, one per ``id`` (the last one wins: contract section 4, A30)."""
        if not self._frames:
            return pl.DataFrame(schema=self._schema)
        whole = pl.concat(self._frames)
        self._frames = []
        # Column by column: all of them twice would be the most that a sync ever holds.
        for place, name in enumerate(whole.columns):
            whole.replace_column(place, self._canonical(whole[name].rechunk()))
        if whole["id"].n_unique() < whole.height:
            whole = whole.unique("id", keep="last", maintain_order=True)
        self._frames = [whole]
        return whole.clone()

    def _canonical(self, values: pl.Series) -> pl.Series:
        data_type = self._data_types.get(values.name.removeprefix(FIELD))
        if data_type is None or not values.name.startswith(FIELD):
            return values
        same = canonical_or_as_found(pl.col(values.name), data_type)
        return values.to_frame().select(same).to_series()

    def _columns(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {
            "id": [str(row.get("id", "")) for row in rows],
            "identifier": _texts(rows, "identifier"),
            "name": [name.strip() for name in _texts(rows, "name")],
            "type": [reference(row, "type") or "" for row in rows],
            "archived": [row.get("archived_at") is not None for row in rows],
        }
        snapshots = [snapshot(row) for row in rows]
        for key in self._data_types:
            columns[column(key)] = _texts(snapshots, key)
        return columns


def _texts(rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """``text_of`` each row's value; text, the usual case by far, costs no call."""
    found = [row.get(key) for row in rows]
    return [value if type(value) is str else text_of(value) for value in found]


def snapshot(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The custom values of an instrument as answered (contract section 6)."""
    for key in SNAPSHOTS:
        values = row.get(key)
        # Asking a dict whether it is a mapping takes longer than all else here.
        if type(values) is dict or isinstance(values, Mapping):
            return values
    return {}


def text_of(value: Any) -> str:
    """The text of a JSON value; a missing one is blank (contract N6)."""
    if value is None:
        return CLEAR
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def in_scope(scope: Scope, data_types: Mapping[str, DataType]) -> pl.Expr:
    """Whether an existing record is one of those the feed owns."""
    values = scope_values(scope, data_types)
    if not values:
        return pl.lit(value=True)
    return pl.all_horizontal(pl.col(column(key)).is_in(own) for key, own in values.items())


def scope_values(scope: Scope, data_types: Mapping[str, DataType]) -> dict[str, list[str]]:
    """The scope in canonical text, sorted by field; empty when the feed owns the whole type."""
    if not isinstance(scope, Mapping):
        return {}
    return {
        key: [_canonical_or_same(value, data_types.get(key, DataType.TEXT)) for value in values]
        for key, values in sorted(scope.items())
    }


def _canonical_or_same(value: str, data_type: DataType) -> str:
    found = canonical_value(value, data_type)
    return value if found is None else found
