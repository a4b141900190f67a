"""Is a backup still what was written? Looked at from outside, or read back to the last byte."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from armillary import progress
from armillary.backup.bucket import Bucket, Stored
from armillary.backup.catalogue import Backup
from armillary.backup.manifest import MANIFEST, FileEntry, Manifest
from armillary.backup.references import dangling
from armillary.backup.resources import RESOURCE_TYPES
from armillary.backup.seen import Seen
from armillary.backup.stored import GONE, read_stored
from armillary.backup.verified import Depth, Problem, Verified
from armillary.errors import ConfigurationError, FileDamaged

Slice = tuple[int, int]
"""``(2, 7)``: the second of seven."""


def parse_slice(text: str, depth: Depth) -> Slice:
    """Read ``2/7``.

    Raises:
        ConfigurationError: it is no such thing, or nothing is read at this depth.
    """
    if depth != "content":
        why = "reads none" if depth == "present" else "needs all of them"
        raise ConfigurationError(
            f"Slice {text!r} is a part of the files to read back, and depth {depth} {why}.",
            next_step="Leave the slice out, or verify with depth content.",
        )
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text.strip())
    number, of = (int(part) for part in found.groups()) if found else (0, 0)
    if not 1 <= number <= of:
        raise ConfigurationError(
            f"{text!r} is no slice.",
            next_step="Write it as 2/7: the second of seven parts; seven runs, 1/7 to 7/7, read "
            "everything.",
        )
    return number, of


def verify(
    bucket: Bucket,
    backup: Backup,
    *,
    depth: Depth = "content",
    slice: Slice | None = None,  # noqa: A002 - the option's name
) -> Verified:
    """Verify one backup.

    ``present`` asks the store about every file: is it there, with its length, version, checksums
    and our own metadata? It costs one small request a file and finds whatever was deleted, cut
    off or overwritten, but not a byte that turned over. ``content`` also reads files back: hashes,
    unpacks and counts them, and follows the references from file to file.

    Args:
        bucket: where it lies.
        backup: which one.
        depth: how far to go.
        slice: read only the files of this part; a resource type is always in the same part, so
            that a schedule of all parts has read every type. References need all files and are
            not followed.

    Raises:
        StoreFailed, ConfigurationError: the bucket cannot be read. That says nothing of the backup.
    """
    return _Verification(bucket, backup, depth, slice).run()


class _Verification:
    def __init__(self, bucket: Bucket, backup: Backup, depth: Depth, part: Slice | None) -> None:
        self._bucket = bucket
        self._backup = backup
        self._depth: Depth = depth
        self._part = part
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._seen: dict[str, Seen] = {}
        self._files_read = 0
        self._bytes_read = 0
        self._bytes_wanted = 0

    def run(self) -> Verified:
        manifest = self._backup.manifest
        if manifest is None:
            self._problem("manifest", MANIFEST, self._backup.damaged)
            return self._verified(0)
        self._look_at_schemas(manifest)
        chosen = [entry for entry in manifest.files if self._chosen(entry)]
        self._bytes_wanted = sum(entry.stored_bytes for entry in chosen)
        for entry in manifest.files:
            self._look_at(entry, read=entry in chosen)
        if self._depth == "content":
            self._follow_references(manifest, chosen)
        if manifest.state == "PARTIAL":
            self._notes.append("The backup itself is PARTIAL. " + " ".join(manifest.problems))
        return self._verified(len(manifest.files))

    def _chosen(self, entry: FileEntry) -> bool:
        if self._depth != "content":
            return False
        if self._part is None:
            return True
        number, of = self._part
        # A type that a newer version exports comes after all we know.
        known = [*RESOURCE_TYPES, entry.resource_type]
        return known.index(entry.resource_type) % of == number - 1

    def _look_at_schemas(self, manifest: Manifest) -> None:
        key = manifest.schemas.key
        content = self._bucket.read(f"{self._backup.folder}/{key}")
        if content is None:
            self._problem("schemas", key, GONE)
        elif hashlib.sha256(content).hexdigest() != manifest.schemas.sha256:
            self._problem(
                "schemas",
                key,
                f"it holds other bytes than were written ({len(content):,} bytes lie there): it "
                "was altered or replaced.",
            )

    def _look_at(self, entry: FileEntry, *, read: bool) -> None:
        """Ask the store about a file; the very object it tells of is then read, if it is to be."""
        key = f"{self._backup.folder}/{entry.key}"
        current = self._bucket.head(key)
        if current is None:
            original = self._original(key, entry)
            self._problem(entry.resource_type, entry.key, f"{GONE} {original}".strip())
            return
        # What the store itself tells against the file; blank for nothing.
        seen = next(self._differences(key, entry, current), "")
        broken = self._read_back(entry, current) if read else ""
        if broken:
            told = f"{broken} From outside: {seen}" if seen and seen != broken else broken
            self._problem(entry.resource_type, entry.key, told)
        elif seen and read:
            self._notes.append(f"{entry.key} holds the right bytes, but {seen}")
        elif seen:
            self._problem(entry.resource_type, entry.key, seen)

    def _differences(self, key: str, entry: FileEntry, current: Stored) -> Iterator[str]:
        """What the store tells against a file, the most telling first."""
        lengths = (
            f"{current.bytes:,} bytes lie there where the backup stored {entry.stored_bytes:,}"
        )
        if entry.version_id and current.version_id != entry.version_id:
            yield (
                "another version is current than the one that the backup wrote: it was "
                f"overwritten. {self._original(key, entry)}"
            )
        if current.bytes < entry.stored_bytes:
            yield f"{lengths}: it was cut off or replaced."
        if current.bytes > entry.stored_bytes:
            yield f"{lengths}: it was overwritten or replaced."
        for name, value in current.checksums.items():
            if entry.checksums.get(name, value) != value:
                yield f"the store's own checksum ({name}) has changed: it was replaced."
        wanted = {"backup-id": self._backup.backup_id, "resource-type": entry.resource_type}
        if {name: current.metadata.get(name) for name in wanted} != wanted:
            yield (
                "it does not carry the metadata that the backup gave it: something else wrote it."
            )
        if current.etag != entry.etag:
            yield "its ETag has changed: it was replaced, or copied here by another program."

    def _original(self, key: str, entry: FileEntry) -> str:
        """Whether the version that the backup wrote is still there; blank where none are kept."""
        if not entry.version_id:
            return ""
        if self._bucket.head(key, version_id=entry.version_id) is None:
            return f"The version that the backup wrote ({entry.version_id}) is gone as well."
        return (
            f"The version that the backup wrote ({entry.version_id}) is still there: copy it onto "
            "the key to bring it back."
        )

    def _read_back(self, entry: FileEntry, current: Stored) -> str:
        """Read a file to the end; why it is not what was written, or a blank."""
        self._files_read += 1
        try:
            self._seen[entry.resource_type] = read_stored(
                self._bucket, self._backup.folder, entry, current=current, passed=self._passed
            )
        except FileDamaged as error:
            return error.message
        return ""

    def _passed(self, count: int) -> None:
        self._bytes_read += count
        progress.say("reading back, bytes", self._bytes_read, self._bytes_wanted)

    def _follow_references(self, manifest: Manifest, chosen: list[FileEntry]) -> None:
        if self._part is not None:
            number, of = self._part
            names = ", ".join(entry.key for entry in chosen) or "no file"
            self._notes.append(
                f"Slice {number}/{of} read {names}; references from file to file need all of them "
                "and were not followed."
            )
            return
        damaged = {problem.resource_type for problem in self._problems}
        held = {entry.resource_type: entry for entry in manifest.files}
        for child, columns in dangling(self._seen).items():
            for column, found in columns.items():
                if child in damaged or found.parent_type in damaged:
                    continue
                if found.parent_type not in held:
                    continue
                if f"{child}: {found.words(column)}" in manifest.problems:
                    continue  # so it was from the beginning: the backup is PARTIAL for it
                self._problem(child, held[child].key, found.words(column))
        if damaged & set(held):
            self._notes.append(
                "References from and to damaged files were not followed: "
                f"{', '.join(sorted(damaged & set(held)))}."
            )

    def _problem(self, resource_type: str, key: str, what: str) -> None:
        self._problems.append(Problem(resource_type, f"{self._backup.folder}/{key}", what))

    def _verified(self, files: int) -> Verified:
        manifest = self._backup.manifest
        partial = manifest is not None and manifest.state == "PARTIAL"
        return Verified(
            backup_id=self._backup.backup_id,
            place=f"{self._bucket.place}/{self._backup.folder}",
            depth=self._depth,
            state="Failed" if self._problems else "Partial" if partial else "Completed",
            proven=self._backup.proven is not None,
            files=files,
            files_read=self._files_read,
            bytes_read=self._bytes_read,
            problems=tuple(self._problems),
            notes=tuple(self._notes),
        )
