"""What every run that changes instruments does around its tasks: record, apply, conclude, tell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import polars as pl
from prefect.client.schemas.objects import State as RunState
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from armillary.errors import (
    ArmillaryError,
    ConfigurationError,
    LeaseHeld,
    LeaseLost,
    TransientError,
)
from armillary.feeds.definition import Limits
from armillary.runs.lease import Lease, held
from armillary.runs.memory import recall, remember
from armillary.runs.record import Head, RunRecord, approved_run, read_changes, read_head
from armillary.runs.store import RunStore, open_store
from armillary.settings import Settings
from armillary.sync.conclude import conclude, remembered_after
from armillary.sync.forecast import reserve_reached
from armillary.sync.ground import Ground
from armillary.sync.judged import JudgedPlan
from armillary.sync.outage import Outage
from armillary.sync.outcome import FAILED_STATES, Outcome, State, SyncFailed, SyncResult
from armillary.sync.plan import CHANGES
from armillary.sync.report import HEADLINES
from blocks.ptolemy import PtolemyWorkspace
from tasks.apply_changes import SMALL_PLAN, Applying, Crew, apply_plan
from tasks.bulk_import import BulkRun
from tasks.call_count import CallCount
from tasks.dask_crew import DaskCrew
from tasks.dask_runner import THREADS, dask_runner
from tasks.deployed import deployed_as, start_command
from tasks.report import RefusedRun, progress_artifact, report_refusal, report_sync

MAX_WORKERS = 16
"""Threads for batches; how many requests are in flight at once is the workspace block's affair."""

WORKERS = cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner[Any](max_workers=MAX_WORKERS))


@dataclass(frozen=True)
class Scope:
    """What a plan was made for; kept in the run record so that it can be undone."""

    feed: str
    values: dict[str, list[str]] | str | None
    fields: list[str]
    limits: Limits


