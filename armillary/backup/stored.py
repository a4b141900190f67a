"""Reading one file of a backup back, and believing it only if it is what was written.

What a restore would read is read: the object that is current now. Where the bucket keeps versions,
it stays that one while it is read, whatever is written meanwhile.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

import zstandard

from armillary.backup.bucket import Bucket, Stored
from armillary.backup.examiner import ProcessExaminer
from armillary.backup.manifest import FileEntry
from armillary.backup.rows import RowReader
from armillary.backup.seen import Seen
from armillary.errors import ExportDamaged, FileDamaged

CHUNK_BYTES = 4 * 1024**2
"""Unpacked and hashed at a time: each piece goes from thread to thread, and that has a price."""

ELSEWHERE_BYTES = 256 * 1024**2
"""From here on a process that looks at the rows is worth the third of a second it takes to start.
More than for a backup (``examiner.PROCESS_BYTES``), which waits for its export meanwhile."""

GONE = "nothing lies at this key."

UNREAD = (zstandard.ZstdError, ExportDamaged)
"""What comes of bytes that are not those that were stored, before anybody has hashed them all."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _ignore(_: object) -> None:
    """Nobody wants to know."""


def read_stored(
    bucket: Bucket,
    folder: str,
    entry: FileEntry,
    *,
    current: Stored | None = None,
    passed: Callable[[int], None] = _ignore,
) -> Seen:
    """Read a stored file to its end, never whole in memory, and compare it with the manifest.

    Args:
        bucket: where it lies.
        folder: of its backup.
        entry: what the manifest (or journal) says of it.
        current: the object to read, if the store was asked already.
        passed: given the number of stored bytes, chunk by chunk.

    Returns:
        What its rows told.

    Raises:
        FileDamaged: it is gone, or it is not what was written; the message says which.
        StoreFailed, ConfigurationError: the bucket cannot be read.
        TransferFailed: the process that looked at its rows is gone.
    """
    with (
        open_stored(bucket, folder, entry, current=current, passed=passed) as file,
        _rows_for(entry) as rows,
    ):
        broken = ""
        try:
            while chunk := file.read():
                rows.put(chunk)
            seen = rows.finish()
        except UNREAD as error:
            seen, broken = Seen(entry.resource_type), why_unread(error)
        file.judge(seen.rows, broken)
    return seen


class _Rows(Protocol):
    """Looks at rows; ``put`` and ``finish`` raise ``ExportDamaged`` for what are none."""

    def put(self, chunk: bytes) -> None: ...

    def finish(self) -> Seen: ...


@contextmanager
def _rows_for(entry: FileEntry) -> Iterator[_Rows]:
    """Here, and of a large file in another process: rows are Python's, one thread at a time.

    Of 70 MB of rows in JSON they take 0.4 s of processor time, unpacking and hashing 0.15.
    """
    if entry.bytes < ELSEWHERE_BYTES or os.cpu_count() == 1:
        yield _RowsHere(entry.resource_type)
        return
    with ProcessExaminer(entry.resource_type) as examiner:
        yield _RowsElsewhere(examiner)


class _RowsHere:
    def __init__(self, resource_type: str) -> None:
        self._seen = Seen(resource_type)
        self._reader = RowReader(resource_type)

    def put(self, chunk: bytes) -> None:
        for batch in self._reader.feed(chunk):
            self._seen.take(batch)

    def finish(self) -> Seen:
        for batch in self._reader.close():
            self._seen.take(batch)
        return self._seen


class _RowsElsewhere:
    def __init__(self, examiner: ProcessExaminer) -> None:
        self._examiner = examiner

    def put(self, chunk: bytes) -> None:
        self._examiner.put(chunk)

    def finish(self) -> Seen:
        return self._examiner.finish().seen


