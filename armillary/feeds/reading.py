"""Reading a feed: from what its source delivers to records and rejects, as columns."""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Callable
from collections.abc import Mapping as Map
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from armillary.errors import ConfigurationError, FeedRefused
from armillary.feeds.content import decoded, refuse_other_format
from armillary.feeds.damaged_cells import damaged_cells, number_columns
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.delimited import read_delimited
from armillary.feeds.delivery import Delivery, file_delivery
from armillary.feeds.duplicates import judge_duplicates
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.first_look import named_with_near
from armillary.feeds.json_records import read_array, read_lines
from armillary.feeds.mapping import BAD, Mapping, mapping_of
from armillary.feeds.parquet import read_parquet
from armillary.feeds.table import ROW, Table, cell, own_cells
from armillary.feeds.trailer import (
    Declared,
    refuse_other_count,
    without_skipped,
    without_trailer,
)
from armillary.feeds.workbook import read_workbook
from armillary.repeated import as_text
from armillary.sync.canonical import DataType

_NAMED_REASONS = 3
_MEND_COLUMNS = {
    "sql": "Nothing was written. Mend the query or the feed, then start the sync again.",
    "rest": "Nothing was written. Ask the vendor, or mend the feed, then start the sync again.",
}
"""By kind of the source; of a file the usual advice holds: ask for it again."""


@dataclass(frozen=True)
class FeedReading:
    """What a feed says, and what in it could not be used.

    Attributes:
        records: ``row`` (UInt32: number of the record in the source; a csv header is row 1, a first
            object or parquet row is 1), ``identifier``, ``name`` (null when blank), and one String
            column ``field.<key>`` per mapped field: canonical text, ``""`` to clear, null to leave
            alone. In the order of the source, each identifier once.
        rejects: ``row``, ``identifier`` (null when it cannot be read), ``reason``, ``cells`` (JSON
            object of the source's own columns, or ``{"line": text}``). In the order of the source.
        rows_read: Rows that are not blank: records, rejects and repeated rows together.
        blank_rows: Rows of only blanks, which are no rows.
        repeated_rows: Rows equal to one above them, which count once.
        warnings: What a person should look at although nothing was rejected for it.
        source: What messages call it: the address, without anything secret.
        columns: The source's own columns, in order.
        content_sha256: Of the content, unpacked: tells whether this delivery came before. What is
            live never did: its own with each reading.
        origin: Which of several services it is from; blank where there is only one.
        business_date: The day it speaks of, as its name or its trailer says; None where neither
            does.
        fingerprint: What its place says of it, such as an ETag; blank where it says nothing.
        doubt_of_identifiers: Why one of them may be damaged, so that no rename rests on it.
    """

    records: pl.DataFrame
    rejects: pl.DataFrame
    rows_read: int
    blank_rows: int
    repeated_rows: int
    warnings: tuple[str, ...]
    source: str
    columns: tuple[str, ...]
    content_sha256: str = ""
    origin: str = ""
    business_date: date | None = None
    fingerprint: str = ""
    doubt_of_identifiers: str = ""


def read_feed(
    definition: FeedDefinition,
    data_types: Map[str, DataType],
    deliver: Callable[[], Delivery] | None = None,
) -> FeedReading:
    """Read and map a feed.

    Args:
        definition: What the source is and how it maps.
        data_types: Data type by field key, of the fields the instrument type has.
        deliver: Asks the source for its rows; None: the definition is of a file, which is fetched.

    Raises:
        ConfigurationError: The definition does not fit the workspace, or its address is unusable.
        FeedRefused: The source as a whole cannot be trusted, or no row of it can be used.
    """
    mapping = mapping_of(definition, data_types)
    delivery = (deliver or _of_a_file(definition))()
    source = delivery.source
    # Beside the reading: hashing and parsing both leave the interpreter free.
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as beside:
        hashing = beside.submit(hashlib.sha256, delivery.content)
        table, declared = _table(delivery, mapping)
    # From here on only its facts are needed, and the content is as large as all the records.
    delivery = replace(delivery, content=b"")
    _refuse_missing_columns(table, mapping, source, getattr(definition, "kind", "file"))
    damaged = damaged_cells(table, mapping)
    table = replace(
        table,
        cells=mapping.trimmed(table.cells),
        faults=pl.concat([table.faults, damaged.faults]),
    )
    mapped = mapping.applied(table.cells).with_columns(
        pl.col(BAD) | pl.col(ROW).is_in(table.faults[ROW].implode())
    )
    if damaged.nameless:
        unnamed = pl.col(ROW).is_in(damaged.nameless)
        mapped = mapped.with_columns(pl.when(~unnamed).then("identifier").alias("identifier"))
    again, repeats = judge_duplicates(mapped)
    rejects = _rejects(table, mapping, mapped, again)
    dropped = pl.concat([rejects[ROW], repeats])
    records = mapped.drop(BAD)
    if not dropped.is_empty():
        records = records.filter(~pl.col(ROW).is_in(dropped.implode()))
    if records.is_empty():
        raise _nothing_usable(rejects, source)
    return FeedReading(
        records=records,
        rejects=rejects,
        rows_read=table.cells.height + table.broken.height,
        blank_rows=table.blank_rows,
        repeated_rows=len(repeats),
        warnings=(
            *delivery.warnings,
            *table.warnings,
            *_blank_columns(table, mapping),
            *number_columns(table, mapping),
        ),
        source=source,
        columns=table.columns,
        content_sha256=_told_apart(hashing.result(), live=delivery.live),
        origin=delivery.origin,
        business_date=_business_date(delivery, declared),
        fingerprint=delivery.fingerprint,
        doubt_of_identifiers=damaged.doubt,
    )


