"""What came of a backup: the state by policy, the result scripts read, the words people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from armillary.backup.manifest import FileEntry, Manifest
from armillary.errors import ArmillaryError

KIBI = 1024


class State(StrEnum):
    """The states a backup ends in; the exit codes and automations go by these names."""

    COMPLETED = "Completed"
    ALREADY_RUNNING = "AlreadyRunning"
    """Another backup of the workspace holds the lease: nothing was done."""
    PARTIAL = "Partial"
    """A manifest is there, and it says what is missing or doubtful."""
    FAILED = "Failed"
    """There is no backup: no manifest was written."""


EXIT_CODES = {
    State.COMPLETED: 0,
    State.ALREADY_RUNNING: 0,
    State.PARTIAL: 1,
    State.FAILED: 1,
}
"""What the command exits with."""

HEADLINES = {
    State.COMPLETED: "Complete: every type is stored, counted and referenced whole.",
    State.PARTIAL: "Partial: this is not last night's backup; the reasons are below.",
    State.FAILED: "There is no backup: no manifest was written.",
    State.ALREADY_RUNNING: "Nothing was done: another backup of this workspace is under way.",
}


@dataclass(frozen=True)
class StoredFile:
    """One file of a backup, as the result tells it."""

    resource_type: str
    key: str
    rows: int
    bytes: int
    """As exported."""
    stored_bytes: int
    sha256: str
    """Of the exported bytes."""

    @classmethod
    def of(cls, entry: FileEntry, folder: str) -> StoredFile:
        """From the manifest; ``key`` becomes the whole key in the bucket."""
        return cls(
            resource_type=entry.resource_type,
            key=f"{folder}/{entry.key}",
            rows=entry.rows,
            bytes=entry.bytes,
            stored_bytes=entry.stored_bytes,
            sha256=entry.sha256,
        )


@dataclass(frozen=True)
class BackupResult:
    """The result of a backup; its keys are public (design of the command's ``--json``)."""

    state: State
    backup_id: str
    coverage: str
    workspace: str
    place: str
    files: tuple[StoredFile, ...]
    problems: tuple[str, ...]
    not_covered: tuple[str, ...]
    calls_used: int
    calls_remaining: int | None
    seconds: float
    continued: bool
    """Whether it went on with what an interrupted run had left."""
    run_id: str

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return EXIT_CODES[self.state]

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(file.rows for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "state": self.state.value}


class BackupFailed(ArmillaryError):
    """A backup ended in a failed state; ``result`` says what there is nevertheless."""

    def __init__(self, message: str, result: BackupResult) -> None:
        self.result = result
        super().__init__(message)


def result_of(
    manifest: Manifest,
    *,
    place: str,
    folder: str,
    calls_used: int,
    calls_remaining: int | None,
    seconds: float,
    continued: bool,
) -> BackupResult:
    """The result that a manifest means."""
    return BackupResult(
        state=State.COMPLETED if manifest.state == "COMPLETE" else State.PARTIAL,
        backup_id=manifest.backup_id,
        coverage=manifest.coverage,
        workspace=manifest.workspace_slug,
        place=place,
        files=tuple(StoredFile.of(entry, folder) for entry in manifest.files),
        problems=tuple(manifest.problems),
        not_covered=tuple(manifest.not_covered),
        calls_used=calls_used,
        calls_remaining=calls_remaining,
        seconds=seconds,
        continued=continued,
        run_id=manifest.run_id,
    )


def summary(result: BackupResult) -> str:
    """The whole story of one backup as markdown, for a person who has one minute."""
    parts = [
        f"# Backup {result.backup_id}: {result.state}",
        f"**{HEADLINES[result.state]}** Workspace `{result.workspace}`, coverage "
        f"{result.coverage}, run `{result.run_id}`.",
    ]
    if result.problems:
        listed = "\n".join(f"- {problem}" for problem in result.problems)
        parts.append(f"## Why it is not complete\n\n{listed}")
    parts.append(_files(result))
    left = "unknown" if result.calls_remaining is None else f"{result.calls_remaining:,}"
    parts.append(f"Calls: {result.calls_used:,} used, {left} left. Time: {result.seconds:,.0f} s.")
    if result.continued:
        parts.append("It went on with the jobs and files of a run that was interrupted.")
    parts.append(f"No export covers: {', '.join(result.not_covered)}.")
    parts.append(f"Place: `{result.place}`")
    return "\n\n".join(parts)


def size(count: int) -> str:
    """Bytes as a person says them."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < KIBI:
            return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= KIBI
    return f"{amount:,.1f} TiB"


def _files(result: BackupResult) -> str:
    rows = [
        "| type | rows | exported | stored | sha256 of the export |",
        "|---|---:|---:|---:|---|",
    ]
    rows += [
        f"| {file.resource_type} | {file.rows:,} | {size(file.bytes)} | "
        f"{size(file.stored_bytes)} | `{file.sha256[:16]}…` |"
        for file in result.files
    ]
    return "\n".join(rows)


def failed_message(result: BackupResult) -> str:
    """One line for a log and a state."""
    why: Mapping[State, str] = HEADLINES
    return " ".join([f"Backup {result.backup_id}.", why[result.state], *result.problems])
