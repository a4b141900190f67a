"""The backups of one workspace, as they lie in the bucket.

A folder with a manifest is a backup; one without is unfinished and never listed as one. A manifest
that cannot be believed makes its backup damaged: shown, never used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

from armillary.backup.bucket import Bucket
from armillary.backup.journal import CONTINUE_HOURS, JOURNAL, read_journal
from armillary.backup.manifest import MANIFEST, Manifest, Utc, decode
from armillary.backup.opening import ID_FORMAT
from armillary.backup.retention import AHEAD
from armillary.clock import Clock, SystemClock
from armillary.errors import ConfigurationError, ManifestDamaged

VERIFICATION = "verification.json"

LATEST = "latest"
"""Asked for instead of an id: the newest full COMPLETE one."""

READERS = 8
"""So many folders are looked into at a time."""

SHOWN_IDS = 3


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """``verification.json``: what a restore of the backup has shown."""

    manifest_sha256: str
    """Of the manifest it is about: proof of one manifest proves no other."""
    proven: bool
    verified_at: Utc
    sample: int | Literal["all"]
    """How many instruments, with all that hangs on them, were restored and compared."""
    rows: dict[str, int] = {}
    """By type: rows that went in and came out as they are in the backup."""
    seconds: dict[str, float] = {}
    """By type: how long it took to bring them in, comparing included."""
    calls: int = 0
    """API calls of the drill."""
    differences: list[str] = []
    """Examples of what did not come out the same."""
    left_over: list[str] = []
    """What the drill could not remove from the scratch workspace, in sentences."""
    scratch_workspace: str = ""
    tool_version: str = ""
    run_id: str = ""


_read_proof = msgspec.json.Decoder(Verification).decode


Made = tuple[datetime, int]
"""When a backup was scheduled, and which of that time it is: ids are sorted by this."""


@dataclass(frozen=True)
class Backup:
    """A folder with a manifest."""

    backup_id: str
    folder: str
    """In the bucket, below its prefix."""
    scheduled_at: datetime
    manifest: Manifest | None
    """None when it cannot be believed; ``damaged`` says why."""
    damaged: str
    proven: Verification | None
    not_proven: str
    """Why a ``verification.json`` that is there proves nothing; blank without one."""
    age: timedelta
    """Since it was scheduled, when the catalogue was read."""

    @property
    def state(self) -> Literal["COMPLETE", "PARTIAL", "DAMAGED"]:
        """Of the manifest."""
        return self.manifest.state if self.manifest else "DAMAGED"

    @property
    def full_and_complete(self) -> bool:
        """Whether it is a COMPLETE one of everything."""
        return self.manifest is not None and self.manifest.full_and_complete

    @property
    def in_the_future(self) -> bool:
        """Whether some clock was wrong.

        Such a one would stay the newest for years: it is shown, and counts for nothing.
        """
        return self.age < -AHEAD

    @property
    def bytes(self) -> int:
        """As they lie in the bucket; 0 when nobody knows."""
        return self.manifest.stored_bytes if self.manifest else 0

    @property
    def rows(self) -> int:
        """Of all files; 0 when nobody knows."""
        return self.manifest.rows if self.manifest else 0


@dataclass(frozen=True)
class UnfinishedBackup:
    """A folder without a manifest: a backup under way, or one that was killed."""

    backup_id: str
    folder: str
    started_at: datetime
    """By its journal, else the time it was scheduled for."""
    owner: str
    """The run that writes or wrote it; blank without a readable journal."""


class Catalogue:
    """Lists and finds the backups of one workspace."""

    def __init__(self, bucket: Bucket, folder: str, *, clock: Clock | None = None) -> None:
        """Nothing is read yet.

        Args:
            bucket: where they lie.
            folder: of the workspace, as ``armillary.backup.opening.folder_of`` names it.
            clock: tells the age.
        """
        self.bucket = bucket
        self.folder = folder
        self._clock = clock or SystemClock()

    @property
    def place(self) -> str:
        """For people: ``s3://bucket/prefix/workspace``."""
        return f"{self.bucket.place}/{self.folder}"

    def entries(self) -> Iterator[Backup | UnfinishedBackup]:
        """Everything that is there, newest first.

        Only the names of all folders are held at a time, and the manifests of a few: a store of
        10,000 backups costs no more memory than one of ten (S19).
        """
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="catalogue")
        try:
            ahead: deque[Future[Backup | UnfinishedBackup]] = deque()
            for made, backup_id in self._ids():
                ahead.append(pool.submit(self._entry, backup_id, made[0]))
                if len(ahead) == READERS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def list(self) -> Iterator[Backup]:
        """Every backup, newest first, damaged ones too."""
        return (entry for entry in self.entries() if isinstance(entry, Backup))

    def unfinished(self) -> Iterator[UnfinishedBackup]:
        """Every folder without a manifest, newest first."""
        return (entry for entry in self.entries() if isinstance(entry, UnfinishedBackup))

    def latest(self, *, full_complete: bool = True) -> Backup:
        """The newest backup that counts.

        Args:
            full_complete: only one of everything that is COMPLETE; else any with a manifest that
                can be believed.

        Raises:
            ConfigurationError: there is none; the message says what there is instead.
        """
        newest: Backup | None = None
        others = 0
        for backup in self.list():
            usable = backup.manifest is not None and not backup.in_the_future
            if usable and (backup.full_and_complete or not full_complete):
                return backup
            newest = newest or backup
            others += 1
        wanted = "complete backup of everything" if full_complete else "usable backup"
        there = (
            f"{others:,} {'other lies' if others == 1 else 'others lie'} there, the newest being "
            f"{newest.backup_id}: {_why_it_does_not_count(newest)}."
            if newest
            else "No backup lies there at all."
        )
        raise ConfigurationError(
            f"There is no {wanted} in {self.place}. {there}",
            next_step="Make one with `armillary backup`"
            + (", or name the one you want by its id." if newest else "."),
        )

    def get(self, backup_id: str) -> Backup:
        """One backup by its id, damaged or not; ``latest`` for the newest that counts.

        Raises:
            ConfigurationError: there is none of this id; the message names the closest ones.
        """
        if backup_id == LATEST:
            return self.latest()
        made = parsed(backup_id)
        known = [found for _, found in self._ids()]
        if made is None or backup_id not in known:
            raise self._unknown(backup_id, known)
        entry = self._entry(backup_id, made[0])
        if isinstance(entry, Backup):
            return entry
        raise self._no_backup(entry)

    def _no_backup(self, entry: UnfinishedBackup) -> ConfigurationError:
        by = f" by run {entry.owner}" if entry.owner else ""
        begun = (
            f"Backup {entry.backup_id} in {self.place} has no manifest: it was begun at "
            f"{entry.started_at:%Y-%m-%d %H:%M} UTC{by}, and"
        )
        if self._clock.now() - entry.started_at <= timedelta(hours=CONTINUE_HOURS):
            return ConfigurationError(
                f"{begun} is under way or was interrupted.",
                next_step="Wait for that run, or start `armillary backup` again: within "
                f"{CONTINUE_HOURS} hours it goes on with it. There is nothing to verify or "
                "restore before.",
            )
        return ConfigurationError(
            f"{begun} nobody goes on with it any more.",
            next_step="Choose another one (`armillary backups`). If this one was complete once, "
            f"somebody deleted its {MANIFEST}: where the bucket keeps versions that can be undone.",
        )

    def _unknown(self, backup_id: str, known: Sequence[str]) -> ConfigurationError:
        close = get_close_matches(backup_id, known, SHOWN_IDS, cutoff=0.0)
        there = f"The closest are {', '.join(close)}." if close else "No backup lies there at all."
        return ConfigurationError(
            f"There is no backup {backup_id!r} in {self.place}. {there}",
            next_step="`armillary backups` lists all; the word `latest` stands for the newest "
            "complete one.",
        )

    def _ids(self) -> Sequence[tuple[Made, str]]:
        """Newest first. Folders with other names are not ours, and nothing is done with them."""
        found = ((parsed(name), name) for name in self.bucket.folders(f"{self.folder}/"))
        return sorted(((made, name) for made, name in found if made), reverse=True)

    def _entry(self, backup_id: str, scheduled_at: datetime) -> Backup | UnfinishedBackup:
        folder = f"{self.folder}/{backup_id}"
        content = self.bucket.read(f"{folder}/{MANIFEST}")
        if content is None:
            journal = read_journal(self.bucket.read(f"{folder}/{JOURNAL}") or b"")
            started_at = journal.started_at if journal else scheduled_at
            return UnfinishedBackup(
                backup_id, folder, started_at, owner=journal.run_id if journal else ""
            )
        manifest, damaged = self._believed(backup_id, content)
        proof, not_proven = self._proof(folder, manifest)
        return Backup(
            backup_id=backup_id,
            folder=folder,
            scheduled_at=scheduled_at,
            manifest=manifest,
            damaged=damaged,
            proven=proof,
            not_proven=not_proven,
            age=self._clock.now() - scheduled_at,
        )

    def _believed(self, backup_id: str, content: bytes) -> tuple[Manifest | None, str]:
        """The manifest, or why it is not believed."""
        try:
            manifest = decode(content)
        except ManifestDamaged as error:
            return None, str(error)
        whose = quote(manifest.workspace_slug or manifest.workspace_id, safe="")
        if (whose, manifest.backup_id) == (self.folder, backup_id):
            return manifest, ""
        return None, (
            f"The manifest is that of backup {manifest.backup_id} of workspace "
            f"{unquote(whose)}, but it lies in the folder {self.folder}/{backup_id}. Somebody "
            "copied or renamed it: look for the original, and use that."
        )

    def _proof(self, folder: str, manifest: Manifest | None) -> tuple[Verification | None, str]:
        content = self.bucket.read(f"{folder}/{VERIFICATION}") if manifest else None
        if manifest is None or content is None:
            return None, ""
        try:
            found = _read_proof(content)
        except msgspec.DecodeError:
            return None, f"{VERIFICATION} cannot be read"
        if found.manifest_sha256 != manifest.sha256:
            return None, f"{VERIFICATION} is about another manifest"
        if not found.proven:
            return None, "a restore showed differences"
        return found, ""


