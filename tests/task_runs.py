"""The task runs of a flow run, as the server has them in the end."""

from __future__ import annotations

import time

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import TaskRun


def task_runs_of(client: SyncPrefectClient, chosen: FlowRunFilter) -> list[TaskRun]:
    """They reach the server after their flow run has ended: until no more of them come.

    The server of the session writes them once a second (``tests/session_server.py``).
    """
    found: list[TaskRun] = []
    for _ in range(20):
        before, found = found, client.read_task_runs(flow_run_filter=chosen)
        settled = all(task.state is not None and task.state.is_final() for task in found)
        if found and settled and len(found) == len(before):
            break
        time.sleep(1.5)
    return found
