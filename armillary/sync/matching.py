"""Which record of a feed is which existing instrument: pairs by identifier, as positions."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

NOW = ".now"
"""Ends the name of a column that holds what the workspace has now."""

PART_ROWS = 100_000
"""So many are worked on at a time where all of them at once would take gigabytes."""


@dataclass(frozen=True)
class Matching:
    """Records and existing instruments that share an identifier, pair by pair.

    The pairs are kept as positions, and the two frames are brought side by side only for the
    pairs somebody asks for: of a million pairs a few thousand, on most nights.

    Attributes:
        records: of the feed, each identifier once.
        existing: of the workspace.
        left: position in ``records``, pair by pair, ascending.
        right: position in ``existing``, pair by pair.
    """

    records: pl.DataFrame
    existing: pl.DataFrame
    left: pl.Series
    right: pl.Series

    @property
    def ambiguous(self) -> bool:
        """Whether some record has two counterparts (A35)."""
        return bool((self.left.diff() == 0).any())

    def split(self) -> tuple[pl.DataFrame, Matching]:
        """The records with several counterparts, each once; and the pairs of all the others."""
        several = self.left.is_duplicated()
        shared = self.records[self.left.filter(several).unique(maintain_order=True)]
        return shared, self.where(~several)

    def beside(self) -> pl.DataFrame:
        """Every pair: the columns of the record, and those of the existing one as ``x.now``."""
        now = self.existing.select(pl.exclude("identifier").name.suffix(NOW))
        return pl.concat([self.records[self.left], now[self.right]], how="horizontal")

    def differing(self, columns: Sequence[str]) -> Matching:
        """The pairs in which any wanted value differs from the present one."""
        found = pl.repeat(value=False, n=self.left.len(), dtype=pl.Boolean, eager=True)
        for name in columns:
            found |= ~self.equal(name).fill_null(value=True)
        return self.where(found)

    def parts(self) -> Iterator[pl.DataFrame]:
        """Every pair as :meth:`beside`, at most ``PART_ROWS`` at a time; at least one frame.

        In order of the identifiers, which is that of a plan: to sort it at the end copies it all.
        """
        order = self.records["identifier"].gather(self.left).arg_sort()
        for start in range(0, max(1, order.len()), PART_ROWS):
            part = order.slice(start, PART_ROWS)
            yield replace(self, left=self.left[part], right=self.right[part]).beside()

    def equal(self, name: str) -> pl.Series:
        """Pair by pair, whether a column is the same on both sides; null where one is null."""
        wanted, now = self.records[name], self.existing[name].rechunk().gather(self.right)
        return (wanted if self._all_records else wanted.gather(self.left)) == now

    def where(self, chosen: pl.Series) -> Matching:
        """Some of the pairs: those with True."""
        return replace(self, left=self.left.filter(chosen), right=self.right.filter(chosen))

    def unmatched_records(self) -> pl.DataFrame:
        """The records that no existing instrument has the identifier of."""
        return _others(self.records, self.left)

    def unmatched_existing(self) -> pl.DataFrame:
        """The existing instruments whose identifier no record has."""
        return _others(self.existing, self.right)

    @functools.cached_property
    def _all_records(self) -> bool:
        return self.left.len() == self.records.height and not self.ambiguous


def match(records: pl.DataFrame, existing: pl.DataFrame) -> Matching:
    """Match two frames by their column ``identifier``.

    By hashes that are sorted on both sides and merged: half the time of a table of all texts, and
    less the less the two are in one order.
    """
    pairs = _hashed(records, "left").join(_hashed(existing, "right"), on="hash", how="inner")
    pairs = pairs.select("left", "right").sort("left", "right")
    found = Matching(records, existing, pairs["left"], pairs["right"])
    # Two texts may well have one hash.
    return found.where(found.equal("identifier"))


def _hashed(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    hashed = frame.select(
        pl.col("identifier").hash().alias("hash"),
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(name),
    )
    return hashed.sort("hash")


def _others(frame: pl.DataFrame, positions: pl.Series) -> pl.DataFrame:
    if positions.len() == 0:
        return frame
    found = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    return frame.filter(~found.scatter(positions, values=True))
