"""Reading parquet: typed values become the one text each value has."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from armillary.errors import FeedRefused
from armillary.feeds.table import ROW, Table, cell, without_blank_rows
from armillary.sync.canonical import DataType, canonical

_MAGIC = b"PAR1"

NUMBERS = b"armillary.numbers"
"""Key of a file's metadata: a JSON list of the columns of text that the source has as numbers."""

_decode_names = msgspec.json.Decoder(list[str]).decode


def read_parquet(content: bytes, used: Collection[str], name: str) -> Table:
    """Read a parquet file; ``row`` 1 is the first row.

    Numbers lose needless zeros, midnight is a date, any other time is ISO 8601.

    Raises:
        FeedRefused: Cut off, damaged, a column name twice, or a ``used`` column that holds lists,
            objects or bytes.
    """
    if len(content) < 2 * len(_MAGIC) or not content.endswith(_MAGIC):
        raise FeedRefused(
            f"{name} is cut off: a parquet file ends with the mark PAR1, this does not."
        )
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(content))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FeedRefused(f"{name} is a damaged parquet file: {error}.") from None
    names = [each.strip() for each in table.column_names]
    for number, each in enumerate(names):
        if each in names[:number]:
            raise FeedRefused(f"{name} has the column '{each}' twice.")
    frame = pl.DataFrame(pl.from_arrow(table.rename_columns(names)))
    _refuse_nested(frame, used, name)
    rows = pl.int_range(1, frame.height + 1, dtype=pl.UInt32, eager=True).alias(ROW)
    texts = frame.select(
        _text(each, dtype).fill_null("").alias(cell(each)) for each, dtype in frame.schema.items()
    )
    cells, blank = without_blank_rows(texts.insert_column(0, rows))
    return Table(
        cells=cells,
        columns=tuple(names),
        blank_rows=blank,
        numbers=frozenset(each for each, dtype in frame.schema.items() if dtype.is_numeric())
        | _told_numbers(table),
    )


def _told_numbers(table: pa.Table) -> frozenset[str]:
    told = (table.schema.metadata or {}).get(NUMBERS, b"[]")
    try:
        return frozenset(_decode_names(told))
    except msgspec.DecodeError:
        return frozenset()


def _refuse_nested(frame: pl.DataFrame, used: Collection[str], name: str) -> None:
    for each, dtype in frame.schema.items():
        if each in used and (dtype.is_nested() or dtype in {pl.Binary, pl.Object}):
            raise FeedRefused(
                f"{name} has values of type {dtype} in the column '{each}', where the feed "
                "definition needs text, numbers, dates or booleans."
            )


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_numeric():
        written = column.cast(pl.String)
        return pl.coalesce(canonical(written, DataType.NUMBER), written)
    if isinstance(dtype, pl.Datetime):
        day = column.dt.strftime("%Y-%m-%d")
        moment = column.dt.to_string("iso:strict").str.replace(r"\.0+", "")
        return pl.when(column.dt.time() == pl.time(0)).then(day).otherwise(moment)
    if dtype.is_nested() or dtype in {pl.Binary, pl.Object}:
        return pl.when(column.is_not_null()).then(pl.lit(f"({dtype})"))
    return column.cast(pl.String)
