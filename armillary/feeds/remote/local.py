"""A folder of this machine, or one mounted here."""

from __future__ import annotations

import stat
from os import stat_result
from pathlib import Path

from armillary.feeds.remote.place import Entry
from armillary.feeds.remote.stream import limited


class LocalPlace:
    """Names in the folder of a path."""

    settle_seconds = 0.0

    def __init__(self, path: str) -> None:
        self._folder = Path(path).expanduser().parent

    def entries(self, prefix: str) -> list[Entry]:
        """Files whose name starts so; links among them, marked as what they are."""
        if not self._folder.is_dir():
            return []
        return [
            _entry(path.name, path.lstat())
            for path in self._folder.iterdir()
            if path.name.startswith(prefix)
        ]

    def describe(self, name: str) -> Entry:
        """The file as it is now."""
        return _entry(name, (self._folder / name).stat())

    def read(self, name: str, expected_bytes: int | None) -> bytes:
        """The whole content."""
        with (self._folder / name).open("rb") as stream:
            return limited(stream, expected_bytes)

    def probe(self, name: str) -> None:
        """Open it."""
        (self._folder / name).open("rb").close()

    def close(self) -> None:
        """Nothing is open."""


def _entry(name: str, facts: stat_result) -> Entry:
    return Entry(
        name,
        size_bytes=facts.st_size,
        mark=str(facts.st_mtime_ns),
        changed_at=facts.st_mtime_ns / 1e9,
        is_folder=stat.S_ISDIR(facts.st_mode),
        is_link=stat.S_ISLNK(facts.st_mode),
    )
