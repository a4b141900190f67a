"""What a publish tells people: one report of both halves, and the state it ends in."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State as RunState
from prefect.states import Completed, Failed

from armillary.sync.outcome import FAILED_STATES
from armillary.venues.published import Published, PublishFailed, headline, summary
from tasks.boundary import step
from tasks.report import artifact_key, emit, markdown
from tasks.report_venues import as_payload, emit_venue


@step(name="report publish", task_run_name="report {result.state}")
def report_published(result: Published) -> None:
    """Leave the report of both halves, and emit the events that the sync itself did not.

    A sync that was made has left its tables and emitted its event already; one that was not made
    because the refresh failed is a failed sync for those who wait for it.
    """
    key = artifact_key("publish", result.environment, result.venue, result.workspace)
    title = f"{result.venue} into {result.workspace}: {result.state.value}"
    markdown(summary(result), key, title)
    if result.refresh is not None:
        told = {"environment": result.environment, "run_id": result.run_id}
        emit_venue(result.refresh, told | as_payload(result.refresh))
    if result.sync is None and result.state in FAILED_STATES:
        emit("sync", "failed", result.workspace, result.as_dict())


def published_ended(result: Published) -> RunState[Any]:
    """The state by the result's own policy, never by futures."""
    withheld = result.sync.withheld_because.values() if result.sync is not None else ()
    stopped = result.sync.stopped if result.sync is not None else result.stopped
    message = " ".join([stopped or headline(result), *withheld])
    if result.state in FAILED_STATES:
        failure = PublishFailed(f"{result.venue}: {message}", result)
        return Failed(name=result.state.value, message=str(failure), data=failure)
    return Completed(name=result.state.value, message=message, data=result)
