"""The rows of a source as columns of text, before anything is mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from armillary.repeated import rows_where

ROW = "row"
_CELL = "cell."
"""The prefix keeps a source's own ``row`` or ``identifier`` column apart from ours."""

BROKEN_SCHEMA = {ROW: pl.UInt32, "line": pl.String, "reason": pl.String}
FAULT_SCHEMA = {ROW: pl.UInt32, "fault": pl.String}


def cell(column: str) -> str:
    """The name of the frame column that holds a source column."""
    return _CELL + column


def no_faults() -> pl.DataFrame:
    """No row is at fault."""
    return pl.DataFrame(schema=FAULT_SCHEMA)


def broken_rows(rows: Sequence[tuple[int, str, str]]) -> pl.DataFrame:
    """Rows that could not be cut into columns: (row, the line as read, the reason)."""
    return pl.DataFrame(list(rows), schema=BROKEN_SCHEMA, orient="row")


@dataclass(frozen=True)
class Table:
    """What a reader made of a source.

    Attributes:
        cells: ``row`` (UInt32) and one column, never null, per source column (``cell``): String, or
            Categorical where a few values repeat (``repeated``).
        columns: The source's own column names, in order.
        broken: Rows that could not be cut into columns (``BROKEN_SCHEMA``).
        faults: Rows of ``cells`` that must be rejected although they could be cut
            (``FAULT_SCHEMA``).
        blank_rows: How many rows of only blanks were left out.
        numbers: Columns the source itself holds as numbers, not as text.
        mixed: Columns of text in which numbers stand, too.
        dates: By column, the rows in which a date stands among texts: Excel makes one of MAR1.
        uncalculated: By column, the rows in which a formula has no value.
        hint: What may be the matter when an expected column is not there.
        warnings: What a person should look at.
    """

    cells: pl.DataFrame
    columns: tuple[str, ...]
    broken: pl.DataFrame = field(default_factory=lambda: broken_rows([]))
    faults: pl.DataFrame = field(default_factory=no_faults)
    blank_rows: int = 0
    numbers: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    dates: Mapping[str, Sequence[int]] = field(default_factory=dict)
    uncalculated: Mapping[str, Sequence[int]] = field(default_factory=dict)
    hint: str = ""
    warnings: tuple[str, ...] = ()


def without_blank_rows(cells: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Leave out the rows whose every cell is only white space; how many those were."""
    texts = [name for name in cells.columns if name != ROW]
    blank = rows_where(cells, texts, lambda text, _: text.str.strip_chars() == "")
    if blank.is_empty():
        return cells, 0
    return cells.join(blank.select(ROW), on=ROW, how="anti", maintain_order="left"), blank.height


def own_cells(cells: pl.DataFrame) -> pl.DataFrame:
    """``row`` and ``cells``: each row as a JSON object of the source's own columns."""
    own = [pl.col(name).alias(name.removeprefix(_CELL)) for name in cells.columns if name != ROW]
    return cells.select(ROW, pl.struct(own).struct.json_encode().alias("cells"))
