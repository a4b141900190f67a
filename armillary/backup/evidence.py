"""What the files of one backup showed while they passed, and what is wrong with them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping

from armillary.backup.completeness import shrunk
from armillary.backup.journal import Journal
from armillary.backup.manifest import Manifest
from armillary.backup.references import dangling
from armillary.backup.resources import RESOURCE_TYPES
from armillary.backup.seen import Seen


class Evidence:
    """Gathered from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, Seen] = {}
        self._problems: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    @property
    def problems(self) -> list[str]:
        """Why the backup is not complete, one sentence each."""
        return list(self._problems.values())

    def of(self, key: str) -> str:
        """What is wrong with one thing; blank for nothing."""
        return self._problems.get(key, "")

    @property
    def refused(self) -> Mapping[str, str]:
        """What the service does not export at all, by resource type, and what it said."""
        return self._refused

    def keep(self, seen: Seen) -> None:
        """What a whole file told; a file that passes anew replaces what it told before."""
        with self._lock:
            self._files[seen.resource_type] = seen

    def has_seen(self, kind: str) -> bool:
        """Whether the file passed here; one that an interrupted run stored did not."""
        return kind in self._files

    def problem(self, key: str, words: str) -> None:
        """Something is wrong; a later word on the same key replaces it."""
        with self._lock:
            self._problems[key] = words

    def refuse(self, kind: str, words: str) -> None:
        """The service does not export the type at all, which is no fault of this backup."""
        with self._lock:
            self._refused[kind] = words

    def incomplete_parents(self, held: Collection[str]) -> list[str]:
        """Types whose files lack rows that files of their children refer to, in export order."""
        parents = {
            found.parent_type
            for child, columns in dangling(self._files).items()
            for found in columns.values()
            if child in held
        }
        return [kind for kind in RESOURCE_TYPES if kind in parents and kind in held]

    def judge_references(self, held: Collection[str]) -> None:
        """Note every reference to a row that is not in the backup."""
        for child, columns in dangling(self._files).items():
            for column, found in columns.items():
                if child in held and found.parent_type in held:
                    self.problem(f"{child}.{column}", f"{child}: {found.words(column)}")

    def judge_sizes(self, journal: Journal, earlier: Iterable[Manifest]) -> None:
        """Note every file that is far smaller than the same file of the last backup."""
        rows = {kind: entry.rows for kind, entry in journal.files.items()}
        for number, words in enumerate(shrunk(rows, journal.coverage, earlier)):
            self.problem(f"shrunk {number}", words)
