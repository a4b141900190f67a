"""One instrument through the backups: what changed, and between which two of them.

A backup tells what was true when it was made. That a value changed is known, and between which two
backups; when exactly, and how often in between, is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time
from typing import Any

from armillary import progress
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue
from armillary.errors import BackupDamaged, ConfigurationError
from armillary.restore.snapshot import Snapshot, content_of, read_snapshot
from armillary.restore.stored_backup import StoredBackup

STEP = "looking through backups"


@dataclass(frozen=True)
class Step:
    """A value that is another one than in the backup before."""

    backup_id: str
    """The first that has it."""
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class History:
    """One instrument through the backups; its keys are public (the command's ``--json``)."""

    identifier: str
    place: str
    backups: tuple[str, ...]
    """Ids of those that were read, the oldest first."""
    values_of: str
    """Id of the oldest that holds the instrument; with ``--on`` of the one that counts then."""
    values: Mapping[str, str]
    """As that backup has them."""
    steps: tuple[Step, ...]
    """What changed after that, the oldest first."""
    not_read: tuple[str, ...] = ()
    """Backups that are not what was written, and why."""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def history(bucket: Bucket, catalogue: Catalogue, identifier: str, newest: int = 0) -> History:
    """Follow an instrument through the complete backups.

    Args:
        bucket: where they lie.
        catalogue: of the workspace.
        identifier: of the instrument.
        newest: look only into so many of the newest; 0 for all.

    Raises:
        ConfigurationError: there is no complete backup, or none of them holds the instrument.
        BackupDamaged: none of them is what was written.
        StoreFailed: the bucket cannot be read.
    """
    backups, notes = _complete(catalogue)
    following = _Following(bucket, identifier)
    for number, backup in enumerate(backups[-newest:], start=1):
        following.look_into(backup)
        progress.say(STEP, number, len(backups[-newest:]))
    seen = following.seen
    holding = next((place for place, found in enumerate(seen) if found.values), len(seen))
    return following.told(catalogue, seen[holding:], notes)


def values_on(bucket: Bucket, catalogue: Catalogue, identifier: str, moment: datetime) -> History:
    """An instrument as it was at some time, and whether the next backup tells another tale.

    Args:
        bucket: where the backups lie.
        catalogue: of the workspace.
        identifier: of the instrument.
        moment: the newest complete backup that is not later counts; if that one is damaged, the
            one before it.

    Raises:
        ConfigurationError: no complete backup is as old as that, or it lacks the instrument.
        BackupDamaged: none of them is what was written.
        StoreFailed: the bucket cannot be read.
    """
    backups, notes = _complete(catalogue)
    older = [backup for backup in backups if backup.scheduled_at <= moment]
    if not older:
        raise ConfigurationError(
            f"In {catalogue.place} no complete backup is from before {moment:%Y-%m-%d %H:%M} UTC: "
            f"the oldest is {backups[0].backup_id}.",
            next_step="Ask for a later time; `armillary backups` lists all.",
        )
    following = _Following(bucket, identifier)
    for backup in reversed(older):
        if following.look_into(backup):
            break
    holds = bool(following.seen and following.seen[0].values)
    for backup in backups[len(older) :] if holds else []:
        if following.look_into(backup):
            break
    return following.told(catalogue, following.seen if holds else [], notes)


def moment_of(text: str) -> datetime:
    """The end of a day such as ``2026-03-31`` in UTC, or a time such as ``2026-03-31T18:00``.

    Raises:
        ConfigurationError: it is neither.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no date.",
            next_step="Write it as 2026-03-31 (the end of that day in UTC counts), or with a time "
            "as 2026-03-31T18:00:00+02:00.",
        ) from None
    if len(text.strip()) <= len("2026-03-31"):
        found = datetime.combine(found, time.max)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


class _Following:
    """Looks into one backup after another."""

    def __init__(self, bucket: Bucket, identifier: str) -> None:
        self.seen: list[Snapshot] = []
        self._bucket = bucket
        self._identifier = identifier
        self._not_read: list[str] = []
        self._content: tuple[str, ...] = ()

    def look_into(self, backup: Backup) -> bool:
        """Whether it could be read. By its hash the same as the one before is not read again."""
        stored = StoredBackup(self._bucket, backup)
        content = content_of(stored)
        try:
            if not self.seen or content != self._content:
                self.seen.append(read_snapshot(stored, self._identifier))
            else:
                last = self.seen[-1]
                self.seen.append(
                    Snapshot(
                        stored.backup_id, stored.scheduled_at, last.values, last.others, last.alike
                    )
                )
        except BackupDamaged as error:
            self._not_read.append(f"{backup.backup_id}: {error.message}")
            return False
        self._content = content
        return True

    def told(
        self, catalogue: Catalogue, holding: Sequence[Snapshot], notes: Sequence[str]
    ) -> History:
        """What was seen, from the first backup on that holds the instrument."""
        if not holding:
            raise self._nowhere(catalogue)
        first, *_ = holding
        return History(
            identifier=self._identifier,
            place=catalogue.place,
            backups=tuple(found.backup_id for found in self.seen),
            values_of=first.backup_id,
            values=first.values,
            steps=tuple(_steps(holding)),
            not_read=tuple(self._not_read),
            notes=(*notes, *_of_others(holding)),
        )

    def _nowhere(self, catalogue: Catalogue) -> ConfigurationError | BackupDamaged:
        if not self.seen:
            return BackupDamaged(
                "No backup could be read that would tell. " + " ".join(self._not_read)
            )
        ids = [found.backup_id for found in self.seen]
        looked = (
            f"Backup {ids[0]} holds no"
            if len(ids) == 1
            else f"None of the {len(ids):,} backups from {ids[0]} to {ids[-1]} holds an"
        )
        alike = sorted({name for found in self.seen for name in found.alike})
        return ConfigurationError(
            f"{looked} instrument {self._identifier!r}; they lie in {catalogue.place}.",
            next_step=f"Upper and lower case count: there is {', '.join(alike)}."
            if alike
            else "Look for its identifier in the workspace, or among the backups of another one "
            "(`--workspace`).",
        )


def _complete(catalogue: Catalogue) -> tuple[list[Backup], list[str]]:
    """The complete ones of everything, the oldest first; and a word about the others."""
    found: list[Backup] = []
    others = 0
    for backup in catalogue.list():
        if backup.full_and_complete and not backup.in_the_future:
            found.append(backup)
        else:
            others += 1
    if not found:
        catalogue.latest()  # its message says what there is instead
    passed_over = f"Passed over, not complete or not of everything: {others:,} backups."
    return found[::-1], [passed_over] if others else []


def _of_others(snapshots: Sequence[Snapshot]) -> Iterator[str]:
    found = [snapshot for snapshot in snapshots if snapshot.others]
    if found:
        yield (
            f"Backup {found[-1].backup_id} holds {found[-1].others:,} more records of this "
            "identifier, all archived. The active one is followed, else the one archived last."
        )


def _steps(snapshots: Sequence[Snapshot]) -> Iterator[Step]:
    for before, after in itertools.pairwise(snapshots):
        if before.values == after.values:
            continue
        for name in sorted({*before.values, *after.values}):
            values = before.values.get(name), after.values.get(name)
            if values[0] != values[1]:
                yield Step(after.backup_id, name, *values)
