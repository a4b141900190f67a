"""Refresh Cadenza's copies of trading venues from the exchanges, each on its own."""

from __future__ import annotations

import time
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from armillary.errors import ArmillaryError
from armillary.venues.choosing import chosen
from armillary.venues.outcome import VenuesResult, final_state
from armillary.venues.patience import Halt
from armillary.venues.report import again_command
from blocks.cadenza import CadenzaAccount
from blocks.form_values import NONE_NAMED, Texts, texts_of
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.call_count import CallCount
from tasks.clean_up import clean_up
from tasks.deployed import deployed_as, reference_to
from tasks.report import progress_artifact
from tasks.report_venues import report_venues
from tasks.venues import (
    VENUE_WORKERS,
    list_venues,
    refresh_venues,
    venues_ended,
    venues_refused,
)

MOST_NAMED = 3
"""So many venues, or symbols, are named in the name of a run; of more, their number is told."""


def run_name() -> str:
    """What the UI calls a run: what it refreshes, and where."""
    given = flow_run.parameters
    venues = _in_words(given.get("venues"), "venues") or "all venues"
    symbols = _in_words(given.get("symbols"), "symbols")
    return f"refresh {f'{venues} {symbols}'.strip()} in {given['account'].environment}"


@flow(
    name="sync-venues",
    flow_run_name=run_name,
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
    task_runner=VENUE_WORKERS,
)
def sync_venues(
    account: CadenzaAccount,
    venues: Texts = NONE_NAMED,
    symbols: Texts = NONE_NAMED,
) -> State[Any]:
    """Refresh Cadenza's copies of trading venues from the exchanges.

    Args:
        account: The Cadenza account, of production or of UAT. Untouched: the deployment's own,
            even where the form shows none.
        venues: Names of the venues to refresh, as BINANCE. No items: every venue that is ONLINE.
        symbols: Symbols to limit the refresh to, as BTC/USDT. They need exactly one venue. No
            items: all of its symbols.
    """
    environment, began = account.environment, time.monotonic()
    log, halt, deployed = get_run_logger(), Halt(), deployed_as()
    try:
        with account.connect() as cadenza:
            calls = CallCount(cadenza.meter)
            choice = chosen(list_venues(account), venues, symbols)
            for note in choice.notes:
                log.warning("%s", note)
            with progress_artifact(f"Refreshing venues in {environment}"):
                refreshed = refresh_venues(account, choice, halt)
            result = VenuesResult(
                state=final_state(refreshed),
                environment=environment,
                venues=refreshed,
                calls=calls.used,
                seconds=round(time.monotonic() - began, 3),
                run_id=str(flow_run.id),
                stopped=halt.why,
                again_command=again_command(refreshed, deployed, reference_to(account)),
                notes=choice.notes,
            )
    except ArmillaryError as error:
        named = [venue.strip() for venue in venues or () if venue.strip()]
        return venues_refused(environment, error, named)
    report_venues(result)
    return venues_ended(result)


def _in_words(values: list[str] | None, many: str) -> str:
    named: list[str] = texts_of(values)
    return ", ".join(named) if len(named) <= MOST_NAMED else f"{len(named)} {many}"
