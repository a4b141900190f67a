"""One file of a backup, looked at: from outside, and read back if it is to be.

Looking at a file needs nothing of the other files and changes nothing, so that it may be done in
any thread or process, at once with the others, and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from armillary.backup.bucket import Bucket, Stored
from armillary.backup.manifest import FileEntry
from armillary.backup.seen import Seen
from armillary.backup.stored import GONE, read_stored
from armillary.errors import FileDamaged


@dataclass(frozen=True)
class FileLook:
    """What is to be looked at."""

    folder: str
    """Of the backup."""
    backup_id: str
    entry: FileEntry
    """What the manifest says of the file."""
    read: bool
    """To the last byte; else from outside alone."""
    follow: bool
    """Whether what its rows refer to, and are called, is asked for."""

    @property
    def bytes(self) -> int:
        """To be read of what is stored."""
        return self.entry.stored_bytes if self.read else 0


class FileSeen(msgspec.Struct, frozen=True):
    """What was seen of a file; goes from process to process."""

    problem: str = ""
    """Why it is not what was written; blank if it is."""
    note: str = ""
    """What the store tells against it although it holds the right bytes."""
    read: bool = False
    bytes_read: int = 0
    seen: Seen | None = None
    """Of its rows, where that is asked for and the file is whole."""


def look_at_file(
    bucket: Bucket, look: FileLook, passed: Callable[[int], None] = lambda _: None
) -> FileSeen:
    """Ask the store about a file; the very object it tells of is then read, if it is to be.

    Args:
        bucket: where it lies.
        look: what is to be looked at.
        passed: given how many stored bytes were read so far, chunk by chunk.

    Raises:
        StoreFailed, ConfigurationError: the bucket cannot be read. That says nothing of the file.
    """
    key = f"{look.folder}/{look.entry.key}"
    current = bucket.head(key)
    if current is None:
        return FileSeen(problem=f"{GONE} {_original(bucket, key, look.entry)}".strip())
    # What the store itself tells against the file; blank for nothing.
    told = next(_differences(bucket, key, look, current), "")
    if not look.read:
        return FileSeen(problem=told)
    count = _Count(passed)
    try:
        seen = read_stored(bucket, look.folder, look.entry, current=current, passed=count.add)
    except FileDamaged as error:
        broken = error.message
        outside = f" From outside: {told}" if told and told != broken else ""
        return FileSeen(problem=broken + outside, read=True, bytes_read=count.bytes)
    note = f"{look.entry.key} holds the right bytes, but {told}" if told else ""
    return FileSeen(
        note=note, read=True, bytes_read=count.bytes, seen=seen if look.follow else None
    )


@dataclass
class _Count:
    passed: Callable[[int], None]
    bytes: int = 0

    def add(self, count: int) -> None:
        self.bytes += count
        self.passed(self.bytes)


def _differences(bucket: Bucket, key: str, look: FileLook, current: Stored) -> Iterator[str]:
    """What the store tells against a file, the most telling first."""
    entry = look.entry
    lengths = f"{current.bytes:,} bytes lie there where the backup stored {entry.stored_bytes:,}"
    if entry.version_id and current.version_id != entry.version_id:
        yield (
            "another version is current than the one that the backup wrote: it was overwritten. "
            f"{_original(bucket, key, entry)}"
        )
    if current.bytes < entry.stored_bytes:
        yield f"{lengths}: it was cut off or replaced."
    if current.bytes > entry.stored_bytes:
        yield f"{lengths}: it was overwritten or replaced."
    for name, value in current.checksums.items():
        if entry.checksums.get(name, value) != value:
            yield f"the store's own checksum ({name}) has changed: it was replaced."
    wanted = {"backup-id": look.backup_id, "resource-type": entry.resource_type}
    if {name: current.metadata.get(name) for name in wanted} != wanted:
        yield "it does not carry the metadata that the backup gave it: something else wrote it."
    if current.etag != entry.etag:
        yield "its ETag has changed: it was replaced, or copied here by another program."


def _original(bucket: Bucket, key: str, entry: FileEntry) -> str:
    """Whether the version that the backup wrote is still there; blank where none are kept."""
    if not entry.version_id:
        return ""
    if bucket.head(key, version_id=entry.version_id) is None:
        return f"The version that the backup wrote ({entry.version_id}) is gone as well."
    return (
        f"The version that the backup wrote ({entry.version_id}) is still there: copy it onto the "
        "key to bring it back."
    )
