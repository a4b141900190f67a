"""Which record of a feed is which existing instrument: pairs by identifier, as positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

NOW = ".now"
"""Ends the name of a column that holds what the workspace has now."""


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
        single = replace(self, left=self.left.filter(~several), right=self.right.filter(~several))
        return shared, single

    def beside(self) -> pl.DataFrame:
        """Every pair: the columns of the record, and those of the existing one as ``x.now``."""
        return self._rows(self.left, self.right)

    def differing(self, columns: Sequence[str]) -> pl.DataFrame:
        """The pairs in which any wanted value differs from the present one, as :meth:`beside`."""
        found = pl.repeat(value=False, n=self.left.len(), dtype=pl.Boolean, eager=True)
        for name in columns:
            wanted, now = self.records[name], self.existing[name].rechunk().gather(self.right)
            if not self._all_records:
                wanted = wanted.gather(self.left)
            found |= (wanted != now).fill_null(value=False)
        return self._rows(self.left.filter(found), self.right.filter(found))

    def unmatched_records(self) -> pl.DataFrame:
        """The records that no existing instrument has the identifier of."""
        return _others(self.records, self.left)

    def unmatched_existing(self) -> pl.DataFrame:
        """The existing instruments whose identifier no record has."""
        return _others(self.existing, self.right)

    @property
    def _all_records(self) -> bool:
        return self.left.len() == self.records.height and not self.ambiguous

    def _rows(self, left: pl.Series, right: pl.Series) -> pl.DataFrame:
        now = self.existing.select(pl.exclude("identifier").name.suffix(NOW))
        return pl.concat([self.records[left], now[right]], how="horizontal")


def match(records: pl.DataFrame, existing: pl.DataFrame) -> Matching:
    """Match two frames by their column ``identifier``."""
    pairs = _positions(records, "left").join(
        _positions(existing, "right"), on="identifier", how="inner", maintain_order="left_right"
    )
    return Matching(records, existing, pairs["left"], pairs["right"])


def _positions(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.select("identifier", pl.int_range(pl.len(), dtype=pl.UInt32).alias(name))


def _others(frame: pl.DataFrame, positions: pl.Series) -> pl.DataFrame:
    if positions.len() == 0:
        return frame
    found = pl.repeat(value=False, n=frame.height, dtype=pl.Boolean, eager=True)
    return frame.filter(~found.scatter(positions, values=True))
