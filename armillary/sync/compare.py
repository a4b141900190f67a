"""Comparing two frames: what a feed wants and what the workspace holds.

Pure and columnar: joins and expressions over whole columns, so that a million records against a
million cost seconds and no Python object per record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from armillary.sync.canonical import CLEAR
from armillary.sync.frames import column
from armillary.sync.matching import NOW, PART_ROWS
from armillary.sync.plan import CHANGED, CHANGES

_PLACE = "place"


def compared_columns(field_keys: Sequence[str]) -> list[str]:
    """The columns that make a change: the name and each mapped field."""
    return ["name", *(column(key) for key in field_keys)]


def with_changed(pairs: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add ``changed``: the fields whose wanted value differs from the present one.

    A null is "leave it alone"; ``""`` wants the field emptied.
    """
    return _with_entries(pairs, columns, lambda name: pl.col(name + NOW))


def creates(records: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The changes that make new records; a field without a value is not sent at all.

    Part by part, each in its place: an entry for each field of a million records, all at once and
    then sorted, takes gigabytes.
    """
    order = records["identifier"].arg_sort()
    parts = []
    for start in range(0, max(1, order.len()), PART_ROWS):
        part = records[order.slice(start, PART_ROWS)]
        changed = _with_entries(part, columns, lambda _: pl.lit(CLEAR))
        changed = changed.with_columns(pl.lit(None, pl.String).alias("id"))
        parts.append(as_changes(changed, "create"))
    return pl.concat(parts)


def _with_entries(
    frame: pl.DataFrame, columns: Sequence[str], before: Callable[[str], pl.Expr]
) -> pl.DataFrame:
    """Add ``changed``, with an entry for each column that is not null and not as ``before``."""
    place = pl.int_range(pl.len(), dtype=pl.UInt32).alias(_PLACE)
    # One frame a column, gathered by row at the end: ten times as fast as a list row by row.
    entries = pl.concat(
        frame.select(
            place,
            pl.lit(name).alias("field"),
            before(name).alias("before"),
            pl.col(name).alias("after"),
        ).filter(pl.col("before") != pl.col("after"))
        for name in columns
    )
    lists = (
        entries.sort(_PLACE, maintain_order=True)
        .group_by(_PLACE, maintain_order=True)
        .agg(_entry().alias("changed"))
    )
    placed = frame.with_columns(place).join(lists, on=_PLACE, how="left", maintain_order="left")
    return placed.drop(_PLACE).with_columns(pl.col("changed").fill_null(pl.lit([], CHANGED)))


def _entry() -> pl.Expr:
    return pl.struct("field", "before", "after")


def archives(missing: pl.DataFrame) -> pl.DataFrame:
    """The changes that archive what the feed no longer has."""
    bare = missing.with_columns(
        pl.lit(None, pl.UInt32).alias("row"), pl.lit([], CHANGED).alias("changed")
    )
    return as_changes(bare, "archive")


def instruments_of(pairs: pl.DataFrame) -> pl.DataFrame:
    """The instruments of pairs (``Matching.beside``), in columns without ``.now``."""
    return pairs.select(
        "identifier",
        *(
            pl.col(name).alias(name.removesuffix(NOW))
            for name in pairs.columns
            if name.endswith(NOW)
        ),
    )


def as_changes(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Give a frame with identifier, id, row and changed the shape of ``Plan.changes``."""
    return frame.select(
        pl.lit(kind).alias("kind"),
        pl.col("identifier"),
        pl.col("id"),
        pl.col("row").cast(pl.UInt32),
        pl.col("changed"),
    ).match_to_schema(CHANGES)


def without_echoes(changed: pl.DataFrame, echoes: pl.DataFrame) -> pl.DataFrame:
    """Drop wanted values that this workspace is known to store differently.

    ``echoes`` (identifier, field, wanted, stored): what an earlier run wanted and read back. While
    both stay as they were, wanting it again would change nothing (``reliability.md`` A33).
    """
    if echoes.is_empty() or changed.is_empty():
        return changed
    entries = changed.select("identifier", "changed").explode("changed").unnest("changed")
    kept = entries.join(
        echoes,
        left_on=["identifier", "field", "after", "before"],
        right_on=["identifier", "field", "wanted", "stored"],
        how="anti",
    )
    regrouped = kept.group_by("identifier", maintain_order=True).agg(_entry().alias("changed"))
    return (
        changed.drop("changed")
        .join(regrouped, on="identifier", how="left", maintain_order="left")
        .with_columns(pl.col("changed").fill_null(pl.lit([], CHANGED)))
    )
