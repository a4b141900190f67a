"""Bring a feed's instruments into a Ptolemy workspace: read, plan, guard, apply, report."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from armillary.api.meter import Meter
from armillary.errors import ArmillaryError
from armillary.runs.memory import recall, remember
from armillary.runs.store import open_store
from armillary.settings import Settings
from armillary.sync.conclude import conclude, remembered_after
from armillary.sync.outcome import FAILED_STATES, Outcome, SyncFailed, SyncResult
from armillary.sync.report import HEADLINES
from blocks import FileFeed, PtolemyWorkspace
from tasks.apply_changes import Applying, apply_plan
from tasks.plan_changes import plan_changes
from tasks.read_records import read_records
from tasks.read_workspace import read_workspace, survey_workspace
from tasks.report import progress_artifact, report_sync

MAX_WORKERS = 16
"""Threads for batches; how many requests are in flight at once is the workspace block's affair."""

_WORKERS = cast(
    "TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner[Any](max_workers=MAX_WORKERS)
)


@flow(
    name="sync-instruments",
    flow_run_name="sync {feed.name} into {workspace.workspace} ({mode})",
    retries=0,
    persist_result=False,
    task_runner=_WORKERS,
)
def sync_instruments(
    workspace: PtolemyWorkspace,
    feed: FileFeed,
    mode: Literal["plan", "apply"] = "plan",
    only: Annotated[list[str] | None, Field(max_length=1000)] = None,
) -> State[Any]:
    """Bring a feed's instruments into a workspace.

    Args:
        workspace: The workspace to bring into line with the feed.
        feed: The source: where it is, how it maps, and which instruments it owns.
        mode: "plan" writes nothing and shows what would change; "apply" writes.
        only: Identifiers to limit the run to. Such a run never archives. Empty means all.
    """
    only = only or None
    log = get_run_logger()
    store = open_store(Settings().runs, endpoint_url=Settings().store_endpoint_url)
    with workspace.connect() as ptolemy:
        calls = _CallCount(ptolemy.meter)
        try:
            ground = survey_workspace(workspace, feed)
            memory = recall(store, ground.workspace_id, feed.name)
            source = read_records(feed, ground.data_types)
            log.info(
                "Read %s: %d records, %d rows rejected",
                source.source,
                source.records.height,
                source.rejects.height,
            )
            existing = read_workspace(workspace, feed, ground, source.records)
            log.info("Workspace: %d active records in scope", existing.reading.active.height)
            judged = plan_changes(
                feed,
                ground,
                source,
                existing,
                memory,
                only=only,
                reading_calls=calls.by_item(),
                remaining_calls=calls.remaining,
            )
        except ArmillaryError as error:
            return _refused(error)
        log.info("Plan %s: %s", judged.plan.digest[:12], judged.plan.counts)
        applying, outcomes = None, list[Outcome]()
        if mode == "apply" and not judged.too_many_rejects and not judged.shortage:
            limits = feed.definition().limits
            applying = Applying(judged.plan, judged.withheld_kinds, limits.max_reject_share)
            with progress_artifact(f"Applying {feed.name}"):
                outcomes = apply_plan(workspace, ground, applying)
        result = conclude(
            judged,
            outcomes,
            mode=mode,
            workspace=ground.workspace_slug,
            run_id=str(flow_run.id),
            breaker=applying.breaker if applying else None,
            calls_used=calls.used,
            calls_remaining=calls.remaining,
        )
        if applying is not None:
            after = remembered_after(memory, judged, outcomes, result, only=only is not None)
            remember(store, ground.workspace_id, feed.name, after)
    log.info("Ended %s: applied %s, %d calls used", result.state, result.applied, result.calls.used)
    report_sync(result, judged, ground.workspace_slug)
    return _final(result)


class _CallCount:
    """Calls since this run began; the meter itself counts for the whole process."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._before = dict(meter.by_call)
        self._used_before = meter.used

    @property
    def used(self) -> int:
        return self._meter.used - self._used_before

    @property
    def remaining(self) -> int | None:
        return self._meter.remaining

    def by_item(self) -> dict[str, int]:
        return {
            " ".join(call): count - self._before.get(call, 0)
            for call, count in self._meter.by_call.items()
            if count > self._before.get(call, 0)
        }


def _refused(error: ArmillaryError) -> State[Any]:
    """No plan could be made: nothing was written, and the error says what to do."""
    return Failed(message=str(error), data=error)


def _final(result: SyncResult) -> State[Any]:
    """The state by the result's own policy, never by futures."""
    said = [result.stopped or HEADLINES[result.state], *result.withheld_because.values()]
    message = " ".join(said)
    if result.state in FAILED_STATES:
        failure = SyncFailed(f"{result.feed}: {message}", result)
        return Failed(name=result.state.value, message=str(failure), data=failure)
    return Completed(name=result.state.value, message=message, data=result)
