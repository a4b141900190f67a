"""Refreshing venues: each one a task run named after it, and how the run ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from prefect.client.schemas.objects import State as RunState
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from armillary import progress
from armillary.api.cadenza import Venue
from armillary.errors import ArmillaryError
from armillary.settings import Settings
from armillary.venues.asking import MOST_ATTEMPTS
from armillary.venues.choosing import Choice
from armillary.venues.outcome import (
    FAILED_STATES,
    HEADLINES,
    VenueFailed,
    VenueOutcome,
    VenuesFailed,
    VenuesResult,
    VenueState,
    counted,
    failed_message,
)
from armillary.venues.patience import Halt, Patience
from armillary.venues.turn import Round, Turn
from blocks.cadenza import CadenzaAccount
from tasks.boundary import finish, may_pass, step
from tasks.report_venues import report_venues_refusal
from tasks.sync_run import open_runs

MAX_AT_ONCE = 8
"""Venues refreshed at once; how many requests are in flight is the account block's affair."""

VENUE_WORKERS = cast(
    "TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner[Any](max_workers=MAX_AT_ONCE)
)

PATIENCE = Patience()

MOST_HOLDERS = 3
"""So many runs that are at a venue are named in the message of a state."""

RED = frozenset({VenueState.FAILED, VenueState.UNKNOWN})
"""A task run of a venue in these states is a failed one."""


@step(name="list venues", task_run_name="list venues")
def list_venues(account: CadenzaAccount) -> list[Venue]:
    """Cadenza's own list of venues, with their states."""
    with account.connect() as cadenza:
        return cadenza.venues()


def refresh_venues(
    account: CadenzaAccount, choice: Choice, halt: Halt | None = None
) -> tuple[VenueOutcome, ...]:
    """Refresh what was chosen, as many at once as the flow's task runner has threads.

    Every venue of the choice has exactly one outcome, the skipped ones last; none stops another,
    unless Cadenza refuses the account itself. To be called in a flow.

    Args:
        account: the account to ask with.
        choice: venues, and symbols for a single one.
        halt: says afterwards why some were not attempted.
    """
    of = Round(
        environment=account.environment,
        run_id=str(flow_run.id),
        store=open_runs(),
        total=len(choice.venues),
        lease_seconds=Settings().lease_seconds,
        patience=PATIENCE,
        halt=halt or Halt(),
    )
    turns = [of.turn(venue, choice.symbols) for venue in choice.venues]
    futures: list[PrefectFuture[VenueOutcome]] = []
    try:
        # One by one: a cancel in between has to know those that are under way.
        for turn in turns:
            futures += [refresh_venue.submit(account, turn, venue=turn.venue)]
        finish(futures)
    except BaseException:
        # Cancelled: what is under way ends, and no worker asks for another venue.
        of.halt.stop("the run was cancelled")
        _tell_of_waiting(account, turns)
        for turn, future in zip(turns, futures, strict=False):
            close_when_done(turn, future)
        raise
    done = [_settled(turn, future) for turn, future in zip(turns, futures, strict=True)]
    return (*done, *map(_skipped, choice.skipped))


@step(
    name="refresh venue",
    task_run_name="{venue}",
    retries=MOST_ATTEMPTS - 1,
    retry_condition_fn=may_pass,
)
def refresh_venue(account: CadenzaAccount, turn: Turn, *, venue: str) -> VenueOutcome:
    """Refresh one venue; each attempt of its turn is one of this task run.

    Args:
        account: the account to ask with.
        turn: what the attempts share.
        venue: names the task run.

    Raises:
        TransientError: another attempt is due.
        VenueFailed: it is not, or not wholly, refreshed.
    """
    log = get_run_logger()
    if turn.wait_seconds:
        log.info("Waiting %.0f seconds before %s is asked again", turn.wait_seconds, venue)
    turn.wait()
    with account.connect() as cadenza:
        outcome = turn.attempt(cadenza)
    if outcome.state in RED or outcome.rejected_symbols:
        raise VenueFailed(outcome)
    for note in outcome.notes:
        log.warning("%s: %s", venue, note)
    name = outcome.state.value.replace("_", " ").title().replace(" ", "")
    green: RunState[Any] = Completed(name=name, message=outcome.error or None, data=outcome)
    return cast("VenueOutcome", green)  # Prefect unwraps a returned state


def close_when_done(turn: Turn, future: PrefectFuture[VenueOutcome]) -> None:
    """Prefect starts no further attempt of a cancelled task run, and its lease would live on."""
    future.add_done_callback(lambda _: turn.close())


def _tell_of_waiting(account: CadenzaAccount, turns: Sequence[Turn]) -> None:
    """Prefect ends no thread: the run only ends when Cadenza has answered."""
    asked = ", ".join(turn.venue for turn in turns if turn.is_asking)
    if not asked:
        return
    minutes = max(1, round(account.sync_timeout_seconds / 60))
    words = (
        f"Cancelled: waiting for Cadenza, which refreshes {asked} ({minutes} minutes at most); no "
        "other venue is asked"
    )
    get_run_logger().warning("%s", words)
    progress.say(words, 0)


def _settled(turn: Turn, future: PrefectFuture[VenueOutcome]) -> VenueOutcome:
    answer: object = future.result(raise_on_failure=False)
    if isinstance(answer, VenueFailed):
        return answer.outcome
    return answer if isinstance(answer, VenueOutcome) else turn.broke_off(answer)


def _skipped(venue: Venue) -> VenueOutcome:
    note = f"{venue.status} in Cadenza's list, and not asked for by name."
    return VenueOutcome(venue.name, VenueState.SKIPPED, status=venue.status, notes=(note,))


def venues_ended(result: VenuesResult) -> RunState[Any]:
    """The state by the result's own policy, never by futures."""
    if result.state in FAILED_STATES:
        message = failed_message(result)
        failure = VenuesFailed(message, result)
        return Failed(name=result.state.value, message=message, data=failure)
    held = [
        outcome.error for outcome in result.venues if outcome.state is VenueState.ALREADY_RUNNING
    ]
    message = f"{HEADLINES[result.state]} {result.environment}: {counted(result)}."
    message = " ".join([message, *held[:MOST_HOLDERS]])
    return Completed(name=result.state.value, message=message, data=result)


def venues_refused(
    environment: str, error: ArmillaryError, venues: Sequence[str] = ()
) -> RunState[Any]:
    """No venue was asked: the error says why and what to do."""
    report_venues_refusal(environment, error, venues)
    return Failed(message=str(error), data=error)
