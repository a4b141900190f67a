"""Backups as a person reads them in a table, and as a script reads them as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from armillary.backup.catalogue import Backup, UnfinishedBackup
from armillary.backup.outcome import size

FRESH = timedelta(hours=26)
"""A nightly backup that is older is not last night's; two hours are left for a slow night."""

SHOWN = 3
"""Newer backups that do not count, in the headline."""


def row(backup: Backup) -> dict[str, str]:
    """One line of the table, by column."""
    manifest = backup.manifest
    return {
        "backup": backup.backup_id,
        "age": age_words(backup.age),
        "state": backup.state,
        "holds": "unknown" if manifest is None else _holds(manifest.covers),
        "rows": "unknown" if manifest is None else f"{backup.rows:,}",
        "stored": "unknown" if manifest is None else size(backup.bytes),
        "proven": _proven(backup),
    }


def as_dict(backup: Backup) -> dict[str, Any]:
    """One backup as plain JSON values."""
    manifest = backup.manifest
    return {
        "backup_id": backup.backup_id,
        "scheduled_at": backup.scheduled_at.isoformat(),
        "age_seconds": round(backup.age.total_seconds()),
        "state": backup.state,
        "damaged": backup.damaged,
        "coverage": manifest.coverage if manifest else None,
        "resource_types": list(manifest.resource_types) if manifest else [],
        "rows": backup.rows if manifest else None,
        "stored_bytes": backup.bytes if manifest else None,
        "problems": list(manifest.problems) if manifest else [],
        "proven": backup.proven is not None,
        "proven_at": backup.proven.verified_at.isoformat() if backup.proven else None,
        "not_proven": backup.not_proven,
    }


class Overview:
    """The whole catalogue in words, newest first: of thousands of backups no manifest is held."""

    def __init__(self, entries: Iterable[Backup | UnfinishedBackup] = ()) -> None:
        """Read a catalogue to its end.

        Args:
            entries: newest first.
        """
        self.rows: list[dict[str, str]] = []
        """Of the table."""
        self.backups: list[dict[str, Any]] = []
        """As plain JSON values."""
        self.unfinished: list[UnfinishedBackup] = []
        self._newest = ""
        self._newer: list[str] = []
        for entry in entries:
            if isinstance(entry, Backup):
                self._take(entry)
            else:
                self.unfinished.append(entry)

    @property
    def headline(self) -> str:
        """The first thing somebody wants to know in the morning."""
        newest = self._newest or "There is no complete backup of everything."
        if not self._newer:
            return newest
        shown, more = ", ".join(self._newer[:SHOWN]), len(self._newer) - SHOWN
        return f"{newest} Not counted: {shown}{f' and {more:,} more' if more > 0 else ''}."

    @property
    def remarks(self) -> list[str]:
        """What a cell of the table has no room for: why a manifest is not believed."""
        return [
            f"{found['backup_id']}: {found['damaged']}"
            for found in self.backups
            if found["damaged"]
        ]

    def _take(self, backup: Backup) -> None:
        self.rows.append(row(backup))
        self.backups.append(as_dict(backup))
        if self._newest:
            return
        if backup.in_the_future or not backup.full_and_complete:
            self._newer.append(f"{backup.backup_id} ({_why(backup)})")
            return
        self._newest = (
            f"The newest complete backup of everything is {backup.backup_id}, "
            f"{age_words(backup.age)} old."
        )
        if backup.age > FRESH:
            self._newest += " Last night's is missing."


def unfinished_words(entry: UnfinishedBackup, now: datetime) -> str:
    """One sentence about a folder that is no backup."""
    by = f" by run {entry.owner}" if entry.owner else ""
    return (
        f"{entry.backup_id} is no backup: begun {age_words(now - entry.started_at)} ago{by}, it is "
        "under way or was interrupted."
    )


def unfinished_as_dict(entry: UnfinishedBackup) -> dict[str, Any]:
    """The same as plain JSON values."""
    return {
        "backup_id": entry.backup_id,
        "started_at": entry.started_at.isoformat(),
        "run_id": entry.owner,
    }


def age_words(age: timedelta) -> str:
    """``12 min``, ``7 h``, ``3 days``; in the future: ``in 7 h``."""
    if age < timedelta(0):
        return f"in {age_words(-age)}"
    minutes = int(age.total_seconds() // 60)
    for unit, one_has in (("day", 24 * 60), ("h", 60)):
        # 36 hours say more than one day.
        if minutes >= 2 * one_has:
            return f"{minutes // one_has:,} {unit}{'s' if unit == 'day' else ''}"
    return f"{minutes} min"


def _holds(covers: str) -> str:
    return "everything" if covers == "full" else f"only {covers}"


def _proven(backup: Backup) -> str:
    if backup.proven is None:
        return f"no: {backup.not_proven}" if backup.not_proven else "no"
    sample = backup.proven.sample
    what = "all of it" if sample == "all" else f"a sample of {sample:,}"
    return f"{backup.proven.verified_at:%Y-%m-%d}, {what}"


def _why(backup: Backup) -> str:
    if backup.in_the_future:
        return "dated in the future"
    if backup.manifest is None or backup.manifest.state == "PARTIAL":
        return backup.state
    return row(backup)["holds"]
