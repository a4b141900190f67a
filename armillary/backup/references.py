"""Whether what the rows of a backup refer to is in the backup too.

Only distinct names are kept: two million values of 100,000 instruments need 100,000 of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from armillary.backup.resources import REFERENCES
from armillary.backup.rows import RowBatch

EXAMPLES = 3

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


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
    """What the rows of one type are called."""

    names: set[str] = field(default_factory=set)
    tell_id: bool = False
    tell_identifier: bool = False

    def can_tell(self, name: str) -> bool:
        """Whether a row of this name would have been seen (contract N12)."""
        return self.tell_id if _UUID.fullmatch(name) else self.tell_identifier or self.tell_id


class References:
    """Gathers names and references while files pass."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._meant: dict[str, dict[str, set[str]]] = {}

    def take(self, resource_type: str, batch: RowBatch) -> None:
        """Some rows of a type."""
        held = self._held.setdefault(resource_type, _Held())
        for column in ("id", "identifier"):
            cells = batch.columns.get(column)
            if cells and any(cells):
                held.names.update(cell for cell in cells if cell)
                held.tell_id |= column == "id"
                held.tell_identifier |= column == "identifier"
        meant = self._meant.setdefault(resource_type, {})
        for column in REFERENCES.get(resource_type, {}):
            cells = batch.columns.get(column)
            if cells:
                meant.setdefault(column, set()).update(cell for cell in set(cells) if cell)

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
                missing = names - parent.names
                if parent.names:
                    missing = {name for name in missing if parent.can_tell(name)}
                if missing:
                    examples = tuple(sorted(missing)[:EXAMPLES])
                    found.setdefault(child, {})[column] = Dangling(
                        parent_type, len(missing), examples
                    )
        return found
