"""Which rows of one side are on the other: by natural key, and when several share one, by content.

An identifier may belong to one active record and to any number of archived ones (contract D5), so
a key alone does not say which row is which. Rows that share one are paired in passes, the most
alike first, and the n-th with the n-th where nothing tells them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag

import polars as pl

from armillary.restore.fingerprints import ARCHIVED, BODY, KEY, KEY_HIGH, ROW, Fingerprints

_FOUND, _ORDINAL = "found", "ordinal"

_BESIDE = ".found"
"""Ends the name of a column of the row that was found."""

_PASSES: Sequence[Sequence[str]] = (
    (*KEY, BODY, ARCHIVED),
    (*KEY, BODY),
    (*KEY, ARCHIVED),
    KEY,
)
"""What has to be equal, pass by pass: two rows that are the same are never torn apart."""

_PART_ROWS = 131_072
"""So many are compared at a time: joining two million at once takes half a gigabyte."""


class Status(IntFlag):
    """What became of a wanted row; 0 means that an equal one was found."""

    EQUAL = 0
    BODY = 1
    """The content differs."""
    STATE = 2
    """One is archived and the other is not."""
    ABSENT = 4
    """Nothing has its key."""


@dataclass(frozen=True)
class Comparison:
    """Every wanted row against the rows that were found.

    Attributes:
        status: a :class:`Status` for each wanted row, as UInt8.
        match: for each wanted row the number of its counterpart, -1 without one, as Int32.
        extra: for each found row whether nobody wanted it; never one that was to be ignored.
    """

    status: pl.Series
    match: pl.Series
    extra: pl.Series

    @property
    def equal(self) -> int:
        """Wanted rows that are there as they are wanted."""
        return int((self.status == 0).sum())

    @property
    def same(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.equal == self.status.len() and not self.extra.any()

    def count(self, flag: Status) -> int:
        """How many wanted rows have any of these flags."""
        return int(self.mask(flag).sum())

    def mask(self, flag: Status) -> pl.Series:
        """For each wanted row whether it has any of these flags."""
        return (self.status & int(flag)) != 0


def compare(
    wanted: Fingerprints, found: Fingerprints, *, ignoring: Collection[int] | pl.Series = ()
) -> Comparison:
    """Find the counterpart of each wanted row.

    Args:
        wanted: what should be there.
        found: what is there.
        ignoring: found rows that count as not there: neither a counterpart nor extra. Their
            numbers, or a mask of all found rows.
    """
    ignored = _mask(ignoring, len(found))
    status = _filled(int(Status.ABSENT), len(wanted), pl.UInt8)
    match = _filled(-1, len(wanted), pl.Int32)
    extra = ~ignored
    for left, right in zip(_parts(wanted, found), _parts(found, wanted), strict=True):
        there = right.filter(~ignored.gather(right[ROW]))
        for pairs in _pairs(left, there.rename({ROW: _FOUND})):
            status = status.scatter(pairs[ROW], pairs["status"])
            match = match.scatter(pairs[ROW], pairs[_FOUND].cast(pl.Int32))
            extra = extra.scatter(pairs[_FOUND], False)
    return Comparison(status.alias("status"), match.alias("match"), extra.alias("extra"))


def waves(wanted: Fingerprints, mask: pl.Series | None = None) -> pl.Series:
    """In which wave each row is written, so that no two of one wave share a key.

    An active record keeps its identifier from every other, an archived one does not: the archived
    rows of a key come first, each in a wave of its own, and the active one last.

    Args:
        wanted: all rows.
        mask: for each row whether it is to be written; None for all.

    Returns:
        0, 1, 2 … for each row, as UInt16; null for a row that is not to be written. Rows that
        share their key with nobody are all in wave 0.
    """
    found = _filled(None, len(wanted), pl.UInt16)
    for part in _parts(wanted):
        chosen = _chosen(part, mask)
        order = chosen.sort(ARCHIVED, descending=True, maintain_order=True).with_columns(_nth(KEY))
        found = found.scatter(order[ROW], order[_ORDINAL].cast(pl.UInt16))
    return found.alias("wave")


def shared_keys(rows: Fingerprints, mask: pl.Series | None = None) -> pl.Series:
    """For each row whether another one has its key, both being among the chosen ones.

    Args:
        rows: all of them.
        mask: for each row whether it is chosen; None for all. One that is not shares nothing.
    """
    found = _filled(False, len(rows), pl.Boolean)
    for part in _parts(rows):
        chosen = _chosen(part, mask)
        found = found.scatter(chosen[ROW], chosen.select(KEY).is_duplicated())
    return found.alias("shared")


def held_by_active(wanted: Fingerprints, found: Fingerprints, mask: pl.Series) -> pl.Series:
    """For each chosen wanted row whether an active found row has its key.

    Args:
        wanted: what should be there.
        found: what is there.
        mask: for each wanted row whether it is chosen; one that is not is False.
    """
    held = _filled(False, len(wanted), pl.Boolean)
    if not len(found) or not mask.any():
        return held
    for left, right in zip(_parts(wanted, found), _parts(found, wanted), strict=True):
        active = right.filter(~right[ARCHIVED]).select(KEY)
        chosen = _chosen(left, mask).join(active, on=list(KEY), how="semi")
        held = held.scatter(chosen[ROW], True)
    return held


def _pairs(left: pl.DataFrame, right: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Rows that belong together, with the status of the pair."""
    several = [side.filter(side[KEY_HIGH].is_duplicated())[KEY_HIGH] for side in (left, right)]
    keys = pl.concat(several).unique().implode()
    again_left, again_right = (side[KEY_HIGH].is_in(keys) for side in (left, right))
    # Most keys stand once on either side: they need no passes.
    yield _joined(left.filter(~again_left), right.filter(~again_right), KEY)
    left, right = left.filter(again_left), right.filter(again_right)
    for columns in _PASSES:
        if left.is_empty() or right.is_empty():
            return
        nth = _nth(columns)
        pairs = _joined(left.with_columns(nth), right.with_columns(nth), [*columns, _ORDINAL])
        left = left.join(pairs, on=ROW, how="anti")
        right = right.join(pairs, on=_FOUND, how="anti")
        yield pairs


