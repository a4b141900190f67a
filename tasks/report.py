"""What a run tells people: artifacts for the UI and events for automations.

Best effort: the data work is done, and a server that is down must not turn it into a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event
from prefect.logging import get_run_logger

from armillary import progress
from armillary.clock import Clock, SystemClock
from armillary.errors import ArmillaryError
from armillary.sync.judged import JudgedPlan
from armillary.sync.outcome import State, SyncResult
from armillary.sync.report import summary
from armillary.sync.rows import change_rows, problem_rows
from tasks.boundary import step

MOST_ROWS = 100
"""Rows an artifact's table shows; it says how many it left out."""

UPDATE_SECONDS = 2.0
"""How often the progress artifact may be updated: each update is a call to the Prefect server."""

_NOTHING = "Nothing was written."

EVENTS = {
    State.COMPLETED: "completed",
    State.COMPLETED_WITH_REJECTS: "rejected",
    State.TOO_MANY_REJECTS: "rejected",
    State.WITHHELD: "withheld",
    State.FAILED: "failed",
}
"""Which event a final state emits; a plan emits none."""


@step(name="report sync", task_run_name="report {result.state}")
def report_sync(result: SyncResult, judged: JudgedPlan | None, workspace_slug: str) -> None:
    """Leave the summary and the tables of changes and problems, and emit the event."""
    key = artifact_key("sync", workspace_slug, result.feed)
    markdown(summary(result), key, f"Sync of {result.feed}: {result.state}")
    plan = judged.plan if judged is not None else None
    of_run = f"of run {result.run_id}, mode {result.mode}"
    changes = change_rows(plan, MOST_ROWS) if plan else []
    problems = problem_rows(plan, MOST_ROWS) if plan else []
    _replaced(f"{key}-changes", f"Planned changes {of_run}", changes)
    _replaced(f"{key}-problems", f"Rejected and held {of_run}", problems)
    if result.state in EVENTS:
        emit("sync", EVENTS[result.state], workspace_slug, result.as_dict())


@step(name="report refusal", task_run_name="report {subject} refused")
def report_refusal(
    workspace_slug: str, subject: str, error: ArmillaryError, run: RefusedRun
) -> None:
    """Leave the reason why no plan could be carried out, and emit the event."""
    key = artifact_key("sync", workspace_slug, subject)
    markdown(refusal_text(workspace_slug, subject, error, run), key, f"{subject}: refused")
    if run.is_sync:
        refused = f"Nothing: run {run.run_id}, mode {run.mode}, was refused"
        _replaced(f"{key}-changes", refused, [])
        _replaced(f"{key}-problems", refused, [])
    told = {"subject": subject, "error": type(error).__name__, "message": str(error)}
    emit("sync", "failed", workspace_slug, told)


@dataclass(frozen=True)
class RefusedRun:
    """A run that could carry out no plan.

    Attributes:
        run_id: Of its flow run.
        mode: As it was started.
        at: When it was refused, in UTC.
        is_sync: Its subject is a feed, whose tables of an earlier run must not stay as current.
    """

    run_id: str
    mode: str
    at: datetime
    is_sync: bool


def refusal_text(workspace_slug: str, subject: str, error: ArmillaryError, run: RefusedRun) -> str:
    """Why no plan could be carried out, as markdown; says once that nothing was written."""
    why = str(error)
    said = "" if _NOTHING in why else f"**{_NOTHING}** "
    return (
        f"# {subject}: Failed\n\n{said}{why}\n\nWorkspace `{workspace_slug}`, mode `{run.mode}`, "
        f"run `{run.run_id}`, {run.at:%Y-%m-%d %H:%M} UTC."
    )


def emit(
    operation: str, event: str, workspace_slug: str, payload: dict[str, Any], **labels: str
) -> None:
    """Emit ``armillary.<operation>.<event>`` on the workspace, best effort.

    ``labels`` become labels ``armillary.<name>`` of the resource: an automation cannot match what
    is in the payload.
    """
    best_effort(
        lambda: emit_event(
            event=f"armillary.{operation}.{event}",
            resource={
                "prefect.resource.id": f"armillary.workspace.{workspace_slug}",
                "prefect.resource.name": workspace_slug,
                **{f"armillary.{name}": value for name, value in labels.items()},
            },
            payload=payload,
        )
    )


def artifact_key(*parts: str) -> str:
    """A key as Prefect wants it: lower-case letters, digits and dashes."""
    text = "-".join(parts).lower()
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in text).strip("-")


@contextmanager
def progress_artifact(description: str, clock: Clock | None = None) -> Iterator[None]:
    """Show the progress of the block as an artifact of the run, updated every few seconds."""
    shown = _ShownProgress(description, clock or SystemClock())
    with progress.listening(shown.heard):
        yield
    shown.finish()


class _ShownProgress:
    """A progress artifact that follows what is said."""

    def __init__(self, description: str, clock: Clock) -> None:
        self._clock = clock
        self._next = clock.monotonic()
        self._last = 0.0
        self._artifact: UUID | None = best_effort(
            lambda: create_progress_artifact(0.0, description=description)
        )

    def heard(self, said: progress.Progress) -> None:
        if said.total and self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + UPDATE_SECONDS
            self._update(100.0 * said.done / said.total)

    def finish(self) -> None:
        self._update(100.0)

    def _update(self, percent: float) -> None:
        artifact, self._last = self._artifact, percent
        if artifact is not None:
            best_effort(lambda: update_progress_artifact(artifact, percent))


def markdown(text: str, key: str, description: str) -> None:
    """Leave a text, best effort."""
    best_effort(lambda: create_markdown_artifact(text, key=key, description=description))


def table(key: str, description: str, rows: list[dict[str, Any]]) -> None:
    """Leave a table, if it has a row, best effort."""
    if rows:
        best_effort(lambda: create_table_artifact(rows, key=key, description=description))


def _replaced(key: str, description: str, rows: list[dict[str, Any]]) -> None:
    """Leave a table also without a row: else that of an earlier run stays as the current one."""
    table(key, description, rows or [{"rows": "none"}])


def best_effort(tell: Callable[[], Any]) -> Any:
    """What the server answers, or None: its faults are no faults of the data work."""
    try:
        return tell()
    except Exception as error:  # noqa: BLE001 - whatever Prefect's server does, the data work stands
        get_run_logger().warning("The Prefect server did not take a report: %s", error)
        return None
