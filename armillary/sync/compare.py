"""Comparing two frames: what a feed wants and what the workspace holds.

Pure and columnar: joins and expressions over whole columns, so that a million records against a
million cost seconds and no Python object per record.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from armillary.sync.canonical import CLEAR
from armillary.sync.frames import column
from armillary.sync.plan import CHANGED, CHANGES

_NOW = ".now"


def compared_columns(field_keys: Sequence[str]) -> list[str]:
    """The columns that make a change: the name and each mapped field."""
    return ["name", *(column(key) for key in field_keys)]


def beside(records: pl.DataFrame, existing: pl.DataFrame) -> pl.DataFrame:
    """Each record beside the existing one of the same identifier: columns ``x`` and ``x.now``.

    Records without a counterpart are left out.
    """
    now = existing.select(pl.col("identifier"), pl.exclude("identifier").name.suffix(_NOW))
    return records.join(now, on="identifier", how="inner", maintain_order="left")


def with_changed(pairs: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add ``changed``: the fields whose wanted value differs from the present one.

    A null is "leave it alone"; ``""`` wants the field emptied.
    """
    entries = [
        pl.when(pl.col(name).is_not_null() & (pl.col(name) != pl.col(name + _NOW))).then(
            pl.struct(
                pl.lit(name).alias("field"),
                pl.col(name + _NOW).alias("before"),
                pl.col(name).alias("after"),
            )
        )
        for name in columns
    ]
    return pairs.with_columns(
        pl.concat_list(entries).list.drop_nulls().cast(CHANGED).alias("changed")
    )


def creates(records: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The changes that make new records; a field without a value is not sent at all."""
    entries = [
        pl.when(pl.col(name).is_not_null() & (pl.col(name) != CLEAR)).then(
            pl.struct(
                pl.lit(name).alias("field"),
                pl.lit(CLEAR).alias("before"),
                pl.col(name).alias("after"),
            )
        )
        for name in columns
    ]
    changed = records.with_columns(
        pl.concat_list(entries).list.drop_nulls().cast(CHANGED).alias("changed"),
        pl.lit(None, pl.String).alias("id"),
    )
    return as_changes(changed, "create")


def archives(missing: pl.DataFrame) -> pl.DataFrame:
    """The changes that archive what the feed no longer has."""
    bare = missing.with_columns(
        pl.lit(None, pl.UInt32).alias("row"), pl.lit([], CHANGED).alias("changed")
    )
    return as_changes(bare, "archive")


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
    regrouped = kept.group_by("identifier", maintain_order=True).agg(
        pl.struct("field", "before", "after").alias("changed")
    )
    return (
        changed.drop("changed")
        .join(regrouped, on="identifier", how="left", maintain_order="left")
        .with_columns(pl.col("changed").fill_null(pl.lit([], CHANGED)))
    )