def _joined(left: pl.DataFrame, right: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    beside = right.select(*on, _FOUND, pl.col(BODY, ARCHIVED).name.suffix(_BESIDE))
    flags = [
        (pl.col(column) != pl.col(column + _BESIDE)).cast(pl.UInt8) * int(flag)
        for column, flag in ((BODY, Status.BODY), (ARCHIVED, Status.STATE))
    ]
    return left.join(beside, on=list(on)).select(
        ROW, _FOUND, (flags[0] + flags[1]).cast(pl.UInt8).alias("status")
    )


def _nth(columns: Sequence[str]) -> pl.Expr:
    """Which of the rows with equal ``columns`` a row is, in their order, from 0."""
    return pl.int_range(pl.len()).over(columns).alias(_ORDINAL)


def _parts(rows: Fingerprints, others: Fingerprints | None = None) -> Iterator[pl.DataFrame]:
    """The rows in parts; both sides of a comparison are cut alike."""
    most = max(len(rows), len(others) if others is not None else 0)
    parts = 1 << (most // _PART_ROWS).bit_length()
    return (rows.frame(part, parts) for part in range(parts))


def _chosen(part: pl.DataFrame, mask: pl.Series | None) -> pl.DataFrame:
    return part if mask is None else part.filter(mask.gather(part[ROW]))


def _mask(rows: Collection[int] | pl.Series, length: int) -> pl.Series:
    """Row numbers as a mask; a mask as it is."""
    if isinstance(rows, pl.Series) and rows.dtype == pl.Boolean:
        return rows
    numbers = pl.Series(values=list(rows), dtype=pl.UInt32)
    return _filled(False, length, pl.Boolean).scatter(numbers, True)


def _filled(value: bool | int | None, length: int, data_type: type[pl.DataType]) -> pl.Series:
    return pl.repeat(value, length, dtype=data_type, eager=True)
