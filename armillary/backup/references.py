"""Whether what the rows of a backup refer to is in the backup too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from armillary.backup.resources import REFERENCES
from armillary.backup.seen import Seen

EXAMPLES = 3


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


def dangling(files: Mapping[str, Seen]) -> Mapping[str, Mapping[str, Dangling]]:
    """By referring type and column, where something is missing.

    A parent that is not in the backup at all is no concern of its references. Rows that do not
    tell the kind of name by which they are meant cannot be missed.

    Args:
        files: what was seen of each file, by resource type.
    """
    found: dict[str, dict[str, Dangling]] = {}
    for child, seen in files.items():
        for column, names in seen.meant.items():
            parent_type = REFERENCES[child][column]
            parent = files.get(parent_type)
            missing = [name for name in names if parent.lacks(name)] if parent else []
            if missing:
                examples = tuple(sorted(missing)[:EXAMPLES])
                entry = Dangling(parent_type, len(missing), examples)
                found.setdefault(child, {})[column] = entry
    return found
