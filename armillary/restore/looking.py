"""Both sides of one type, compared: before a restore to plan it, during it to see what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from armillary.restore.comparison import Comparison, Status, compare
from armillary.restore.flat import flat
from armillary.restore.natural import Natural
from armillary.restore.outcome import Difference
from armillary.restore.side import Read, Side, spoken
from armillary.restore.windows import Row

EXAMPLES = 20
"""Rows of one type whose differences are shown."""

ARCHIVED = "archived"


@dataclass
class Looked:
    """One type as it stood at the beginning, and as it was last seen."""

    wanted: Read
    found: Read
    now: Comparison
    began: pl.Series
    """For each wanted row whether it was absent when the restore began: those are its own."""
    first: pl.Series
    """Each row's status when the restore began, as UInt8."""

    @classmethod
    def at(cls, wanted: Read, found: Read, noted: pl.Series | None) -> Looked:
        """A first look.

        Args:
            wanted: of the backup.
            found: in the workspace.
            noted: what an interrupted run noted as absent when it began.
        """
        now = compare(wanted.prints, found.prints)
        if noted is None:
            return cls(wanted, found, now, now.mask(Status.ABSENT), now.status)
        absent = pl.lit(int(Status.ABSENT), dtype=pl.UInt8)
        first = pl.select(pl.when(noted).then(absent).otherwise(now.status)).to_series()
        return cls(wanted, found, now, noted, first)

    def again(self, found: Read) -> None:
        """Another look at the workspace."""
        self.found = found
        self.now = compare(self.wanted.prints, found.prints)

    def counted(self, status: pl.Series, flag: Status, *, own: bool) -> int:
        """Rows with a flag, of those that were absent at the beginning or of the others."""
        return int((((status & int(flag)) != 0) & (self.began == own)).sum())

    @property
    def absent_now(self) -> pl.Series:
        """For each wanted row whether nothing in the workspace has its key."""
        return self.now.mask(Status.ABSENT)

    @property
    def differs_now(self) -> pl.Series:
        """For each wanted row whether it is there and not as the backup has it."""
        return self.now.mask(Status.BODY | Status.STATE)


def pairs(
    source: Side, target: Side, resource_type: str, looked: Looked, chosen: pl.Series
) -> Iterator[tuple[int, Row, Natural, Natural]]:
    """Chosen rows of the backup, each with its counterpart in the workspace.

    Args:
        source: the backup.
        target: the workspace.
        resource_type: of the rows.
        looked: at both.
        chosen: for each wanted row whether it is asked for; all of them have a counterpart.
    """
    if not chosen.any():
        return
    numbers = looked.now.match.filter(chosen)
    met = pl.Series("met", [False], dtype=pl.Boolean).new_from_index(0, len(looked.found.prints))
    met = met.scatter(numbers, True)
    found = {number: natural for number, _, natural in target.rows(resource_type, met)}
    match = looked.now.match
    for number, row, natural in source.rows(resource_type, chosen):
        yield number, row, natural, found[match[number]]


def differences(
    source: Side,
    target: Side,
    resource_type: str,
    looked: Looked,
    *,
    own: bool = False,
    most: int = EXAMPLES,
) -> list[Difference]:
    """The first rows that are in both and not the same, field by field.

    Args:
        source: the backup.
        target: the workspace.
        resource_type: of the rows.
        looked: at both.
        own: those that the restore itself has made, instead of those that were there before.
        most: rows.
    """
    differing = looked.differs_now & (looked.began == own)
    chosen = differing & (differing.cast(pl.UInt32).cum_sum() <= most)
    found: list[Difference] = []
    for _, _, wanted, there in pairs(source, target, resource_type, looked, chosen):
        before, after = _columns(there), _columns(wanted)
        found += [
            Difference(resource_type, spoken(wanted.key), name, after.get(name), before.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
    return found


def _columns(natural: Natural) -> dict[str, str]:
    """A row as columns: ``fields.isin``; nested free JSON as text."""
    return flat(natural.body) | {ARCHIVED: "true" if natural.archived else "false"}
