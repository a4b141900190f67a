"""One side of a restore: the rows of a backup, or of a workspace, in natural form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import compress

import polars as pl

from armillary.backup.resources import CHILDREN
from armillary.restore.directory import Directory
from armillary.restore.fingerprints import Fingerprints
from armillary.restore.natural import Natural, Naturals, Orphan
from armillary.restore.quota import item_price
from armillary.restore.selection import Selection
from armillary.restore.types import TypeNames
from armillary.restore.windows import Row

Batches = Callable[[str], Iterator[list[Row]]]
"""By resource type, the rows of a file, in the same order each time."""

EXAMPLES = 100
"""So many orphans are kept to be shown; all are counted."""


@dataclass
class Read:
    """What reading one type came to."""

    prints: Fingerprints = field(default_factory=Fingerprints)
    """Of the chosen rows that have a natural key, numbered as in the file."""
    orphans: int = 0
    orphan_examples: list[tuple[str, str]] = field(default_factory=list)
    """What the row is, and why it has no place."""
    items: int = 0
    """Database items that the chosen rows cost."""
    untold_archived: int = 0
    """Chosen rows that do not say whether they are archived."""
    archived: int = 0
    """Chosen rows that are archived."""


class Side:
    """Reads types one after another, parents first, and knows who is who among them."""

    def __init__(
        self,
        types: TypeNames,
        batches: Batches,
        selection: Selection,
        without: Collection[str] = (),
    ) -> None:
        """Nothing is read yet.

        Args:
            types: of the workspace that the rows are of.
            batches: gives the rows.
            selection: the rows that count; parents are learned of all the same.
            without: UUIDs of rows that are not there for this run.
        """
        self.types = types
        self.directory = Directory()
        self._batches = batches
        self._selection = selection
        self._without = without
        self._naturals: dict[str, Naturals] = {}
        self._all_counted: set[str] = set()
        """Types of which every row that was read has a number."""

    def naturals(self, resource_type: str) -> Naturals:
        """Rows of one type as their natural form."""
        if resource_type not in self._naturals:
            self._naturals[resource_type] = Naturals(resource_type, self.types, self.directory)
        return self._naturals[resource_type]

    def read(self, resource_type: str) -> Read:
        """Read every row of a type; its parents were read before.

        Raises:
            FileDamaged, ExportDamaged: the file is not what it should be.
        """
        found, is_parent = Read(), bool(CHILDREN.get(resource_type))
        if is_parent:
            self.directory.forget(resource_type)
        self._naturals.pop(resource_type, None)  # it may remember parents of an earlier reading
        naturals, add = self.naturals(resource_type), found.prints.add
        read = naturals.enrol if is_parent else naturals.of
        whole, rows = self._selection.whole, 0
        for batch in self._batches(resource_type):
            rows += len(batch)
            for row in batch:
                if self._without and row.get("id") in self._without:
                    continue
                try:
                    natural = read(row)
                except Orphan as orphan:
                    self._note(found, resource_type, row, orphan)
                    continue
                if not (whole or self._selection.has(resource_type, natural.key)):
                    continue
                add(natural.key, natural.body, natural.archived)
                found.items += item_price(resource_type, row)
                found.archived += natural.archived is True
                found.untold_archived += natural.archived is None
        if rows == len(found.prints):
            self._all_counted.add(resource_type)
        else:
            self._all_counted.discard(resource_type)
        if is_parent:
            self.directory.settle(resource_type)
        return found

    def lacks(self, resource_type: str) -> None:
        """There are no rows of a type on this side."""
        self.directory.forget(resource_type)
        self.directory.settle(resource_type)

    def rows(self, resource_type: str, chosen: pl.Series) -> Iterator[tuple[int, Row, Natural]]:
        """Chosen rows of a type that was read, with their numbers.

        Args:
            resource_type: which.
            chosen: for each row of ``Read.prints`` whether it is wanted.
        """
        read = self.naturals(resource_type).of
        for number, row in self.numbered(resource_type, chosen):
            yield number, row, read(row)

    def numbered(self, resource_type: str, chosen: pl.Series) -> Iterator[tuple[int, Row]]:
        """The same without their natural form, which takes longer than all else."""
        if not chosen.any():
            return
        first, all_counted = 0, resource_type in self._all_counted
        for batch in self._batches(resource_type):
            rows = (
                batch if all_counted else [row for row in batch if self._counts(resource_type, row)]
            )
            wanted = chosen.slice(first, len(rows)).to_list()
            yield from compress(enumerate(rows, first), wanted)
            first += len(rows)

    def _counts(self, resource_type: str, row: Row) -> bool:
        """Whether a row has a number."""
        if self._without and row.get("id") in self._without:
            return False
        try:
            natural = self.naturals(resource_type).of(row)
        except Orphan:
            return False
        return self._selection.has(resource_type, natural.key)

    def _note(self, found: Read, resource_type: str, row: Row, orphan: Orphan) -> None:
        """An orphan of another instrument than the chosen ones is nobody's business."""
        if not self._selection.whole and not self._selection.may_be(resource_type, row):
            return
        found.orphans += 1
        if len(found.orphan_examples) < EXAMPLES:
            found.orphan_examples.append((called(resource_type, row), orphan.reason))


def called(resource_type: str, row: Row) -> str:
    """What a person calls a row that has no natural key."""
    names = ("identifier", "instrument_id", "listing_id", "market_id", "type_id", "timestamp")
    told = [str(row[name]) for name in (*names, "suspended_from", "date") if row.get(name)]
    return " ".join(told) or f"a row of {resource_type} without a name"


def spoken(key: tuple[str, ...]) -> str:
    """A natural key as a person reads it."""
    return " ".join(key)