@contextmanager
def open_stored(
    bucket: Bucket,
    folder: str,
    entry: FileEntry,
    *,
    current: Stored | None = None,
    passed: Callable[[int], None] = _ignore,
) -> Iterator[StoredFile]:
    """A stored file to be read; arguments and errors are those of ``read_stored``."""
    key = f"{folder}/{entry.key}"
    current = current or bucket.head(key)
    if current is None:
        raise FileDamaged(GONE)
    with bucket.open(key, version_id=current.version_id) as body:
        yield StoredFile(entry, body, passed)


class StoredFile:
    """A stored file while it is read. What it gave is to be believed when ``judge`` has passed."""

    def __init__(
        self, entry: FileEntry, body: _Readable, passed: Callable[[int], None] = _ignore
    ) -> None:
        """Nothing is read yet.

        Args:
            entry: what the manifest (or journal) says of it.
            body: what lies in the bucket.
            passed: given the number of stored bytes, chunk by chunk.
        """
        self._entry = entry
        self._stored = _Hashed(body, passed)
        self._exported = _Hashed(_unpacked(self._stored, entry))

    @property
    def stored_bytes(self) -> int:
        """How many of the stored bytes have come so far."""
        return self._stored.bytes

    def read(self) -> bytes:
        """The next bytes as they were exported; nothing at the end.

        Raises:
            zstandard.ZstdError: it cannot be unpacked.
        """
        return self._exported.read(CHUNK_BYTES)

    def judge(self, rows: int, broken: str = "") -> None:
        """Read what is left of it, and compare all of it with the manifest.

        Args:
            rows: how many it had.
            broken: why it could not be read to its end, as ``why_unread`` says; else blank.

        Raises:
            FileDamaged: it is not what was written; the message says how.
        """
        while self._stored.read(CHUNK_BYTES):
            pass  # what could not be unpacked counts for the hash all the same
        _judge(self._entry, self._stored, self._exported, broken, rows)


def why_unread(error: Exception) -> str:
    """How a message goes on from "it": why the rows could not be read to the end."""
    if isinstance(error, ExportDamaged):
        return f"cannot be read as rows ({error.message})"
    return f"cannot be unpacked ({error})"


class _Hashed:
    """Bytes that are counted and hashed while they pass."""

    def __init__(self, source: _Readable, passed: Callable[[int], None] = _ignore) -> None:
        self._source = source
        self._passed = passed
        self._hash = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._hash.update(chunk)
        self.bytes += len(chunk)
        self._passed(len(chunk))
        return chunk


def _unpacked(stored: _Hashed, entry: FileEntry) -> _Readable:
    if entry.compression == "none":
        return stored
    source: IO[bytes] = stored  # type: ignore[assignment]  # all that is asked of it is to read
    return zstandard.ZstdDecompressor().stream_reader(
        source, read_size=CHUNK_BYTES, read_across_frames=True, closefd=False
    )


def _judge(entry: FileEntry, stored: _Hashed, exported: _Hashed, broken: str, rows: int) -> None:
    """Name the first thing that is wrong: everything after it follows from it."""
    if stored.bytes != entry.stored_bytes:
        how = "cut off" if stored.bytes < entry.stored_bytes else "overwritten"
        raise FileDamaged(
            f"{stored.bytes:,} bytes lie there where the backup stored {entry.stored_bytes:,}: it "
            f"was {how} or replaced."
        )
    if stored.sha256 != entry.stored_sha256:
        raise FileDamaged(
            f"it is as long as it was stored ({stored.bytes:,} bytes) but holds other bytes: it "
            "was altered or replaced (its SHA-256 is not that of the manifest)."
        )
    since = "although not a byte has changed since it was stored: it was written wrongly"
    if broken:
        raise FileDamaged(f"it {broken}, {since}.")
    if (exported.bytes, exported.sha256) != (entry.bytes, entry.sha256):
        raise FileDamaged(
            f"it unpacks to {exported.bytes:,} bytes that are not the {entry.bytes:,} that were "
            f"exported, {since}."
        )
    if rows != entry.rows:
        raise FileDamaged(
            f"it holds {rows:,} rows where the manifest says {entry.rows:,}, {since}."
        )
