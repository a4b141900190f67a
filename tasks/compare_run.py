"""What a comparison of two backups tells people, and how its run ends."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State as RunState
from prefect.states import Completed

from armillary.restore.compared import Compared, change_rows, headline, summary, type_rows
from tasks.boundary import step
from tasks.report import artifact_key, markdown, table


@step(name="report comparison", task_run_name="report comparison")
def report_compared(workspace_slug: str, result: Compared) -> None:
    """Leave the summary, the table of types and that of the largest changes."""
    key = artifact_key("compare", workspace_slug)
    markdown(summary(result), key, f"{result.first} and {result.second}")
    table(f"{key}-types", "What changed, by type", type_rows(result))
    table(f"{key}-changes", "The largest changes, and examples", change_rows(result))


def compared_ended(result: Compared) -> RunState[Any]:
    """``Completed``: that two backups differ is an answer, and no failure."""
    return Completed(name=result.state, message=headline(result), data=result)
