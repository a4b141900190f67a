"""What a backup tells people: progress, artifacts, the event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from armillary import progress
from armillary.backup.outcome import BackupResult, State, size, summary
from armillary.backup.prune import Pruned, PrunePlan
from armillary.backup.prune_report import rows as decisions
from armillary.backup.prune_report import summary as pruning
from armillary.backup.verified import Verified
from armillary.backup.verified import summary as found
from armillary.clock import Clock, SystemClock
from armillary.errors import ArmillaryError
from tasks.boundary import step
from tasks.report import MOST_ROWS, UPDATE_SECONDS, artifact_key, best_effort, emit, markdown, table

EVENTS = {State.COMPLETED: "completed", State.PARTIAL: "failed"}


@step(name="report backup", task_run_name="report {result.state}")
def report_backup(result: BackupResult) -> None:
    """Leave the summary and the table of files, and emit the event."""
    key = artifact_key("backup", result.workspace)
    markdown(summary(result), key, f"Backup {result.backup_id}: {result.state}")
    rows = [
        {
            "type": file.resource_type,
            "rows": file.rows,
            "exported bytes": file.bytes,
            "stored bytes": file.stored_bytes,
            "sha256 of the export": file.sha256,
            "key": file.key,
        }
        for file in result.files
    ]
    table(f"{key}-files", "Files", rows)
    event, told = EVENTS[result.state], result.as_dict()
    emit("backup", event, result.workspace, told, coverage=result.coverage)


@step(name="report verification", task_run_name="report {result.state}")
def report_verified(workspace_slug: str, result: Verified) -> None:
    """Leave what was found, and emit the event."""
    key = artifact_key("verify", workspace_slug)
    markdown(found(result), key, f"Verification of {result.backup_id}: {result.state}")
    event = "completed" if result.state == "Completed" else "failed"
    emit("verify", event, workspace_slug, result.as_dict(), depth=result.depth)


@step(name="report pruning", task_run_name="report pruning")
def report_pruned(workspace_slug: str, made: PrunePlan, done: Pruned | None) -> None:
    """Leave the decisions and what became of them, and emit the event if anything was done."""
    key = artifact_key("prune", workspace_slug)
    markdown(pruning(made, done), key, "Pruning of backups")
    rows = decisions(made)
    rest = len(rows) - MOST_ROWS
    more = [{"backup": f"… and {rest:,} more", "what": "", "why": ""}] if rest > 0 else []
    table(f"{key}-decisions", "Decisions", [*rows[:MOST_ROWS], *more])
    if done is not None:
        event = {"Completed": "completed", "Withheld": "withheld", "Partial": "failed"}[done.state]
        emit("prune", event, workspace_slug, done.as_dict())


@step(name="report refusal", task_run_name="report refusal")
def report_backup_refusal(operation: str, workspace_slug: str, error: ArmillaryError) -> None:
    """Leave the reason why there is no result, and emit the event."""
    text = f"# {operation} of {workspace_slug}: Failed\n\n{error}"
    markdown(text, artifact_key(operation, workspace_slug), f"{operation} failed")
    told = {"error": type(error).__name__, "message": str(error)}
    emit(operation, "failed", workspace_slug, told)


@contextmanager
def backup_progress(steps: Sequence[str], clock: Clock | None = None) -> Iterator[None]:
    """Show bytes and files of several steps as one progress artifact."""
    shown = _Shown(steps, clock or SystemClock())
    with progress.listening(shown.heard):
        yield
    shown.finish()


class _Shown:
    """Each step counts alike: how many bytes the later ones have is not known before."""

    def __init__(self, steps: Sequence[str], clock: Clock) -> None:
        self._parts = dict.fromkeys(steps, 0.0)
        self._bytes = dict.fromkeys(steps, 0)
        self._rows: dict[str, int] = {}
        self._clock = clock
        self._next = clock.monotonic()
        self._artifact = best_effort(
            lambda: create_progress_artifact(0.0, description=f"0 of {len(steps)} files")
        )

    def heard(self, said: progress.Progress) -> None:
        if said.step.startswith("rows of "):
            self._rows[said.step] = said.done
        if said.step not in self._parts:
            return
        self._bytes[said.step] = said.done
        if said.total:
            self._parts[said.step] = min(1.0, said.done / said.total)
        if self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + UPDATE_SECONDS
            self._update()

    def finish(self) -> None:
        self._parts = dict.fromkeys(self._parts, 1.0)
        self._update()

    def _update(self) -> None:
        artifact, parts = self._artifact, self._parts.values()
        if artifact is None or not self._parts:
            return
        whole = sum(part >= 1.0 for part in parts)
        moved, rows = size(sum(self._bytes.values())), sum(self._rows.values())
        words = f"{whole} of {len(self._parts)} files, {moved}, {rows:,} rows in whole files"
        percent = 100.0 * sum(parts) / len(self._parts)
        best_effort(lambda: update_progress_artifact(artifact, percent, description=words))
