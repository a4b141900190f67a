"""Compare a venue's instruments in Cadenza with what Ptolemy holds of it. Reads only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from armillary.errors import ArmillaryError, ConfigurationError
from armillary.feeds.cadenza_definition import INSTRUMENT_TYPE
from armillary.venues.reconcile import reconcile
from armillary.venues.reconciled import Against, VenueComparison
from blocks import CadenzaAccount, PtolemyWorkspace
from blocks.form_values import GivenText, Text, text_or
from tasks.alerts import tell_crash, tell_end
from tasks.call_count import CallCount
from tasks.compare_venue import (
    comparison_ended,
    comparison_refused,
    read_holdings,
    read_venue,
    report_comparison,
)


@flow(
    name="compare-venue",
    flow_run_name="compare {venue} with {against} in {workspace.workspace}",
    retries=0,
    persist_result=False,
    on_failure=[tell_end],
    on_crashed=[tell_crash],
)
def compare_venue(
    account: CadenzaAccount,
    venue: GivenText,
    workspace: PtolemyWorkspace,
    against: Literal["instruments", "listings"] = "instruments",
    instrument_type: Annotated[str, text_or(INSTRUMENT_TYPE)] = INSTRUMENT_TYPE,
    market: Text = "",
) -> State[Any]:
    """Compare a venue in Cadenza with a workspace: what is missing, what differs. Writes nothing.

    Args:
        account: The Cadenza account that reads the venue. Untouched: the deployment's own, even
            where the form shows none.
        venue: Name of the venue, as BINANCE.
        workspace: The workspace to compare with. Untouched: the deployment's own, even where the
            form shows none.
        against: "instruments" of a type whose field venue is this venue, or "listings" of a market.
        instrument_type: Identifier of that type, for instruments.
        market: Identifier of the market, for listings. Empty: the venue in small letters.
    """
    try:
        with account.connect() as cadenza, workspace.connect() as ptolemy:
            calls = {"cadenza": CallCount(cadenza.meter), "ptolemy": CallCount(ptolemy.meter)}
            of = _of(venue, against, instrument_type, market)
            there = read_venue(account, venue)
            here = read_holdings(workspace, against, of, there)
        result = VenueComparison(
            environment=account.environment,
            venue=there.venue,
            workspace=here.workspace,
            against=against,
            of=of,
            cadenza_instruments=len(there.instruments),
            ptolemy_records=len(here.records),
            findings=reconcile(there, here),
            calls={name: count.used for name, count in calls.items()},
            run_id=str(flow_run.id),
        )
    except ArmillaryError as error:
        return comparison_refused(venue.strip(), workspace.workspace, error)
    report_comparison(result)
    return comparison_ended(result)


def _of(venue: str, against: Against, instrument_type: str, market: str | None) -> str:
    """The type, or the market, whose records are compared."""
    named = (market or "").strip()
    if against == "listings":
        return named or venue.strip().lower()
    if named:
        raise ConfigurationError(
            f"Market {named!r} is named, but instruments are to be compared, and an instrument has "
            "no market. Nothing was compared.",
            next_step='Compare against "listings", or leave the market out.',
        )
    return instrument_type.strip() or INSTRUMENT_TYPE
