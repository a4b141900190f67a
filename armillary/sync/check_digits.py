"""Identifiers of securities that fail their check digit: damage by a spreadsheet, or a typo (F15).

Excel takes the leading zeros of a SEDOL and writes a CUSIP as ``1.23E+11``; the last character of
each of these codes is computed from the others, so that most damage shows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import polars as pl
from stdnum import cusip, figi, isin, lei
from stdnum.gb import sedol

from armillary.feeds.sanity_definition import Scheme
from armillary.sync.canonical import CLEAR
from armillary.sync.frames import column

MOST_LOOKED_AT = 10_000
"""Of a larger feed every n-th record is looked at, so that a million cost as much as this many."""

MOST_SHOWN = 3

_VALID: Mapping[Scheme, Callable[[str], bool]] = {
    "isin": isin.is_valid,
    "cusip": cusip.is_valid,
    "sedol": sedol.is_valid,
    "figi": figi.is_valid,
    "lei": lei.is_valid,
}


@dataclass(frozen=True)
class Failing:
    """The values of one field that fail.

    Attributes:
        field: Its key.
        scheme: What they should be.
        failing: How many distinct values fail.
        looked_at: Of how many distinct values.
        every: Of which records: 1 all, 20 every twentieth.
        first: Row and value of the first ones.
    """

    field: str
    scheme: Scheme
    failing: int
    looked_at: int
    every: int
    first: tuple[tuple[int, str], ...]

    @property
    def share(self) -> float:
        """Of the distinct values looked at."""
        return self.failing / self.looked_at


def schemes_of(keys: Iterable[str], given: Mapping[str, Scheme] | None) -> dict[str, Scheme]:
    """Which field holds what: as given, else by the end of its key (``composite_figi``)."""
    if given is not None:
        return dict(given)
    ends = ((key, key.lower().rpartition("_")[2]) for key in keys)
    return {key: scheme for key, end in ends for scheme in _VALID if scheme == end}


def failing_check_digits(records: pl.DataFrame, schemes: Mapping[str, Scheme]) -> list[Failing]:
    """The fields with values that fail.

    Args:
        records: of the feed (``row``, ``field.<key>``).
        schemes: by field key.
    """
    judged = (
        _judge(records.select("row", value=column(key)), key, scheme)
        for key, scheme in schemes.items()
        if column(key) in records.columns
    )
    return [found for found in judged if found.failing]


def _judge(values: pl.DataFrame, key: str, scheme: Scheme) -> Failing:
    filled = values.filter(pl.col("value") != CLEAR)
    every = max(1, filled.height // MOST_LOOKED_AT)
    distinct = filled.gather_every(every).unique("value", keep="first", maintain_order=True)
    bad = [(row, value) for row, value in distinct.iter_rows() if not _is_valid(scheme, value)]
    return Failing(key, scheme, len(bad), distinct.height, every, tuple(bad[:MOST_SHOWN]))


@functools.lru_cache(maxsize=4 * MOST_LOOKED_AT)
def _is_valid(scheme: Scheme, value: str) -> bool:
    return value == value.upper() and " " not in value and _VALID[scheme](value)
