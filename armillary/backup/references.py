"""Whether what the rows of a backup refer to is in the backup too.

Only distinct names are kept, and only of what others refer to: two million values of 100,000
instruments need the names of the instruments, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from armillary.backup.resources import CHILDREN, REFERENCES
from armillary.backup.rows import RowBatch

EXAMPLES = 3

_BLANK = {None, ""}

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class Dangling:
    """Names in one column of which the backup has no row."""

    parent_type: str
    count: int
    """Of different names."""
    examples: tuple[str, ...]

    def words(self, column: str) -> str:
        """For the report and the manifest."""
        noun = "name" if self.count == 1 else "names"
        more = ", …" if self.count > len(self.examples) else ""
        return (
            f"its {column} has {self.count:,} {noun} that {self.parent_type} of this backup does "
            f"not have: {', '.join(self.examples)}{more}."
        )


@dataclass
class _Held:
    """What the rows of one type are called, and by which kind of name."""

    rows: int = 0
    names: set[str] = field(default_factory=set)
    by_uuid: bool = False
    by_other: bool = False

    def take(self, batch: RowBatch) -> None:
        self.rows += batch.rows
        for column in ("id", "identifier"):
            told = [cell for cell in batch.columns.get(column, ()) if cell]
            if told:
                is_uuid = _is_uuid(told[0])
                self.by_uuid |= is_uuid
                self.by_other |= not is_uuid
                self.names.update(told)

    def lacks(self, name: str) -> bool:
        """Whether a row of this name would have been seen and was not (contract N12)."""
        if name in self.names:
            return False
        return not self.rows or (self.by_uuid if _is_uuid(name) else self.by_other)


class References:
    """Gathers names and references while files pass."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._meant: dict[str, dict[str, set[Any]]] = {}

    def take(self, resource_type: str, batch: RowBatch) -> None:
        """Some rows of a type."""
        if CHILDREN.get(resource_type):
            self._held.setdefault(resource_type, _Held()).take(batch)
        meant = self._meant.setdefault(resource_type, {})
        for column in REFERENCES.get(resource_type, {}):
            cells = batch.columns.get(column)
            if cells:
                names = meant.setdefault(column, set())
                names.update(cells)
                names -= _BLANK

    def forget(self, resource_type: str) -> None:
        """The type is about to pass anew."""
        self._held.pop(resource_type, None)
        self._meant.pop(resource_type, None)

    def dangling(self) -> Mapping[str, Mapping[str, Dangling]]:
        """By referring type and column, where something is missing.

        A parent that is not in the backup at all is no concern of its references. Rows that do
        not tell the kind of name by which they are meant cannot be missed.
        """
        found: dict[str, dict[str, Dangling]] = {}
        for child, columns in self._meant.items():
            for column, names in columns.items():
                parent_type = REFERENCES[child][column]
                parent = self._held.get(parent_type)
                if parent is None:
                    continue
                missing = [name for name in names if parent.lacks(name)]
                if missing:
                    examples = tuple(sorted(missing)[:EXAMPLES])
                    found.setdefault(child, {})[column] = Dangling(
                        parent_type, len(missing), examples
                    )
        return found


def _is_uuid(name: str) -> bool:
    return _UUID.fullmatch(name) is not None
