"""Removing what a retention policy does not keep, and sweeping up what was never finished.

First a plan, which reads and changes nothing; then the plan is carried out. A backup loses its
manifest first: from that moment it is no backup any more, and if the rest cannot be deleted, the
next sweep tries again. Never is there a manifest that promises files which are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from armillary.backup.bucket import Bucket, Listed, NotDeleted, UnfinishedUpload
from armillary.backup.catalogue import Backup, Catalogue, UnfinishedBackup, parsed
from armillary.backup.manifest import FULL, MANIFEST
from armillary.backup.removal import UNLISTED
from armillary.backup.retention import AHEAD, Candidate, Decision, Retention, decide, lock_warning
from armillary.backup.verify import verify
from armillary.errors import (
    ArmillaryError,
    ConfigurationError,
    PlanRefused,
    RunStopped,
    StoreFailed,
)

SWEEP_AFTER = timedelta(days=2)
"""Nothing was written to it for so long: no run goes on with it any more."""

SHOWN = 3
"""Problems of one backup in one sentence."""

REFUSED = (
    "The credentials may lack s3:DeleteObject and s3:DeleteObjectVersion, or a legal hold lies on "
    "it."
)


@dataclass(frozen=True)
class Removal:
    """A backup that no rule keeps."""

    backup_id: str
    folder: str
    stored_bytes: int


@dataclass(frozen=True)
class Sweep:
    """A folder without a manifest that nobody works on any more."""

    backup_id: str
    folder: str
    stored_bytes: int
    last_written: datetime
    owner: str
    """The run that made it; blank when nothing says."""


@dataclass(frozen=True)
class PrunePlan:
    """What would be removed, and why everything else stays."""

    place: str
    policy: Retention
    made_at: datetime
    decisions: tuple[Decision, ...]
    """Of every backup, newest first."""
    removals: tuple[Removal, ...]
    """Oldest first."""
    sweeps: tuple[Sweep, ...]
    uploads: tuple[UnfinishedUpload, ...]
    """Multipart uploads that were never finished; the store charges for their parts."""
    relied_on: tuple[str, ...]
    """Folders of the newest complete backups, for whose sake older ones may go."""
    withheld: str
    """Why nothing at all is removed; blank when nothing stands against it."""
    warnings: tuple[str, ...]

    @property
    def state(self) -> Literal["Planned", "PlannedWithheld"]:
        """Of a run that only plans."""
        return "PlannedWithheld" if self.withheld else "Planned"

    @property
    def stored_bytes(self) -> int:
        """What carrying it out frees, as far as anybody knows before."""
        removed = sum(removal.stored_bytes for removal in self.removals)
        return removed + sum(sweep.stored_bytes for sweep in self.sweeps)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "place": self.place,
            "policy": asdict(self.policy),
            "decisions": [asdict(decision) for decision in self.decisions],
            "remove": [removal.backup_id for removal in self.removals],
            "sweep": [sweep.backup_id for sweep in self.sweeps],
            "uploads": [upload.key for upload in self.uploads],
            "stored_bytes": self.stored_bytes,
            "withheld": self.withheld,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Left:
    """Something that was to go and is still there."""

    what: str
    """Its id, or its key."""
    why: str
    """A sentence."""


@dataclass
class Pruned:
    """What was done."""

    removed: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)
    uploads_ended: list[str] = field(default_factory=list)
    locked: list[Left] = field(default_factory=list)
    """Left by Object Lock: as it should be, and no failure."""
    failed: list[Left] = field(default_factory=list)
    freed_bytes: int = 0
    withheld: str = ""
    stopped: str = ""
    """Why it ended before everything was attempted; blank when it did not."""

    @property
    def state(self) -> Literal["Completed", "Withheld", "Partial"]:
        """Of a run that carries the plan out."""
        if self.failed or self.stopped:
            return "Partial"
        return "Withheld" if self.withheld else "Completed"

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"state": self.state, **asdict(self)}


class PruningFailed(ArmillaryError):
    """Something could not be removed, or the run was stopped; what was done is kept here."""

    def __init__(self, message: str, made: PrunePlan, done: Pruned) -> None:
        self.result = (made, done)
        super().__init__(message)


def plan(
    catalogue: Catalogue, policy: Retention, now: datetime, *, lock_days: int | None = None
) -> PrunePlan:
    """Look at everything and decide; nothing is changed.

    The newest complete backups are asked for file by file before others may go (depth
    ``present``): if a file is missing or changed, nothing is removed at all (S24).

    Args:
        catalogue: of one workspace.
        policy: what to keep.
        now: tells what is old.
        lock_days: for how long the store locks what is written; None: it does not.

    Raises:
        StoreFailed, ConfigurationError: the bucket cannot be read.
    """
    backups: list[_Known] = []
    sweeps: list[Sweep] = []
    newest: dict[str, Backup] = {}
    for entry in catalogue.entries():
        if isinstance(entry, Backup):
            known = _known(entry)
            backups.append(known)
            if known.counts(now):
                newest.setdefault(known.coverage, entry)
        elif sweep := _sweep(entry, list(catalogue.bucket.list(f"{entry.folder}/")), now):
            sweeps.append(sweep)
    decisions = decide([backup.candidate for backup in backups], policy, now)
    kept = {decision.backup_id for decision in decisions if decision.keep}
    gone = [backup for backup in reversed(backups) if backup.candidate.backup_id not in kept]
    needed = {FULL, *(backup.coverage for backup in gone)}
    relied_on = [backup for coverage, backup in newest.items() if coverage in needed]
    withheld = next(filter(None, (_doubt(catalogue.bucket, found) for found in relied_on)), "")
    uploads, unknown = _old_uploads(catalogue, now)
    return PrunePlan(
        place=catalogue.place,
        policy=policy,
        made_at=now,
        decisions=tuple(decisions),
        removals=() if withheld else tuple(backup.removal for backup in gone),
        sweeps=() if withheld else tuple(sweeps),
        uploads=() if withheld else tuple(uploads),
        relied_on=tuple(backup.folder for backup in relied_on),
        withheld=withheld,
        warnings=tuple(
            filter(None, [*_warnings(backups, now), lock_warning(policy, lock_days), unknown])
        ),
    )


def apply(
    prune_plan: PrunePlan, bucket: Bucket, *, go_on: Callable[[], None] = lambda: None
) -> Pruned:
    """Carry a plan out. What cannot be deleted is told, and the rest goes on.

    Args:
        prune_plan: made just before; a lease keeps others away meanwhile.
        bucket: where it all lies.
        go_on: called before each deletion; raises ``RunStopped`` to stop (a lost lease).

    Raises:
        PlanRefused: a newest complete backup is gone since the plan was made.
    """
    done = Pruned(withheld=prune_plan.withheld)
    if prune_plan.removals:
        _still_there(bucket, prune_plan.relied_on)
    try:
        for removal in prune_plan.removals:
            go_on()
            if _deleted(bucket, removal.folder, removal.backup_id, done, manifest_first=True):
                done.removed.append(removal.backup_id)
                done.freed_bytes += removal.stored_bytes
        for sweep in prune_plan.sweeps:
            go_on()
            if _deleted(bucket, sweep.folder, sweep.backup_id, done, manifest_first=False):
                done.swept.append(sweep.backup_id)
                done.freed_bytes += sweep.stored_bytes
        for upload in prune_plan.uploads:
            go_on()
            try:
                bucket.abort(upload)
                done.uploads_ended.append(upload.key)
            except (StoreFailed, ConfigurationError) as error:
                done.failed.append(Left(upload.key, _why(error)))
    except RunStopped as error:
        done.stopped = str(error)
    return done


@dataclass(frozen=True)
class _Known:
    """A backup without its manifest, so that thousands take no memory (S19)."""

    candidate: Candidate
    removal: Removal
    damaged: str

    @property
    def coverage(self) -> str:
        return self.candidate.coverage or ""

    def in_the_future(self, now: datetime) -> bool:
        return self.candidate.at > now + AHEAD

    def counts(self, now: datetime) -> bool:
        """Whether older ones of its coverage may go for its sake."""
        return self.candidate.complete and not self.in_the_future(now)


def _known(backup: Backup) -> _Known:
    return _Known(
        Candidate(
            backup.backup_id,
            backup.scheduled_at,
            backup.manifest.covers if backup.manifest else None,
            complete=backup.state == "COMPLETE",
            proven=backup.proven is not None,
        ),
        Removal(backup.backup_id, backup.folder, backup.bytes),
        backup.damaged,
    )


def _sweep(entry: UnfinishedBackup, held: Sequence[Listed], now: datetime) -> Sweep | None:
    """A folder to sweep; None while somebody may be at work in it."""
    if not held:
        return None
    last = max(found.modified for found in held)
    if now - last <= SWEEP_AFTER:
        return None
    stored = sum(found.bytes for found in held)
    return Sweep(entry.backup_id, entry.folder, stored, last, entry.owner)


def _old_uploads(catalogue: Catalogue, now: datetime) -> tuple[list[UnfinishedUpload], str]:
    """Uploads into folders of backups that nobody works on; and a warning if nobody can tell."""
    home = f"{catalogue.folder}/"
    try:
        begun = list(catalogue.bucket.unfinished_uploads(home))
    except (StoreFailed, ConfigurationError) as error:
        return [], f"Unfinished uploads could not be listed, and none is ended: {_why(error)}"
    return [
        upload
        for upload in begun
        if parsed(upload.key.removeprefix(home).partition("/")[0])
        and now - upload.started > SWEEP_AFTER
    ], ""


def _doubt(bucket: Bucket, newest: Backup) -> str:
    """Why a newest complete backup cannot stand for those that would go; blank if it can."""
    problems = verify(bucket, newest, depth="present").problems
    if not problems:
        return ""
    shown = " ".join(f"{problem.key}: {problem.what}" for problem in problems[:SHOWN])
    return (
        f"the newest complete backup, {newest.backup_id}, is not whole any more. {shown} The older "
        "ones may be needed: make a new backup first, and look at this one with `armillary verify "
        f"--backup {newest.backup_id}`."
    )


def _warnings(backups: Sequence[_Known], now: datetime) -> list[str]:
    found = []
    if backups and not any(known.coverage == FULL and known.counts(now) for known in backups):
        found.append("There is no complete backup of everything.")
    if backups and not any(known.candidate.proven for known in backups):
        found.append("No backup has been proven by a restore.")
    found += [
        f"{known.candidate.backup_id} is dated in the future and kept: look at the clock of the "
        "machine that made it."
        for known in backups
        if known.in_the_future(now)
    ]
    found += [
        f"{known.candidate.backup_id} cannot be believed and is kept: {known.damaged}"
        for known in backups
        if known.damaged
    ]
    return found


def _still_there(bucket: Bucket, relied_on: Iterable[str]) -> None:
    for folder in relied_on:
        if bucket.head(f"{folder}/{MANIFEST}") is None:
            raise PlanRefused(
                f"The newest complete backup, {bucket.place}/{folder}, has lost its manifest "
                "since the plan was made.",
                next_step="Nothing was removed. Find out who deleted it, then plan again.",
            )


def _deleted(
    bucket: Bucket, folder: str, backup_id: str, done: Pruned, *, manifest_first: bool
) -> bool:
    """Delete a folder; False if something of it is left, which is then noted."""
    manifest = f"{folder}/{MANIFEST}"
    try:
        if manifest_first:
            # Files of one backup are locked alike and the manifest last: while it stays, all stay.
            if left := bucket.delete([manifest]):
                _note(backup_id, left, done, "")
                return False
        elif bucket.head(manifest):
            done.failed.append(
                Left(backup_id, "It has got a manifest since the plan was made: it was not swept.")
            )
            return False
        left = bucket.delete(bucket.kept(f"{folder}/"))
    except (StoreFailed, ConfigurationError) as error:
        done.failed.append(Left(backup_id, _why(error)))
        return False
    _note(backup_id, left, done, f"Of its files {len(left):,} are still there. ")
    return not left


def _note(backup_id: str, left: Sequence[NotDeleted], done: Pruned, before: str) -> None:
    if not left:
        return
    locks = [found.locked_until for found in left if found.locked_until]
    if len(locks) == len(left):
        until = max(locks)
        done.locked.append(
            Left(backup_id, f"{before}It is locked until {until:%Y-%m-%d %H:%M} UTC.")
        )
    else:
        reason = next(found.reason for found in left if not found.locked_until)
        more = "" if reason == UNLISTED else f" {REFUSED}"
        done.failed.append(Left(backup_id, f"{before}{reason}{more}"))


def _why(error: ArmillaryError) -> str:
    """What a store's fault means here: nothing is continued, the next start tries again."""
    if isinstance(error, ConfigurationError):
        return str(error)
    return f"{error.message} The next start tries again."
