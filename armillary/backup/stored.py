"""Reading one file of a backup back, and believing it only if it is what was written.

What a restore would read is read: the object that is current now. Where the bucket keeps versions,
it stays that one while it is read, whatever is written meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import IO, Protocol

import zstandard

from armillary.backup.bucket import Bucket, Stored
from armillary.backup.manifest import FileEntry
from armillary.backup.rows import RowReader
from armillary.backup.seen import Seen
from armillary.errors import ExportDamaged, FileDamaged

CHUNK_BYTES = 1024**2

GONE = "nothing lies at this key."


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
    """
    key = f"{folder}/{entry.key}"
    current = current or bucket.head(key)
    if current is None:
        raise FileDamaged(GONE)
    seen = Seen(entry.resource_type)
    with bucket.open(key, version_id=current.version_id) as body:
        stored = _Hashed(body, passed)
        exported = _Hashed(_unpacked(stored, entry))
        broken = _read_rows(exported, seen)
        while stored.read(CHUNK_BYTES):
            pass  # what could not be unpacked counts for the hash all the same
    _judge(entry, stored, exported, broken, seen.rows)
    return seen


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


def _read_rows(source: _Hashed, seen: Seen) -> str:
    """Why it could not be read to the end as rows; blank when it could."""
    reader = RowReader(seen.resource_type)
    try:
        while chunk := source.read(CHUNK_BYTES):
            for batch in reader.feed(chunk):
                seen.take(batch)
        for batch in reader.close():
            seen.take(batch)
    except zstandard.ZstdError as error:
        return f"cannot be unpacked ({error})"
    except ExportDamaged as error:
        return f"cannot be read as rows ({error.message})"
    return ""


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
