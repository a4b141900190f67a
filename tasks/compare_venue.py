"""Reading a venue in Cadenza and in Ptolemy, and telling people how the two compare."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State as RunState
from prefect.states import Completed, Failed

from armillary.clock import SystemClock
from armillary.errors import ArmillaryError
from armillary.venues.holdings import instruments_of
from armillary.venues.listings import listings_of
from armillary.venues.reconciled import (
    Against,
    VenueComparison,
    count_rows,
    finding_rows,
    headline,
    summary,
)
from armillary.venues.sides import CadenzaSide, PtolemySide, cadenza_side
from blocks import CadenzaAccount, PtolemyWorkspace
from tasks.boundary import may_pass, step
from tasks.report import MOST_ROWS, artifact_key, markdown, table


@step(
    name="read venue",
    task_run_name="read {venue} in Cadenza",
    retries=2,
    retry_delay_seconds=30,
    retry_jitter_factor=0.5,
    retry_condition_fn=may_pass,
)
def read_venue(account: CadenzaAccount, venue: str) -> CadenzaSide:
    """Read the venue's instruments whole, while it is online."""
    with account.connect() as cadenza:
        return cadenza_side(cadenza, venue)


@step(
    name="read holdings",
    task_run_name="read {against} of {of} in {workspace.workspace}",
    retries=2,
    retry_delay_seconds=30,
    retry_jitter_factor=0.5,
    retry_condition_fn=may_pass,
)
def read_holdings(
    workspace: PtolemyWorkspace, against: Against, of: str, cadenza: CadenzaSide
) -> PtolemySide:
    """Read what the workspace holds of the venue, archived records included."""
    with workspace.connect() as ptolemy:
        if against == "instruments":
            return instruments_of(
                ptolemy, workspace=workspace.workspace, instrument_type=of, venue=cadenza.venue
            )
        return listings_of(
            ptolemy,
            workspace=workspace.workspace,
            market=of,
            telling=cadenza.telling_codes(),
            now=SystemClock().now(),
        )


@step(name="report comparison", task_run_name="report comparison")
def report_comparison(result: VenueComparison) -> None:
    """Leave the summary, the counts and the table of what was found."""
    key = artifact_key("compare", result.environment, result.venue, result.workspace)
    title = f"{result.venue} in Cadenza and in {result.workspace}"
    markdown(summary(result, MOST_ROWS), key, title)
    table(f"{key}-counts", "How much differs", count_rows(result))
    table(f"{key}-findings", "What differs", finding_rows(result, MOST_ROWS))


@step(name="report refusal", task_run_name="report refusal")
def report_comparison_refusal(venue: str, workspace_slug: str, error: ArmillaryError) -> None:
    """Leave the reason why there is no comparison."""
    text = f"# {venue or 'No venue'} and {workspace_slug}: Failed\n\n{error}"
    markdown(text, artifact_key("compare", venue, workspace_slug), "Not compared")


def comparison_ended(result: VenueComparison) -> RunState[Any]:
    """``Completed``: that the two sides differ is an answer, and no failure."""
    return Completed(name=result.state, message=headline(result), data=result)


def comparison_refused(venue: str, workspace_slug: str, error: ArmillaryError) -> RunState[Any]:
    """Nothing was compared: the error says why and what to do."""
    report_comparison_refusal(venue, workspace_slug, error)
    return Failed(message=str(error), data=error)
