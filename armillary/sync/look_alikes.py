"""Renames that no stable key tells: what a person should look at before anything is archived.

A company that takes another name and another ticker at once (ATUS became OPTU in 2025) is, in a
file without ISIN or FIGI, one instrument that vanished and another that is new. Nothing is decided
here: names that are equal, or records that are alike in all that groups them, are pointed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from armillary.feeds.identifiers import folded
from armillary.sync.canonical import CLEAR
from armillary.sync.frames import FIELD, column

MOST_VANISHED, MOST_NEW = 20, 50
"""With more of them every pair is alike, and the guards speak."""

MOST_NAMED, MOST_ALIKE = 10, 3
_SAMPLE = 10_000
GROUPING_SHARE = 0.1
"""A field with fewer distinct values than this share of the records groups them."""

_ADVICE = (
    "If two are one instrument, change its identifier in Ptolemy before this plan is applied: then "
    "its history stays whole. If it is applied already, undo that run first."
)


def look_alikes(
    new: pl.DataFrame, vanished: pl.DataFrame, records: pl.DataFrame, stable_keys: Sequence[str]
) -> Iterator[str]:
    """At most one note: which vanished instruments may be which new records.

    Args:
        new: records that would be created (``identifier``, ``name``, ``field.<key>``).
        vanished: instruments that would be archived, likewise.
        records: all records of the feed.
        stable_keys: two that differ in one of them are two instruments, whatever they are called.
    """
    if not 0 < vanished.height <= MOST_VANISHED or not 0 < new.height <= MOST_NEW:
        return
    stable = [column(key) for key in stable_keys]
    grouping = [name for name in _grouping(records) if name not in stable]
    named = list(_pairs(new, vanished, grouping, stable))
    if not named:
        return
    more = f"; and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    told = "; ".join(named[:MOST_NAMED])
    yield f"Perhaps renamed, and no stable key tells: {told}{more}. {_ADVICE}"


def _grouping(records: pl.DataFrame) -> Iterator[str]:
    """Fields such as the exchange, which many records share; of a large feed a sample tells."""
    records = records.gather_every(max(1, records.height // _SAMPLE))
    for name in records.columns:
        if not name.startswith(FIELD):
            continue
        filled = records[name].filter(records[name] != CLEAR)
        # What all records share, such as a constant of the feed, is no evidence for any two.
        if 1 < filled.n_unique() <= GROUPING_SHARE * records.height:
            yield name


def _pairs(
    new: pl.DataFrame, vanished: pl.DataFrame, grouping: Sequence[str], stable: Sequence[str]
) -> Iterator[str]:
    everyone = new.with_columns(folded(pl.col("name")).alias("called"))
    gone = vanished.with_columns(folded(pl.col("name")).alias("called"))
    # Whoever was found by its name is nobody else's double.
    by_name = set(gone["called"]) - {CLEAR, None}
    unfound = pl.col("called").is_null() | ~pl.col("called").is_in(list(by_name))
    for row in gone.sort("identifier").iter_rows(named=True):
        filled = [name for name in stable if row[name] != CLEAR]
        other = (~pl.col(name).fill_null(CLEAR).is_in([CLEAR, row[name]]) for name in filled)
        called = everyone.filter(~pl.any_horizontal(pl.lit(value=False), *other))
        same = called.filter((pl.col("called") == row["called"]) & (pl.col("called") != CLEAR))
        if not same.is_empty():
            found = ", ".join(same["identifier"].sort().head(MOST_ALIKE))
            yield f"{row['identifier']} is gone and {found} is new, both called {row['name']!r}"
            continue
        if not grouping:
            continue
        same_in = (pl.col(name).fill_null(CLEAR) == row[name] for name in grouping)
        alike = called.filter(pl.all_horizontal(*same_in), unfound)
        if 0 < alike.height <= MOST_ALIKE:
            fields = ", ".join(sorted(name.removeprefix(FIELD) for name in grouping if row[name]))
            found = " or ".join(
                f"{identifier} ({name})"
                for identifier, name in alike.select("identifier", "name").sort("identifier").rows()
            )
            gone_one = f"{row['identifier']} ({row['name']})"
            yield f"{gone_one} is gone and {found} is new, with the same {fields}"
