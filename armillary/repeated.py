"""Columns in which a few values repeat: what is done with a cell is done once for each value.

A million lot sizes are some dozen texts. A reader may hand such a column over as Categorical: four
bytes a cell instead of sixteen, and to trim it, to translate it and to judge it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import polars as pl

REPEATS = 2
"""A column whose samples have each value so often on average is worth keeping so."""


def is_repeated(cells: pl.DataFrame, name: str) -> bool:
    """Whether a column is kept by its distinct values."""
    return isinstance(cells.schema[name], pl.Categorical)


def as_text(cells: pl.DataFrame) -> pl.DataFrame:
    """The same with every cell as text."""
    return cells.with_columns(pl.col(pl.Categorical).cast(pl.String))


def distinct(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The texts of a repeated column, and for each cell the position (UInt32) of its own.

    A null is no text and has no position. Positions are in the pieces that the column came in.
    """
    values = column.unique().drop_nulls()
    if values.is_empty():
        return values.cast(pl.String), column.to_physical()
    numbers = values.to_physical()
    positions = pl.int_range(values.len(), dtype=pl.UInt32, eager=True)
    # Categories are numbered over the whole process: from those numbers to positions by a table.
    table = pl.zeros(numbers.sort()[-1] + 1, dtype=pl.UInt32, eager=True)
    table = table.scatter(numbers, positions)
    return values.cast(pl.String), spread(table, column.to_physical())


def spread(values: pl.Series, positions: pl.Series) -> pl.Series:
    """For each position its value, in the pieces that the positions came in.

    Columns of one frame that are cut differently are aligned by copying all of them.
    """
    pieces = [values.gather(piece) for piece in positions.get_chunks()]
    return pl.concat(pieces, rechunk=False) if pieces else values.clear()


def converted(column: pl.Series, convert: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """A repeated column with another text for each of its values."""
    values = column.unique().cast(pl.String)
    if values.to_frame().select(convert(pl.col(column.name))).to_series().equals(values):
        return column
    values, positions = distinct(column)
    meant = values.to_frame().select(convert(pl.col(column.name))).to_series()
    return spread(meant.cast(column.dtype), positions)


def rows_where(
    cells: pl.DataFrame, names: Iterable[str], test: Callable[[pl.Expr, str], pl.Expr]
) -> pl.DataFrame:
    """The rows in which every one of these cells passes a test, which may ask for its column.

    Column by column, so that the next one is looked at only for what is left, and those first of
    which a few values tell it all.
    """
    for name in sorted(names, key=lambda name: not is_repeated(cells, name)):
        if is_repeated(cells, name):
            values = cells.select(pl.col(name).unique().cast(pl.String))
            if values.filter(test(pl.col(name), name)).is_empty():
                return cells.clear()
        cells = cells.filter(test(pl.col(name).cast(pl.String), name))
    return cells