@dataclass(frozen=True)
class SyncRun:
    """One run of a flow that changes instruments."""

    workspace: PtolemyWorkspace
    mode: str
    run_id: str
    calls: CallCount
    store: RunStore
    approve: str | None = None
    reverts: str | None = None
    only: bool = False
    """Limited to chosen records: what it saw of the feed says nothing about the whole."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that a start with an approval has to repeat, as a deployment takes them."""
    deployed: str = field(default_factory=deployed_as)
    """Its flow and deployment; blank for a run by hand."""

    def lease(self, ground: Ground, feed: str) -> AbstractContextManager[Lease | None]:
        """The lease of one feed in one workspace; a run that only plans needs none.

        Raises:
            LeaseHeld: another run is at work.
        """
        if self.mode != "apply":
            return nullcontext()
        life_seconds = Settings().lease_seconds
        return held(
            self.store,
            ground.workspace_id,
            f"sync-{feed}",
            owner=f"run {self.run_id}",
            life_seconds=life_seconds,
            margin_seconds=life_seconds / 4,
        )

    def approved(self, ground: Ground, feed: str) -> pl.DataFrame | None:
        """The changes of the plan that a person approved, if this run was given one.

        Raises:
            ConfigurationError: no such plan is known, it is too old, or of another feed.
        """
        if self.approve is None:
            return None
        made_by = approved_run(self.store, ground.workspace_id, self.approve, datetime.now(UTC))
        of = read_head(self.store, ground.workspace_id, made_by).feed
        if of != feed:
            raise ConfigurationError(
                f"The plan {self.approve[:12]} is of the feed {of}, and this run is of {feed}. "
                "Nothing was written.",
                next_step=f"Choose the feed {of} for this run, or approve a plan of {feed}.",
            )
        return read_changes(self.store, ground.workspace_id, made_by, CHANGES)

    def carry_out(
        self, ground: Ground, judged: JudgedPlan, scope: Scope, lease: Lease | None
    ) -> SyncResult:
        """Record the plan, apply what may be applied, and say what came of it."""
        log = get_run_logger()
        record = RunRecord(self.store, ground.workspace_id, self.run_id)
        record.plan(self._head(ground, judged, scope), judged.plan.changes)
        record.rejects(judged.plan.rejects)
        log.info("Plan %s: %s", judged.plan.digest[:12], judged.plan.counts)
        applying, outcomes = None, list[Outcome]()
        if lease is not None and not judged.refusal:
            with self._crew(ground, judged, scope, lease) as crew:
                applying = Applying(
                    judged.to_apply,
                    record=record,
                    lease=lease,
                    outage=Outage(self._answers, most_seconds=Settings().outage_seconds),
                    max_reject_share=scope.limits.max_reject_share,
                    short_of_calls=lambda: reserve_reached(
                        self.calls.remaining, judged.reserve_calls
                    ),
                    crew=crew,
                )
                self._intend_to_archive(ground, judged, scope.feed)
                bulk = BulkRun.of(self.workspace, ground, judged, run_id=self.run_id, lease=lease)
                with progress_artifact(f"Applying {scope.feed}"):
                    outcomes = apply_plan(self.workspace, ground, applying, bulk)
        result = conclude(
            judged,
            outcomes,
            mode=self.mode,
            workspace=ground.workspace_slug,
            run_id=self.run_id,
            breaker=applying.breaker if applying else None,
            calls_used=self.calls.used,
            calls_remaining=self.calls.remaining,
            record=record.place,
            approve_command=self.approve_command(),
        )
        if applying is not None and applying.notes:
            result = replace(result, warnings=(*result.warnings, *applying.notes))
        try:
            record.summary(result.as_dict())
            if lease is not None and applying is not None:
                lease.check()  # whoever took it over remembers for itself
                memory = recall(self.store, ground.workspace_id, scope.feed)
                after = remembered_after(
                    memory,
                    judged,
                    outcomes,
                    result,
                    only=self.only,
                    now=datetime.now(UTC),
                    undone=self.reverts,
                )
                remember(self.store, ground.workspace_id, scope.feed, after)
        except (ConfigurationError, LeaseLost) as error:
            # The changes are made: the result must not be lost with its record.
            result = replace(result, warnings=(*result.warnings, f"Not recorded: {error}"))
        log.info("Ended %s: applied %s, %d calls", result.state, result.applied, result.calls.used)
        report_sync(result, judged, ground.workspace_slug)
        return result

    def approve_command(self) -> str:
        """How this very run is started again with an approval: by its deployment, or by hand."""
        if self.reverts:
            return f"armillary revert {self.reverts} --mode apply --approve DIGEST"
        if not self.deployed:
            only = [word for one in self.given.get("only", ()) for word in ("--only", one)]
            words = ["armillary", "sync", "--feed", "FEED.yaml", *only]
            return shlex.join([*words, "--mode", "apply", "--approve", "DIGEST"])
        return start_command(self.deployed, mode="apply", approve="DIGEST", **self.given)

    @contextmanager
    def _crew(
        self, ground: Ground, judged: JudgedPlan, scope: Scope, lease: Lease
    ) -> Iterator[Crew | None]:
        """Other processes for the batches, where this machine's settings name some."""
        chosen = Settings().task_runner
        in_bulk = judged.route is not None and judged.route.in_bulk
        if chosen == THREADS or in_bulk or judged.to_apply.height <= SMALL_PLAN:
            yield None
            return
        width = min(MAX_WORKERS, self.workspace.max_in_flight)
        with dask_runner(chosen, width) as runner:
            yield DaskCrew(
                runner,
                self.workspace,
                ground,
                lease,
                self.calls,
                reserve_calls=judged.reserve_calls,
                max_reject_share=scope.limits.max_reject_share,
                width=width,
                name=self.run_id,
            )

    def _answers(self) -> bool:
        """Whether Ptolemy answers at all: one request, without repeats."""
        try:
            with self.workspace.connect() as ptolemy:
                ptolemy.with_single_attempts().workspace()
        except TransientError:
            return False
        except ArmillaryError:
            return True  # a refusal is an answer; the next write will tell it
        return True

    def _intend_to_archive(self, ground: Ground, judged: JudgedPlan, feed: str) -> None:
        """Remember what is about to be archived: a run that is killed must know it as its own."""
        ids = judged.to_apply.filter(pl.col("kind") == "archive")["id"].to_list()
        if ids:
            memory = recall(self.store, ground.workspace_id, feed)
            archived = memory.archived | dict.fromkeys(ids, self.run_id)
            remember(self.store, ground.workspace_id, feed, memory.after(archived=archived))

    def _head(self, ground: Ground, judged: JudgedPlan, scope: Scope) -> Head:
        return Head(
            run_id=self.run_id,
            made_at=datetime.now(UTC),
            mode=self.mode,
            feed=scope.feed,
            workspace_id=ground.workspace_id,
            instrument_type=ground.type_identifier,
            scope=scope.values,
            fields=scope.fields,
            limits=scope.limits.model_dump(),
            digest=judged.plan.digest,
            planned=judged.plan.counts,
            withheld=judged.withheld_because,
            forecast=judged.cost.calls,
            approved=self.approve,
            reverts=self.reverts,
        )


def open_runs() -> RunStore:
    """Where this machine's settings say that run records lie."""
    settings = Settings()
    return open_store(settings.runs, endpoint_url=settings.store_endpoint_url)


def ended(result: SyncResult) -> RunState[Any]:
    """The state by the result's own policy, never by futures."""
    said = [result.stopped or HEADLINES[result.state], *result.withheld_because.values()]
    message = " ".join(said)
    if result.state in FAILED_STATES:
        failure = SyncFailed(f"{result.feed}: {message}", result)
        return Failed(name=result.state.value, message=str(failure), data=failure)
    return Completed(name=result.state.value, message=message, data=result)


def refused(
    error: ArmillaryError,
    workspace: PtolemyWorkspace,
    subject: str,
    mode: str,
    *,
    is_sync: bool = False,
) -> RunState[Any]:
    """No plan could be carried out: nothing was written, and the error says what to do."""
    if isinstance(error, LeaseHeld):
        return Completed(name=State.ALREADY_RUNNING.value, message=str(error), data=error)
    run = RefusedRun(str(flow_run.id), mode, datetime.now(UTC), is_sync)
    report_refusal(workspace.workspace, subject, error, run)
    return Failed(message=str(error), data=error)
