"""Batches of a sync in the processes of a Dask cluster.

What travels there is data: the changes, the connection, and what the run knows so far. What comes
back are outcomes and calls. The run itself judges between waves (``armillary.sync.waves``), renews
its lease, and writes the run record; a batch looks after the lease and the calls by itself.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from armillary.api.connection import Connection
from armillary.api.ptolemy import Ptolemy, connect
from armillary.errors import ArmillaryError, TransientError
from armillary.runs.lease import Lease, LeaseTicket
from armillary.runs.lease_watch import LeaseWatch
from armillary.runs.store import open_store
from armillary.settings import Settings
from armillary.sync.breaker import FIRST_WRITES, Breaker
from armillary.sync.forecast import reserve_reached
from armillary.sync.gate import Gate
from armillary.sync.ground import Ground
from armillary.sync.outage import Outage
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import Change, iter_changes
from armillary.sync.waves import next_wave
from blocks.global_limit import GlobalLimit
from blocks.ptolemy import PtolemyWorkspace
from tasks.apply_changes import Applying, as_state, batch_label, left_alone, write_batch
from tasks.boundary import step
from tasks.call_count import CallCount
from tasks.dask_runner import shared_event
from tasks.dask_waiting import wait_for

if TYPE_CHECKING:
    from prefect_dask.task_runners import DaskTaskRunner

ASK_SECONDS = 1.0
"""How often a batch asks whether the run wants it to stop."""


@dataclass(frozen=True)
class Errand:
    """What a batch in another process has to know of its run. Nothing of it is a live object."""

    connection: Connection
    limit_name: str | None
    ground: Ground
    lease: LeaseTicket
    runs: str
    runs_endpoint_url: str | None
    outage_seconds: float
    reserve_calls: int
    planned: int
    max_reject_share: float
    seen: int
    rejected: int
    stop: str
    """Name of the Dask event that asks every batch of the run to stop."""


@dataclass(frozen=True)
class Report:
    """What a batch brings back."""

    done: list[tuple[Change, Outcome]]
    stopped: str
    """Why it wrote no further; blank if nothing stopped it."""
    calls: int
    remaining: int | None


class DaskCrew:
    """Hands batches to a Dask cluster, wave by wave.

    Args:
        runner: Prefect's task runner, entered.
        workspace: the connection.
        ground: type and data types of the plan.
        lease: of the run.
        calls: gets the calls made elsewhere.
        reserve_calls: calls that must be left in the billing period.
        max_reject_share: the feed's own limit.
        width: batches under way at once. Each has one request under way, so that all processes
            together have no more than ``width``, with a shared limit or without.
        name: of the run; unique.
    """

    def __init__(
        self,
        runner: DaskTaskRunner,
        workspace: PtolemyWorkspace,
        ground: Ground,
        lease: Lease,
        calls: CallCount,
        *,
        reserve_calls: int,
        max_reject_share: float,
        width: int,
        name: str,
    ) -> None:
        self._runner: Any = runner  # its types know of coroutines alone
        self._workspace = workspace
        self._ground = ground
        self._lease = lease
        self._calls = calls
        self._reserve_calls = reserve_calls
        self._max_reject_share = max_reject_share
        self._width = width
        self._stop = f"armillary-stop-{name}"
        self._numbers = itertools.count(1)

    def carry_out(
        self, applying: Applying, changes: pl.DataFrame, size: int, *, look_first: bool
    ) -> list[Outcome]:
        """Apply changes in batches of at most ``size``; each has exactly one outcome."""
        outcomes: list[Outcome] = []
        while not changes.is_empty():
            if not applying.may_write():
                return outcomes + self._leave(applying, changes, look_first=look_first)
            seen = applying.breaker.seen
            wave = next_wave(changes, seen=seen, width=self._width, size=size)
            outcomes += self._one_wave(applying, wave, look_first=look_first)
            changes = changes.slice(sum(part.height for part in wave))
        return outcomes

    def _one_wave(
        self, applying: Applying, wave: Sequence[pl.DataFrame], *, look_first: bool
    ) -> list[Outcome]:
        errand = self._errand(applying)
        futures: list[Any] = []
        names: list[str] = []
        try:
            for part in wave:
                names.append(f"{self._stop}-{next(self._numbers)}")
                given = {
                    "errand": errand,
                    "part": part,
                    "label": batch_label(part),
                    "look_first": look_first,
                    "begun": names[-1],
                }
                futures.append(self._runner.submit(apply_elsewhere, parameters=given))
            self._wait(futures)
        except BaseException as error:
            signal = _signal_in(error)
            if signal is None:  # Dask's own: the scheduler is lost, for one
                applying.breaker.halt(f"the Dask cluster failed: {error!r}")
                self._ask_to_stop()
            else:
                # Batches end with the write under way, and the lease is held until then.
                applying.breaker.halt("the run was cancelled")
                self._ask_to_stop()
                self._wait(futures)
                for part, future in zip(wave, futures, strict=False):
                    self._take(applying, part, future)
                raise signal from error
        outcomes = [
            outcome
            for part, future in zip(wave, futures, strict=False)
            for outcome in self._take(applying, part, future)
        ]
        for part in wave[len(futures) :]:
            outcomes += self._leave(applying, part, look_first=look_first)
        with suppress(Exception):
            # Only now: until it is fetched, Dask may have a result made once more.
            for name in names:
                shared_event(name, self._runner.client).clear()
        return outcomes

    def _leave(
        self, applying: Applying, changes: pl.DataFrame, *, look_first: bool
    ) -> list[Outcome]:
        """Account for changes that are not handed out any more."""
        why = applying.breaker.stopped
        left = [(one, left_alone(one, why, tried=look_first)) for one in iter_changes(changes)]
        applying.keep(left)
        return [outcome for _, outcome in left]

    def _ask_to_stop(self) -> None:
        """Raise the flag; a scheduler that is gone is itself a reason for every batch to stop."""
        with suppress(Exception):
            shared_event(self._stop, self._runner.client).set()

    def _take(
        self, applying: Applying, part: pl.DataFrame, future: PrefectFuture[Report]
    ) -> list[Outcome]:
        """Bring home what a batch reports; one that broke off is accounted for, and told."""
        report = _report(future)
        if not isinstance(report, Report):
            applying.breaker.halt(f"a batch in another process broke off: {report!r}")
            lost = [
                (one, Outcome(one.kind, one.identifier, Fate.UNKNOWN, repr(report)))
                for one in iter_changes(part)
            ]
            applying.keep(lost)
            return [outcome for _, outcome in lost]
        self._calls.add(report.calls, report.remaining)
        for _, outcome in report.done:
            if outcome.fate is not Fate.NOT_ATTEMPTED:
                applying.saw(outcome)
        applying.keep(report.done)
        if report.stopped:
            applying.breaker.halt(report.stopped)
        return [outcome for _, outcome in report.done]

    def _errand(self, applying: Applying) -> Errand:
        settings = Settings()
        connection = self._workspace.connection
        share = connection.requests_per_second
        return Errand(
            connection=replace(
                connection,
                max_in_flight=1,
                requests_per_second=share / self._width if share else None,
            ),
            limit_name=self._workspace.concurrency_limit,
            ground=self._ground,
            lease=self._lease.ticket,
            runs=_from_anywhere(settings.runs),
            runs_endpoint_url=settings.store_endpoint_url,
            outage_seconds=settings.outage_seconds,
            reserve_calls=self._reserve_calls,
            planned=applying.changes.height,
            max_reject_share=self._max_reject_share,
            # The first questions of a breaker are the run's own: its first waves are small.
            seen=max(applying.breaker.seen, FIRST_WRITES),
            rejected=applying.breaker.rejected,
            stop=self._stop,
        )

    def _wait(self, futures: Sequence[Any]) -> None:
        client = self._runner.client
        if not wait_for(client, futures):
            get_run_logger().error("The Dask scheduler has no workers any more.")
            client.cancel([each.wrapped_future for each in futures])


def _from_anywhere(runs: str) -> str:
    """Another process may stand in another folder."""
    return runs if "://" in runs else str(Path(runs).expanduser().absolute())


def _signal_in(error: BaseException) -> BaseException | None:
    """What asks the run to end; None for a fault.

    A signal that comes while a batch is made ready to travel is raised within pydantic, which makes
    an error of its own of it: the run would go on, and tell of a cluster that failed.
    """
    cause: BaseException | None = error
    while cause is not None:
        if not isinstance(cause, Exception):
            return None if isinstance(cause, GeneratorExit) else cause
        cause = cause.__cause__ or cause.__context__
    if TerminationSignal.__name__ in str(error):  # pydantic may keep its name alone
        return TerminationSignal(signal=SIGTERM)
    return None


def _report(future: PrefectFuture[Report]) -> object:
    try:
        return future.result(raise_on_failure=False)
    except Exception as error:  # noqa: BLE001 - Dask's own: a killed worker, a lost scheduler
        return error


@step(name="apply batch", task_run_name="{label}")
def apply_elsewhere(
    errand: Errand, part: pl.DataFrame, *, label: str, look_first: bool, begun: str
) -> State[Report]:
    """Apply one batch in the process this runs in, with a client of its own.

    A batch whose worker died is given to another one by Dask: it then looks before it creates.
    """
    del label  # names the task run
    begun_before, stop_asked = _signals(begun, errand.stop)
    limit = GlobalLimit(errand.limit_name) if errand.limit_name else None
    done: list[tuple[Change, Outcome]] = []
    with connect(errand.connection, shared_limit=limit) as ptolemy:
        gate = _gate(errand, ptolemy, stop_asked)
        write_batch(ptolemy, errand.ground, gate, part, done, look_first=look_first or begun_before)
        report = Report(done, gate.breaker.stopped, ptolemy.meter.used, ptolemy.meter.remaining)
    state: State[Any] = as_state([outcome for _, outcome in done])
    state.data = report  # not a copy: Prefect's copies of a state have no time
    return state


def _gate(errand: Errand, ptolemy: Ptolemy, stop_asked: Callable[[], str]) -> Gate:
    def answers() -> bool:
        try:
            ptolemy.with_single_attempts().workspace()
        except TransientError:
            return False
        except ArmillaryError:
            return True  # a refusal is an answer; the next write will tell it
        return True

    return Gate(
        Breaker(
            errand.planned, errand.max_reject_share, seen=errand.seen, rejected=errand.rejected
        ),
        LeaseWatch(open_store(errand.runs, endpoint_url=errand.runs_endpoint_url), errand.lease),
        Outage(answers, most_seconds=errand.outage_seconds),
        lambda: stop_asked() or reserve_reached(ptolemy.meter.remaining, errand.reserve_calls),
    )


def _signals(begun: str, stop: str) -> tuple[bool, Callable[[], str]]:
    """Whether this batch was begun before, and a question to ask before each write."""
    beginning = shared_event(begun)
    before = bool(beginning.is_set())
    beginning.set()
    stopping, asked_at = shared_event(stop), [-ASK_SECONDS]

    def asked() -> str:
        now = time.monotonic()
        if now - asked_at[0] < ASK_SECONDS:
            return ""
        asked_at[0] = now
        try:
            return "the run was stopped" if stopping.is_set() else ""
        except Exception as error:  # noqa: BLE001 - whoever lost the run must not write for it
            return f"the Dask scheduler cannot be asked any more: {type(error).__name__}"

    return before, asked
