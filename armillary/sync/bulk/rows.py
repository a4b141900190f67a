"""Changes as the rows of import files (contract section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from armillary.restore.split import MOST_BYTES, Part, PartWriter
from armillary.sync.canonical import CLEAR
from armillary.sync.frames import FIELD, column
from armillary.sync.ground import Ground
from armillary.sync.plan import Change, iter_changes

_BLOCK_ROWS = 256
"""So many go into a file at once."""

_encode = msgspec.json.Encoder().encode

Present = dict[str, dict[str, str]]
"""By UUID, what an instrument holds of that which every row of an import has to have."""


def present_values(present: pl.DataFrame | None, ground: Ground) -> Present:
    """What every row has to have of the instruments that are updated: name and required fields.

    A PATCH may leave them out; of a row of an import it is said that it has them.
    """
    if present is None:
        return {}
    required = [column(key) for key in sorted(ground.required_fields)]
    names = ["name", *(name for name in required if name in present.columns)]
    return {
        record_id: {name: cell for name, cell in zip(names, cells, strict=True) if cell != CLEAR}
        for record_id, *cells in present.select("id", *names).iter_rows()
    }


def row_of(change: Change, ground: Ground, present: Present) -> dict[str, Any]:
    """The row of one create or update; an update says what it changes and what it has to."""
    wanted = dict(present.get(change.id or "", {}))
    wanted |= {entry.field: entry.after for entry in change.changed}
    row: dict[str, Any] = {"identifier": change.identifier, "type_id": ground.type_id}
    if "name" in wanted:
        row["name"] = wanted.pop("name")
    row["field_values"] = {field.removeprefix(FIELD): value for field, value in wanted.items()}
    return row


def files(
    carried: pl.DataFrame,
    ground: Ground,
    present: Present,
    folder: Path,
    most_bytes: int = MOST_BYTES,
) -> Iterator[Part]:
    """Import files with a row for each change, in the order of the changes.

    Args:
        carried: creates and updates (shape: ``Plan.changes``).
        ground: type of the instruments.
        present: see ``present_values``.
        folder: where a file takes its room; one at a time, if each is done with before the next.
        most_bytes: of a file.

    Raises:
        ConfigurationError: the disk is full, or cannot be written to.
    """
    with PartWriter(folder, most_bytes) as writer:
        for block in carried.iter_slices(_BLOCK_ROWS):
            rows = [_encode(row_of(change, ground, present)) for change in iter_changes(block)]
            yield from writer.add_many(rows)
        last = writer.end()
        if last is not None:
            yield last
