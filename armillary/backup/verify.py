"""Is a backup still what was written? Looked at from outside, or read back to the last byte."""

from __future__ import annotations

import hashlib
import re

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup
from armillary.backup.file_look import FileLook, FileSeen
from armillary.backup.manifest import MANIFEST, FileEntry, Manifest
from armillary.backup.readers import Readers, ThreadReaders
from armillary.backup.references import dangling
from armillary.backup.resources import RESOURCE_TYPES
from armillary.backup.seen import Seen
from armillary.backup.stored import GONE
from armillary.backup.verified import Depth, Problem, Verified
from armillary.errors import ConfigurationError

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
    readers: Readers | None = None,
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
        readers: who looks at the files; None: some threads of this process. What is found, and in
            which order, does not depend on it.

    Raises:
        StoreFailed, ConfigurationError: the bucket cannot be read. That says nothing of the backup.
        RunStopped: whoever was to read is gone. Neither does that.
    """
    return _Verification(bucket, backup, depth, slice, readers or ThreadReaders(bucket)).run()


def files_to_read(backup: Backup, depth: Depth, slice: Slice | None = None) -> list[FileEntry]:  # noqa: A002 - as above
    """The files that a verification reads back.

    Args:
        backup: which one; without a manifest there is nothing to read.
        depth: how far it goes.
        slice: as of ``verify``.
    """
    files = backup.manifest.files if backup.manifest else []
    if depth != "content":
        return []
    if slice is None:
        return list(files)
    number, of = slice
    chosen = []
    for entry in files:
        # A type that a newer version exports comes after all we know.
        known = [*RESOURCE_TYPES, entry.resource_type]
        if known.index(entry.resource_type) % of == number - 1:
            chosen.append(entry)
    return chosen


class _Verification:
    def __init__(
        self, bucket: Bucket, backup: Backup, depth: Depth, part: Slice | None, readers: Readers
    ) -> None:
        self._bucket = bucket
        self._readers = readers
        self._backup = backup
        self._depth: Depth = depth
        self._part = part
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._seen: dict[str, Seen] = {}
        self._files_read = 0
        self._bytes_read = 0

    def run(self) -> Verified:
        manifest = self._backup.manifest
        if manifest is None:
            self._problem("manifest", MANIFEST, self._backup.damaged)
            return self._verified(0)
        self._look_at_schemas(manifest)
        chosen = files_to_read(self._backup, self._depth, self._part)
        looks = [self._look(entry, read=entry in chosen) for entry in manifest.files]
        for look, found in zip(looks, self._readers.look(looks), strict=True):
            self._take(look, found)
        if self._depth == "content":
            self._follow_references(manifest, chosen)
        if manifest.state == "PARTIAL":
            self._notes.append("The backup itself is PARTIAL. " + " ".join(manifest.problems))
        return self._verified(len(manifest.files))

    def _look(self, entry: FileEntry, *, read: bool) -> FileLook:
        backup = self._backup
        return FileLook(backup.folder, backup.backup_id, entry, read, follow=self._part is None)

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

    def _take(self, look: FileLook, found: FileSeen) -> None:
        """Note what was seen of a file."""
        entry = look.entry
        self._files_read += found.read
        self._bytes_read += found.bytes_read
        if found.problem:
            self._problem(entry.resource_type, entry.key, found.problem)
        elif found.note:
            self._notes.append(found.note)
        if found.seen is not None:
            self._seen[entry.resource_type] = found.seen

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
