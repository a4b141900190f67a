"""The files of one backup, for reading: every one of them verified while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec

from armillary.backup import schemas as schemas_file
from armillary.backup.bucket import Bucket, Stored
from armillary.backup.catalogue import Backup
from armillary.backup.manifest import FileEntry, Manifest
from armillary.backup.schemas import Schemas
from armillary.errors import FileDamaged, ManifestDamaged
from armillary.restore.stored_rows import read_rows
from armillary.restore.windows import Row


def _ignore(_: object) -> None:
    """Nobody wants to know."""


_OTHERS = "Take another backup: `armillary backups` lists them."


class StoredBackup:
    """Reads what a backup holds."""

    def __init__(
        self, bucket: Bucket, backup: Backup, passed: Callable[[int], None] = _ignore
    ) -> None:
        """Nothing is read yet.

        Args:
            bucket: where it lies.
            backup: which one.
            passed: given the number of stored bytes, chunk by chunk.

        Raises:
            ManifestDamaged: the manifest cannot be believed.
        """
        if backup.manifest is None:
            raise ManifestDamaged(backup.damaged, next_step=_OTHERS)
        self.manifest: Manifest = backup.manifest
        self.files = {entry.resource_type: entry for entry in self.manifest.files}
        self.backup_id = backup.backup_id
        self.scheduled_at = backup.scheduled_at
        self.folder = backup.folder
        self.unreadable: dict[str, list[tuple[int, str]]] = {}
        """By type, as it was last read: rows that are no JSON in themselves, and why (J15)."""
        self._bucket = bucket
        self._passed = passed
        self._read: dict[str, Stored] = {}
        self.place = f"{bucket.place}/{backup.folder}"

    def file(self, resource_type: str) -> FileEntry | None:
        """What the manifest says of the file of a type; None if there is none."""
        return self.files.get(resource_type)

    def schemas(self) -> Schemas:
        """Types and fields of the workspace it is of.

        Raises:
            FileDamaged: ``schemas.json`` is not what the backup wrote.
        """
        entry = self.manifest.schemas
        content = self._bucket.read(f"{self.folder}/{entry.key}")
        if content is None or hashlib.sha256(content).hexdigest() != entry.sha256:
            what = "is gone" if content is None else "is not what the backup wrote"
            raise FileDamaged(
                f"{self.place}/{entry.key} {what}: without the types and fields in it nobody knows "
                "whether a workspace can take the rows.",
                next_step=_OTHERS,
            )
        try:
            return schemas_file.decode(content)
        except msgspec.DecodeError as error:
            raise FileDamaged(
                f"{self.place}/{entry.key} was written wrongly: {error}.", next_step=_OTHERS
            ) from None

    def batches(self, resource_type: str) -> Iterator[list[Row]]:
        """The rows of a type, as ``read_rows``; one that cannot be decoded is noted and left out.

        Raises:
            FileDamaged: the file is not what the backup wrote; the message names it.
        """
        entry = self.files[resource_type]
        unreadable = self.unreadable[resource_type] = []

        def note(number: int, row: bytes, why: str) -> None:
            del row
            unreadable.append((number, why))

        try:
            yield from read_rows(
                self._bucket,
                self.folder,
                entry,
                current=self._same_as_before(entry),
                passed=self._passed,
                unreadable=note,
            )
        except FileDamaged as error:
            raise FileDamaged(
                f"{self.place}/{entry.key}: {error.message}", next_step=_OTHERS
            ) from None

    def _same_as_before(self, entry: FileEntry) -> Stored | None:
        """The object that lies there, if it is the one that was read before; None if there is none.

        Raises:
            FileDamaged: another one lies there since: half of it would be sent before a hash tells.
        """
        found = self._bucket.head(f"{self.folder}/{entry.key}")
        before = self._read.setdefault(entry.resource_type, found) if found else None
        if found and before and (found.etag, found.version_id) != (before.etag, before.version_id):
            raise FileDamaged("it was replaced since it was read a moment ago.")
        return found
