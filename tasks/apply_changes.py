"""Applying a plan: batches as task runs, records that fail for now as task runs of their own.

Order: restore, create, update, archive. Archives come last, and only if nothing stopped the run
before them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

import polars as pl
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed
from prefect.tasks import exponential_backoff

from armillary import progress
from armillary.api.ptolemy import Ptolemy
from armillary.errors import (
    AccessDenied,
    ArmillaryError,
    ConfigurationError,
    NoTurn,
    QuotaExhausted,
    RateLimited,
    TransientError,
)
from armillary.runs.lease import Lease
from armillary.runs.record import RunRecord
from armillary.sync.apply import apply_change, as_done
from armillary.sync.breaker import Breaker
from armillary.sync.bulk.route import split
from armillary.sync.gate import Gate
from armillary.sync.ground import Ground
from armillary.sync.outage import Outage
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import KINDS, Change, iter_changes
from armillary.sync.renames import in_waves
from blocks.ptolemy import PtolemyWorkspace
from tasks.boundary import finish, may_pass, step
from tasks.bulk_import import BulkRun, bring_in_bulk

SMALL_PLAN = 200
"""Up to so many changes, each record is a task run of its own, named after it."""

MOST_BATCHES = 200
"""A sync makes about this many task runs at most: each costs the Prefect server 16 kB and time."""

SMALLEST_BATCH = 25
MOST_SINGLE_RETRIES = 50
"""More records than this failing for now are tried again as batches first."""

MORE_BATCH_ROUNDS = 2

UNFINISHED = frozenset({Fate.TRANSIENT, Fate.UNKNOWN})
NOT_CARRIED_OUT = (AccessDenied, QuotaExhausted, RateLimited, NoTurn, ConfigurationError)


class Crew(Protocol):
    """Carries out batches in other processes."""

    def carry_out(
        self, applying: Applying, changes: pl.DataFrame, size: int, *, look_first: bool
    ) -> list[Outcome]:
        """Apply changes in batches of at most ``size``; each has exactly one outcome."""
        ...


class Applying(Gate):
    """One plan being applied: what every batch of it shares."""

    def __init__(
        self,
        changes: pl.DataFrame,
        *,
        record: RunRecord,
        lease: Lease,
        outage: Outage,
        max_reject_share: float,
        short_of_calls: Callable[[], str],
        crew: Crew | None = None,
    ) -> None:
        super().__init__(Breaker(changes.height, max_reject_share), lease, outage, short_of_calls)
        self.changes = changes
        self.crew = crew
        self.notes: list[str] = []
        """What a person has to know of how it went."""
        self._record = record
        self._numbers = itertools.count(1)

    def saw(self, outcome: Outcome) -> int:
        """Note one outcome and say how far the run has come."""
        seen = super().saw(outcome)
        done = min(seen, self.changes.height)  # a retry is seen twice
        progress.say("applying", done, self.changes.height)
        return seen

    def keep(self, done: Sequence[tuple[Change, Outcome]]) -> None:
        """Leave the outcomes of one batch in the run record, with what stood there before."""
        try:
            self._record.batch(next(self._numbers), [as_done(*entry) for entry in done])
        except ConfigurationError as error:
            # What is not recorded cannot be undone: nothing more is written (P22).
            self.breaker.halt(str(error))


def apply_plan(
    workspace: PtolemyWorkspace,
    ground: Ground,
    applying: Applying,
    bulk: BulkRun | None = None,
) -> list[Outcome]:
    """Apply what is not withheld; every change of the plan has exactly one outcome.

    Args:
        workspace: the connection.
        ground: type and data types of the plan.
        applying: the plan, its breaker and its progress.
        bulk: writes by import jobs what they can carry; None: everything one by one.
    """
    size = batch_size(applying.changes.height)
    one_by_one = functools.partial(_apply_kind, workspace, ground, applying, size=size)
    carried, alone = split(applying.changes) if bulk else (None, applying.changes)
    outcomes: list[Outcome] = []
    try:
        for kind in KINDS:
            changes = alone.filter(pl.col("kind") == kind)
            if kind == "archive" and bulk and carried is not None:
                # After single updates: a rename frees an identifier that an import may need.
                outcomes += bring_in_bulk(bulk, applying, carried, one_by_one)
            if kind == "archive" and any(outcome.fate in UNFINISHED for outcome in outcomes):
                applying.breaker.halt("some records could not be written, so nothing is archived")
            for part in in_waves(changes):
                outcomes += one_by_one(part)
    except BaseException:
        # Cancelled: what is under way ends, and no worker starts another write.
        applying.breaker.halt("the run was cancelled")
        raise
    return outcomes


def batch_size(changes: int) -> int:
    """How many records share a task run."""
    if changes <= SMALL_PLAN:
        return 1
    return max(SMALLEST_BATCH, math.ceil(changes / MOST_BATCHES))


def _apply_kind(
    workspace: PtolemyWorkspace,
    ground: Ground,
    applying: Applying,
    changes: pl.DataFrame,
    *,
    size: int,
    look_first: bool = False,
) -> list[Outcome]:
    outcomes = _in_batches(workspace, ground, applying, changes, size, look_first=look_first)
    for _ in range(MORE_BATCH_ROUNDS):
        failed = _failed_for_now(changes, outcomes)
        if failed.height <= MOST_SINGLE_RETRIES or applying.breaker.stopped:
            break
        again = _in_batches(workspace, ground, applying, failed, size, look_first=True)
        outcomes = _without_failed(outcomes) + again
    failed = _failed_for_now(changes, outcomes)
    if applying.breaker.stopped or not 0 < failed.height <= MOST_SINGLE_RETRIES:
        return outcomes
    return _without_failed(outcomes) + _one_by_one(workspace, ground, applying, failed)


def _failed_for_now(changes: pl.DataFrame, outcomes: list[Outcome]) -> pl.DataFrame:
    again = [outcome.identifier for outcome in outcomes if outcome.fate is Fate.TRANSIENT]
    return changes.filter(pl.col("identifier").is_in(again))


def _without_failed(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.fate is not Fate.TRANSIENT]


def _in_batches(
    workspace: PtolemyWorkspace,
    ground: Ground,
    applying: Applying,
    changes: pl.DataFrame,
    size: int,
    *,
    look_first: bool,
) -> list[Outcome]:
    if applying.crew is not None:
        return applying.crew.carry_out(applying, changes, size, look_first=look_first)
    parts = list(changes.iter_slices(size))
    futures: list[PrefectFuture[list[Outcome]]] = [
        apply_batch.submit(
            workspace, ground, applying, part, label=batch_label(part), look_first=look_first
        )
        for part in parts
    ]
    finish(futures)
    outcomes: list[Outcome] = []
    for part, future in zip(parts, futures, strict=True):
        answer: object = future.result(raise_on_failure=False)
        if isinstance(answer, list):
            outcomes += answer
            continue
        # A batch that broke off: its records are accounted for, and nothing more is written.
        applying.breaker.halt(f"a batch broke off: {answer!r}")
        outcomes += [
            Outcome(change.kind, change.identifier, Fate.UNKNOWN, repr(answer))
            for change in iter_changes(part)
        ]
    return outcomes


def batch_label(part: pl.DataFrame) -> str:
    """What the UI calls a batch: the record, or the first and last of several."""
    kind, first = part.row(0)[:2]
    if part.height == 1:
        return f"{kind} {first}"
    return f"{kind} {first} to {part.row(-1)[1]} ({part.height})"


@step(name="apply batch", task_run_name="{label}")
def apply_batch(
    workspace: PtolemyWorkspace,
    ground: Ground,
    applying: Applying,
    part: pl.DataFrame,
    *,
    label: str,
    look_first: bool,
) -> list[Outcome]:
    """Apply the changes of one batch, one after another; one bad record never stops the others."""
    del label  # names the task run
    done: list[tuple[Change, Outcome]] = []
    try:
        with workspace.connect() as ptolemy:
            write_batch(ptolemy, ground, applying, part, done, look_first=look_first)
    finally:
        applying.keep(done)
    outcomes = [outcome for _, outcome in done]
    return cast("list[Outcome]", as_state(outcomes))  # Prefect unwraps a returned state


def write_batch(
    ptolemy: Ptolemy,
    ground: Ground,
    gate: Gate,
    part: pl.DataFrame,
    done: list[tuple[Change, Outcome]],
    *,
    look_first: bool,
) -> None:
    """Apply one change after another, each through the gate.

    Args:
        ptolemy: the client.
        ground: type and data types of the plan.
        gate: asked before each write.
        part: the changes (shape: ``Plan.changes``).
        done: gets each change with its outcome, so that none is lost when this raises.
        look_first: an earlier attempt may have been carried out.
    """
    for change in iter_changes(part):
        if gate.may_write():
            outcome = _attempt(ptolemy, ground, gate, change, look_first=look_first)
        else:
            outcome = left_alone(change, gate.breaker.stopped, tried=look_first)
        done.append((change, outcome))


def _attempt(
    ptolemy: Ptolemy, ground: Ground, applying: Gate, change: Change, *, look_first: bool
) -> Outcome:
    try:
        outcome = apply_change(ptolemy, ground, change, look_first=look_first)
    except ArmillaryError as error:
        applying.breaker.halt(str(error))
        # A refused token or an empty quota means that nothing was done; anything else may have.
        fate = Fate.NOT_ATTEMPTED if isinstance(error, NOT_CARRIED_OUT) else Fate.UNKNOWN
        outcome = Outcome(change.kind, change.identifier, fate, str(error))
    applying.saw(outcome)
    return outcome


def left_alone(change: Change, why: str, *, tried: bool) -> Outcome:
    """A change that is not written any more; one tried before may have been carried out."""
    fate = Fate.UNKNOWN if tried else Fate.NOT_ATTEMPTED
    return Outcome(change.kind, change.identifier, fate, why)


def as_state(outcomes: list[Outcome]) -> State[list[Outcome]]:
    """Green with a name that tells: a rejected record is seen in the list of task runs."""
    if len(outcomes) == 1:
        [outcome] = outcomes
        return Completed(name=_state_name(outcome), message=outcome.reason or None, data=outcomes)
    counts = {fate: sum(1 for o in outcomes if o.fate is fate) for fate in Fate}
    message = ", ".join(f"{count} {fate.value}" for fate, count in counts.items() if count)
    return Completed(name="Applied", message=message, data=outcomes)


def _state_name(outcome: Outcome) -> str:
    return outcome.fate.value.replace("_", " ").title().replace(" ", "")


def _one_by_one(
    workspace: PtolemyWorkspace, ground: Ground, applying: Applying, changes: pl.DataFrame
) -> list[Outcome]:
    futures = [
        (change, retry_record.submit(workspace, ground, applying, change, label=change.label))
        for change in iter_changes(changes)
    ]
    finish([future for _, future in futures])
    done = list(_settled(futures))
    applying.keep(done)
    return [outcome for _, outcome in done]


def _settled(
    futures: list[tuple[Change, PrefectFuture[Outcome]]],
) -> Iterator[tuple[Change, Outcome]]:
    for change, future in futures:
        answer: object = future.result(raise_on_failure=False)
        if not isinstance(answer, Outcome):
            answer = Outcome(change.kind, change.identifier, Fate.UNKNOWN, str(answer))
        yield change, answer


@step(
    name="retry record",
    task_run_name="{label}",
    retries=4,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_pass,
)
def retry_record(
    workspace: PtolemyWorkspace, ground: Ground, applying: Applying, change: Change, *, label: str
) -> Outcome:
    """Try one record again with Prefect's retries, and none in the transport.

    Raises:
        TransientError: it failed for now once more.
    """
    del label
    if not applying.may_write():
        return left_alone(change, applying.breaker.stopped, tried=True)
    with workspace.connect() as ptolemy:
        single = ptolemy.with_single_attempts()
        outcome = _attempt(single, ground, applying, change, look_first=True)
    if outcome.fate is Fate.TRANSIENT:
        raise TransientError(outcome.reason, method="", path=change.label, status=outcome.status)
    return cast("Outcome", Completed(name=_state_name(outcome), data=outcome))
