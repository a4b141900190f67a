"""Columns in which a few values repeat: what is done with a cell is done once for each value.

A million lot sizes are some dozen texts. A reader may hand such a column over as Categorical: four
bytes a cell instead of sixteen, and to trim it, to translate it and to judge it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import polars as pl

REPEATS = 2
"""A column whose samples have each value so often on average is worth keeping so."""

_SAMPLES, _SAMPLE_BYTES = 4, 64 * 1024


def is_repeated(cells: pl.DataFrame, name: str) -> bool:
    """Whether a column is kept by its distinct values."""
    return isinstance(cells.schema[name], pl.Categorical)


def as_text(cells: pl.DataFrame) -> pl.DataFrame:
    """The same with every cell as text."""
    return cells.with_columns(pl.col(pl.Categorical).cast(pl.String))


def distinct(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The texts of a repeated column, and for each cell the position (UInt32) of its own."""
    values = column.unique()
    numbers = values.to_physical()
    positions = pl.int_range(values.len(), dtype=pl.UInt32, eager=True)
    if values.is_empty():
        return values.cast(pl.String), positions
    # Categories are numbered over the whole process: from those numbers to positions by a table.
    table = pl.zeros(numbers.sort()[-1] + 1, dtype=pl.UInt32, eager=True)
    table = table.scatter(numbers, positions)
    return values.cast(pl.String), table.gather(column.to_physical())


def converted(column: pl.Series, convert: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """A repeated column with another text for each of its values."""
    values = column.unique().cast(pl.String)
    if values.to_frame().select(convert(pl.col(column.name))).to_series().equals(values):
        return column
    values, positions = distinct(column)
    meant = values.to_frame().select(convert(pl.col(column.name))).to_series()
    return meant.cast(column.dtype).gather(positions)


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


def samples(content: bytes, start: int) -> Iterator[bytes]:
    """Whole lines from all over a text: where it is sorted, the first ones tell little."""
    step = max(_SAMPLE_BYTES, (len(content) - start) // _SAMPLES)
    for position in range(start, len(content), step):
        begin = position if position == start else content.find(b"\n", position) + 1
        yield content[begin : content.rfind(b"\n", begin, begin + _SAMPLE_BYTES) + 1]