def workspace_folder(bucket: Bucket, slug: str | None) -> str:
    """The folder of a workspace's backups; without a slug that of the only one there is.

    Raises:
        ConfigurationError: there are several, or none, or none of this workspace: a name that is
            spelt wrongly must not look like a workspace that nobody backs up.
    """
    found = sorted(bucket.folders(""))
    if not found:
        raise ConfigurationError(
            f"No backup lies in {bucket.place}.", next_step="Make one with `armillary backup`."
        )
    names = ", ".join(unquote(name) for name in found)
    if slug and quote(slug, safe="") not in found:
        raise ConfigurationError(
            f"No backup of workspace {slug!r} lies in {bucket.place}; there is {names}.",
            next_step="Name one of these (`--workspace`), or make one with `armillary backup`.",
        )
    if slug:
        return quote(slug, safe="")
    if len(found) == 1:
        return found[0]
    raise ConfigurationError(
        f"{bucket.place} holds the folders of several workspaces: {names}.",
        next_step="Name the one you mean (`--workspace`).",
    )


def parsed(backup_id: str) -> Made | None:
    """When a backup of this id was scheduled, and its number; None for a text that is no id."""
    text, zulu, suffix = backup_id.partition("Z")
    number = suffix.removeprefix("-")
    if not zulu:
        return None
    if suffix and not (suffix[0] == "-" and number.isascii() and number.isdecimal()):
        return None
    try:
        moment = datetime.strptime(f"{text}Z", ID_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    # strptime also takes 2026-1-2: what it would not write itself is no id.
    return (moment, int(number or 1)) if moment.strftime(ID_FORMAT) == f"{text}Z" else None


def _why_it_does_not_count(backup: Backup) -> str:
    if backup.manifest is None:
        return "its manifest cannot be believed"
    if backup.in_the_future:
        return "dated in the future"
    return (
        "PARTIAL" if backup.manifest.state == "PARTIAL" else f"a subset ({backup.manifest.covers})"
    )
