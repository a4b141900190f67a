"""What the rows of one file told while they passed: how many, what they are called, what they mean.

Only distinct names are kept, and only of what others refer to: two million values of 100,000
instruments need the names of the instruments, and no more.
"""

from __future__ import annotations

import re

import msgspec

from armillary.backup.resources import CHILDREN, REFERENCES
from armillary.backup.rows import ARCHIVED_AT, Column, RowBatch

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_BLANK = frozenset({None, ""})


class Seen(msgspec.Struct):
    """One file, row by row; goes from process to process when the file is large."""

    resource_type: str
    rows: int = 0
    active: int | None = 0
    """Rows that are not archived; None as soon as one does not tell."""
    names: set[str] = msgspec.field(default_factory=set)
    """What rows are called, if others refer to them."""
    by_uuid: bool = False
    by_other: bool = False
    meant: dict[str, set[str]] = msgspec.field(default_factory=dict)
    """By column, what its cells refer to."""

    def take(self, batch: RowBatch) -> None:
        """Some rows of the file."""
        self.rows += batch.rows
        self._count_active(batch.columns.get(ARCHIVED_AT))
        if CHILDREN.get(self.resource_type):
            self._take_names(batch)
        for column in REFERENCES.get(self.resource_type, {}):
            cells = batch.columns.get(column)
            if cells:
                meant: set[str | None] = self.meant.setdefault(column, set())  # type: ignore[assignment]
                meant.update(cells)
                meant -= _BLANK

    def lacks(self, name: str) -> bool:
        """Whether a row of this name would have been seen and was not (contract N12)."""
        if name in self.names:
            return False
        return not self.rows or (self.by_uuid if is_uuid(name) else self.by_other)

    def _count_active(self, archived_at: Column | None) -> None:
        if archived_at is None or self.active is None:
            self.active = None
        else:
            self.active += archived_at.count(None) + archived_at.count("")

    def _take_names(self, batch: RowBatch) -> None:
        for column in ("id", "identifier"):
            told = [cell for cell in batch.columns.get(column, ()) if cell]
            if told:
                by_uuid = is_uuid(told[0])
                self.by_uuid |= by_uuid
                self.by_other |= not by_uuid
                self.names.update(told)


def is_uuid(name: str) -> bool:
    """Whether a name is a UUID, else it is an identifier."""
    return _UUID.fullmatch(name) is not None
