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
from armillary.backup.catalogue import Backup, Catalogue, UnfinishedBackup
from armillary.backup.manifest import MANIFEST
from armillary.backup.retention import Candidate, Decision, Retention, decide, lock_warning
from armillary.backup.verify import verify
from armillary.errors import ConfigurationError, PlanRefused, StoreFailed

SWEEP_AFTER = timedelta(days=2)
"""Nothing was written to it for so long: no run goes on with it any more."""


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
    newest_good: str
    """Folder of the newest full COMPLETE backup, for whose sake others may go; blank: none."""
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

    @property
    def state(self) -> Literal["Completed", "Withheld", "Partial"]:
        """Of a run that carries the plan out."""
        if self.failed:
            return "Partial"
        return "Withheld" if self.withheld else "Completed"

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"state": self.state, **asdict(self)}


def plan(
    catalogue: Catalogue, policy: Retention, now: datetime, *, lock_days: int | None = None
) -> PrunePlan:
    """Look at everything and decide; nothing is changed.

    The newest good backup is asked for file by file before others may go (depth ``present``): if
    one of its files is missing or changed, nothing is removed at all (S24).

    Args:
        catalogue: of one workspace.
        policy: what to keep.
        now: tells what is old.
        lock_days: for how long the store locks what is written; None: it does not.

    Raises:
        StoreFailed, ConfigurationError: the bucket cannot be read.
    """
    backups: list[Backup] = []
    sweeps: list[Sweep] = []
    for entry in catalogue.entries():
        if isinstance(entry, Backup):
            backups.append(entry)
        elif sweep := _sweep(entry, list(catalogue.bucket.list(f"{entry.folder}/")), now):
            sweeps.append(sweep)
    decisions = decide([_candidate(backup) for backup in backups], policy, now)
    kept = {decision.backup_id: decision.keep for decision in decisions}
    good = next((found for found in backups if _good(found)), None)
    withheld = _doubt(catalogue.bucket, good)
    gone = [] if withheld else [backup for backup in backups if not kept[backup.backup_id]]
    return PrunePlan(
        place=catalogue.place,
        policy=policy,
        made_at=now,
        decisions=tuple(decisions),
        removals=tuple(
            Removal(backup.backup_id, backup.folder, backup.bytes) for backup in reversed(gone)
        ),
        sweeps=() if withheld else tuple(sweeps),
        uploads=()
        if withheld
        else tuple(
            upload
            for upload in catalogue.bucket.unfinished_uploads(f"{catalogue.folder}/")
            if now - upload.started > SWEEP_AFTER
        ),
        newest_good=good.folder if good else "",
        withheld=withheld,
        warnings=_warnings(backups, policy, lock_days),
    )


def apply(
    prune_plan: PrunePlan, bucket: Bucket, *, go_on: Callable[[], None] = lambda: None
) -> Pruned:
    """Carry a plan out. What cannot be deleted is told, and the rest goes on.

    Args:
        prune_plan: made just before; a lease keeps others away meanwhile.
        bucket: where it all lies.
        go_on: called before each deletion; raises to stop (a lost lease).

    Raises:
        PlanRefused: the newest good backup is gone since the plan was made.
    """
    done = Pruned(withheld=prune_plan.withheld)
    if prune_plan.removals and prune_plan.newest_good:
        _still_there(bucket, prune_plan.newest_good)
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
            done.failed.append(Left(upload.key, str(error)))
    return done


def _candidate(backup: Backup) -> Candidate:
    return Candidate(
        backup.backup_id,
        backup.scheduled_at,
        backup.manifest.covers if backup.manifest else None,
        complete=backup.state == "COMPLETE",
        proven=backup.proven is not None,
    )


def _good(backup: Backup) -> bool:
    return backup.full_and_complete and not backup.in_the_future


def _sweep(entry: UnfinishedBackup, held: Sequence[Listed], now: datetime) -> Sweep | None:
    """A folder to sweep; None while somebody may be at work in it."""
    if not held:
        return None
    last = max(found.modified for found in held)
    if now - last <= SWEEP_AFTER:
        return None
    stored = sum(found.bytes for found in held)
    return Sweep(entry.backup_id, entry.folder, stored, last, entry.owner)


def _doubt(bucket: Bucket, good: Backup | None) -> str:
    """Why the newest good backup cannot stand for those that would go; blank if it can."""
    if good is None:
        return ""
    problems = verify(bucket, good, depth="present").problems
    if not problems:
        return ""
    shown = " ".join(f"{problem.key}: {problem.what}" for problem in problems[:3])
    return (
        f"the newest complete backup, {good.backup_id}, is not whole any more. {shown} The older "
        f"ones may be needed: make a new backup first, and look at this one with `armillary verify "
        f"--backup {good.backup_id}`."
    )


def _warnings(
    backups: Sequence[Backup], policy: Retention, lock_days: int | None
) -> tuple[str, ...]:
    found = []
    if backups and not any(_good(backup) for backup in backups):
        found.append("There is no complete backup of everything.")
    if backups and not any(backup.proven for backup in backups):
        found.append("No backup has been proven by a restore.")
    found += [
        f"{backup.backup_id} is dated in the future and kept: look at the clock of the machine "
        "that made it."
        for backup in backups
        if backup.in_the_future
    ]
    found += [
        f"{backup.backup_id} is damaged and kept: {backup.damaged}"
        for backup in backups
        if backup.manifest is None
    ]
    return tuple(filter(None, [*found, lock_warning(policy, lock_days)]))


def _still_there(bucket: Bucket, newest_good: str) -> None:
    if bucket.head(f"{newest_good}/{MANIFEST}") is None:
        raise PlanRefused(
            f"The newest complete backup, {bucket.place}/{newest_good}, has lost its manifest "
            "since the plan was made.",
            next_step="Nothing was removed. Find out who deleted it, then plan again.",
        )


def _deleted(
    bucket: Bucket, folder: str, backup_id: str, done: Pruned, *, manifest_first: bool
) -> bool:
    """Delete a folder; False if something of it is left, which is then noted."""
    try:
        manifest = f"{folder}/{MANIFEST}"
        # Files of one backup are locked alike and the manifest last: while it stays, all stay.
        if manifest_first and (left := bucket.delete([manifest])):
            _note(backup_id, left, done, "")
            return False
        left = bucket.delete([found.key for found in bucket.list(f"{folder}/")])
    except (StoreFailed, ConfigurationError) as error:
        done.failed.append(Left(backup_id, str(error)))
        return False
    _note(backup_id, left, done, f"Of its files {len(left):,} are still there. ")
    return not left


def _note(backup_id: str, left: Iterable[NotDeleted], done: Pruned, before: str) -> None:
    left = list(left)
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
        done.failed.append(Left(backup_id, f"{before}{reason}"))
