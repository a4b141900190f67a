"""What a restore tells people: artifacts and the event."""

from __future__ import annotations

from armillary.restore.outcome import RestoreResult, State
from armillary.restore.report import difference_rows, failure_rows, summary, type_rows
from tasks.boundary import step
from tasks.report import artifact_key, emit, markdown, table

EVENTS = {
    State.COMPLETED: "completed",
    State.PLANNED_WITHHELD: "withheld",
    State.PARTIAL: "failed",
    State.FAILED: "failed",
}
"""Which event a state emits; a plan that may be carried out emits none."""


@step(name="report restore", task_run_name="report {result.state}")
def report_restore(result: RestoreResult) -> None:
    """Leave the summary and the tables, and emit the event."""
    key = artifact_key("restore", result.workspace)
    markdown(summary(result), key, f"Restore of {result.backup_id}: {result.state}")
    table(f"{key}-types", "Types", type_rows(result))
    table(f"{key}-differences", "Differences", difference_rows(result))
    table(f"{key}-failures", "Rows that failed", failure_rows(result))
    if result.state in EVENTS:
        emit("restore", EVENTS[result.state], result.workspace, result.as_dict())