def _of_a_file(definition: FeedDefinition) -> Callable[[], Delivery]:
    if not isinstance(definition, FileDefinition):
        raise ConfigurationError(
            f"Feed {definition.name} is no file: its rows cannot be fetched from an address.",
            next_step="Have its source deliver them.",
        )
    return functools.partial(file_delivery, definition)


def _told_apart(content: hashlib._Hash, *, live: bool) -> str:
    if live:
        content.update(uuid.uuid4().bytes)
    return content.hexdigest()


def _table(delivery: Delivery, mapping: Mapping) -> tuple[Table, Declared]:
    content, source = delivery.content, delivery.source
    refuse_other_format(content, delivery.file_format, source)
    if delivery.file_format == "parquet":
        return read_parquet(content, mapping.columns, source), Declared()
    if delivery.file_format == "xlsx":
        return read_workbook(content, delivery.sheet, delivery.skip_lines, source), Declared()
    content = decoded(content, delivery.encoding, source)
    if delivery.skip_lines:
        content = without_skipped(content, delivery.skip_lines)
    if not delivery.trailer:
        return _text_table(content, delivery, mapping), Declared()
    content, declared = without_trailer(content, delivery.trailer, delivery.delimiter, source)
    table = _text_table(content, delivery, mapping)
    refuse_other_count(declared, table.cells.height + table.broken.height, source)
    return table, declared


def _text_table(content: bytes, delivery: Delivery, mapping: Mapping) -> Table:
    source = delivery.source
    if delivery.file_format == "csv":
        return read_delimited(content, delivery.delimiter, source)
    if not content.strip():
        raise FeedRefused(f"{source} is empty: it holds nothing but blanks.")
    read = read_array if delivery.file_format == "json" else read_lines
    return read(content, mapping.columns, source)


def _business_date(delivery: Delivery, declared: Declared) -> date | None:
    """The trailer is part of the content, and the name is not: where both speak, they agree."""
    named, written = delivery.business_date, declared.business_date
    if named is not None and written is not None and named != written:
        raise FeedRefused(
            f"{delivery.source} is of {named} by its name and of {written} by its trailer: which "
            "is right cannot be told."
        )
    return written or named


def _refuse_missing_columns(table: Table, mapping: Mapping, source: str, kind: str) -> None:
    if table.cells.is_empty() and table.broken.is_empty():
        raise FeedRefused(f"{source} holds not a single record.")
    if not table.columns:
        raise _nothing_usable(_broken(table), source)
    missing = [name for name in mapping.columns if name not in table.columns]
    if not missing:
        return
    named = named_with_near(missing, table.columns)
    raise FeedRefused(
        f"{source} has no column {named}, which the feed definition needs. Its columns: "
        f"{', '.join(table.columns)}. {table.hint}".rstrip(),
        next_step=_MEND_COLUMNS.get(kind),
    )


def _rejects(
    table: Table, mapping: Mapping, mapped: pl.DataFrame, again: pl.DataFrame
) -> pl.DataFrame:
    """Every reject with all its reasons."""
    if table.faults.is_empty() and again.is_empty() and not mapped[BAD].any():
        return _broken(table).sort(ROW)
    bad = as_text(table.cells.filter(mapped[BAD])).join(table.faults, on=ROW, how="anti")
    reasons = pl.concat(
        [
            table.faults.select(ROW, pl.col("fault").alias("reason")),
            mapping.problems(bad),
            again,
        ]
    )
    reasons = reasons.group_by(ROW, maintain_order=True).agg(pl.col("reason").str.join("; "))
    rejected = table.cells.join(reasons.select(ROW), on=ROW, how="semi", maintain_order="left")
    cut = (
        own_cells(as_text(rejected))
        .join(reasons, on=ROW)
        .join(mapped.select(ROW, "identifier"), on=ROW, maintain_order="left")
        .select(ROW, "identifier", "reason", "cells")
    )
    return pl.concat([cut, _broken(table)]).sort(ROW)


def _broken(table: Table) -> pl.DataFrame:
    return table.broken.select(
        ROW,
        pl.lit(None, dtype=pl.String).alias("identifier"),
        "reason",
        pl.struct("line").struct.json_encode().alias("cells"),
    )


def _nothing_usable(rejects: pl.DataFrame, source: str) -> FeedRefused:
    causes = rejects.group_by("reason").agg(
        pl.len().alias("rows"), pl.col(ROW).min().alias("first")
    )
    causes = causes.sort(["rows", "first"], descending=[True, False])
    named = "; ".join(
        f"row {first}: {reason}" if rows == 1 else f"{rows} rows from row {first}: {reason}"
        for reason, rows, first in causes.head(_NAMED_REASONS).iter_rows()
    )
    others = causes.height - _NAMED_REASONS
    more = f"; and {others} other reasons" if others > 0 else ""
    count = "1 row" if rejects.height == 1 else f"{rejects.height} rows"
    return FeedRefused(f"{source} has {count} and none can be used: {named}{more}.")


def _blank_columns(table: Table, mapping: Mapping) -> list[str]:
    names = [cell(name) for name in mapping.columns]
    blank = table.cells.select((pl.col(names) == "").all()).row(0)
    warnings = []
    for name, is_blank in zip(mapping.columns, blank, strict=True):
        if is_blank:
            effects = [
                f"{field.key} is {'emptied' if field.clears else 'left alone'} everywhere"
                for field in mapping.fields
                if name in field.template.columns
            ]
            if mapping.name and name in mapping.name.columns:
                effects.append("names are left alone")
            warnings.append(f"The column '{name}' is blank in every row: {', '.join(effects)}.")
    return warnings
