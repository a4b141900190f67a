"""Rows that speak of the same instrument (reliability F08)."""

from __future__ import annotations

import polars as pl

from armillary.feeds.identifiers import folded
from armillary.feeds.mapping import BAD
from armillary.feeds.table import ROW

_KEY = "folded"
_NAMED_ROWS = 5


def judge_duplicates(mapped: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Find identifiers that stand in several rows, also when they differ only in case.

    Args:
        mapped: ``row``, ``identifier``, ``name``, fields, and ``bad``.

    Returns:
        ``row`` and ``reason`` of the rows to reject, and the numbers of the rows that only repeat
        an equal one above them.
    """
    key = mapped.select(folded(pl.col("identifier")).alias(_KEY)).to_series()
    # As many distinct hashes as keys means: as many distinct keys. It is the cheaper count.
    named = key.drop_nulls()
    if named.hash().n_unique() == named.len():
        return pl.DataFrame(schema={ROW: pl.UInt32, "reason": pl.String}), pl.Series(
            dtype=pl.UInt32
        )
    several = key.is_duplicated() & key.is_not_null()
    rows = mapped.filter(several).with_columns(key.filter(several))
    judged = rows.join(_groups(rows), on=_KEY, maintain_order="left")
    reasons = judged.select(ROW, _reason().alias("reason")).drop_nulls("reason")
    repeats = judged.filter(_reason().is_null() & ~pl.col(BAD) & (pl.col(ROW) != pl.col("first")))
    return reasons, repeats[ROW]


def _groups(rows: pl.DataFrame) -> pl.DataFrame:
    values = [name for name in rows.columns if name == "name" or name.startswith("field.")]
    spelled = pl.format("'{}' (row {})", pl.col("identifier"), pl.col(ROW))
    more = pl.when(pl.len() > _NAMED_ROWS).then(pl.format(" and {} more", pl.len() - _NAMED_ROWS))
    return rows.group_by(_KEY).agg(
        pl.col("identifier").n_unique().alias("spellings"),
        pl.struct(values).n_unique().alias("versions") if values else pl.lit(1).alias("versions"),
        pl.col(BAD).any().alias("some_bad"),
        pl.col(ROW).first().alias("first"),
        (
            pl.col(ROW).head(_NAMED_ROWS).cast(pl.String).str.join(", ")
            + more.otherwise(pl.lit(""))
        ).alias("rows"),
        (spelled.head(_NAMED_ROWS).str.join(", ") + more.otherwise(pl.lit(""))).alias("spelled"),
    )


def _reason() -> pl.Expr:
    identifier = pl.col("identifier")
    return (
        pl.when(pl.col("spellings") > 1)
        .then(pl.format("identifiers that differ only in case: {}", pl.col("spelled")))
        .when(pl.col(BAD))
        .then(None)
        .when(pl.col("some_bad"))
        .then(
            pl.format(
                "the identifier '{}' stands in rows {}, and not all of them are usable",
                identifier,
                pl.col("rows"),
            )
        )
        .when(pl.col("versions") > 1)
        .then(
            pl.format(
                "the identifier '{}' stands in rows {} with different values",
                identifier,
                pl.col("rows"),
            )
        )
    )
