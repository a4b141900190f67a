"""Run records in a folder of this machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from armillary.errors import ConfigurationError
from armillary.runs.objects import (
    LOCK_NAME,
    PART_PREFIX,
    Versioned,
    checked,
    kept_for_the_store,
    unusable,
)

LOCK_WAIT_SECONDS = 10.0
"""A swap takes milliseconds. A lock held for longer belongs to a process that was stopped."""

LOCK_POLL_SECONDS = 0.01


class FolderStore:
    """A folder of this machine, for any number of its threads and processes.

    The file system must know hard links and ``flock``, as every local one of Linux and macOS
    does. A network folder may do either only for one machine at a time: between machines only a
    bucket keeps two runs apart.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def read(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        path = self._path(key)
        with self._usable():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def write(self, key: str, content: bytes) -> None:
        """Replace the object by writing beside it and renaming."""
        path = self._path(key)
        with self._usable(), self._private(), _part(path, content) as part:
            part.replace(path)

    def create(self, key: str, content: bytes) -> bool:
        """Make the object: True if it was made, False if there was one."""
        path = self._path(key)
        with self._usable(), self._private():
            if path.exists():
                return False
            with _part(path, content) as part:
                try:
                    # A link is refused where there is a name already, and never shows half a file.
                    path.hardlink_to(part)
                except FileExistsError:
                    return False
            return True

    def read_versioned(self, key: str) -> Versioned | None:
        """The object with what ``swap`` asks for, or None where there is none."""
        content = self.read(key)
        return None if content is None else Versioned(content, _version(content))

    def swap(self, key: str, content: bytes, version: str) -> bool:
        """Replace the object if it still is what was read, else leave it and say False."""
        path = self._path(key)
        with self._usable(), self._locked(path.parent) as folder_is_there:
            if not folder_is_there:
                return False
            found = self.read_versioned(key)
            if found is None or found.version != version:
                return False
            with _part(path, content) as part:
                part.replace(path)
            return True

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that start with these characters, sorted."""
        folder, slash, _ = prefix.rpartition("/")
        top = self._path(folder) if slash else self._folder
        keys = []
        with self._usable():
            for parent, _, names in os.walk(top, onerror=_unless_gone):
                inside = Path(parent).relative_to(self._folder)
                keys += [
                    (inside / name).as_posix() for name in names if not kept_for_the_store(name)
                ]
        return iter(sorted(key for key in keys if key.startswith(prefix)))

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is as good as removed."""
        path = self._path(key)
        with self._usable():
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unusable(self.place, error) from error

    @contextmanager
    def _private(self) -> Iterator[None]:
        """The folder is there; one made here is its user's alone, and so is all below it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[bool]:
        """One swap at a time in this folder; False where there is no such folder."""
        try:
            lock = (folder / LOCK_NAME).open("ab")
        except FileNotFoundError:
            yield False
            return
        with lock:
            deadline = time.monotonic() + LOCK_WAIT_SECONDS
            while not _got(lock.fileno()):
                if time.monotonic() >= deadline:
                    raise ConfigurationError(
                        f"The run records at {self.place!r} cannot be used: another process has "
                        f"held {folder / LOCK_NAME} for {LOCK_WAIT_SECONDS:.0f} seconds.",
                        next_step="Look for a run on this machine that was stopped (state T in "
                        "ps), let it go on or end it, then start the run again.",
                    )
                time.sleep(LOCK_POLL_SECONDS)
            try:
                yield True
            finally:
                # Closing is not enough: a forked child may have the same lock open.
                fcntl.flock(lock, fcntl.LOCK_UN)


def _got(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _part(path: Path, content: bytes) -> Iterator[Path]:
    """The content in a file beside ``path``, safely on disk; gone at the end, or renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=PART_PREFIX, delete=False) as file:
        part = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            yield part
        finally:
            part.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
