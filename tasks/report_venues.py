"""What a refresh of venues tells people: artifacts, and an event for each venue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from prefect.events import emit_event

from armillary.errors import ArmillaryError
from armillary.venues.outcome import VenueOutcome, VenuesResult, VenueState
from armillary.venues.report import rows, summary
from tasks.boundary import step
from tasks.report import MOST_ROWS, artifact_key, best_effort, markdown, table

EVENTS = {
    VenueState.COMPLETED: "completed",
    VenueState.FAILED: "failed",
    VenueState.UNKNOWN: "failed",
}
"""Which event a venue's state emits; one that was not attempted emits none."""


@step(name="report venues", task_run_name="report {result.state}")
def report_venues(result: VenuesResult) -> None:
    """Leave the summary and the table of all venues, and emit an event for each attempted one."""
    key = artifact_key("venues", result.environment)
    markdown(summary(result), key, f"Venues in {result.environment}: {result.state}")
    shown = rows(result)
    rest = len(shown) - MOST_ROWS
    more = [{"venue": f"… and {rest:,} more"}] if rest > 0 else []
    table(f"{key}-table", f"Venues in {result.environment}", [*shown[:MOST_ROWS], *more])
    for outcome in result.venues:
        told = {"environment": result.environment, "run_id": result.run_id, **as_payload(outcome)}
        emit_venue(outcome, told)


@step(name="report refusal", task_run_name="report refusal")
def report_venues_refusal(environment: str, error: ArmillaryError, venues: Sequence[str]) -> None:
    """Leave the reason why no venue was asked, and emit the event.

    It is emitted on each venue that was named, or on Cadenza itself when none was.
    """
    text = f"# Venues in {environment}: Failed\n\n**No venue was refreshed.** {error}"
    markdown(text, artifact_key("venues", environment), f"Venues in {environment}: refused")
    told = {"environment": environment, "error": type(error).__name__, "message": str(error)}
    for venue in venues:
        _emit(f"armillary.venue.{venue}", venue, "failed", told)
    if not venues:
        _emit(f"armillary.cadenza.{environment}", environment, "failed", told)


def emit_venue(outcome: VenueOutcome, payload: dict[str, Any]) -> None:
    """Emit ``armillary.venues.<event>`` on the venue if it was attempted, best effort."""
    if outcome.state in EVENTS:
        event = "failed" if outcome.rejected_symbols else EVENTS[outcome.state]
        _emit(f"armillary.venue.{outcome.venue}", outcome.venue, event, payload)


def as_payload(outcome: VenueOutcome) -> dict[str, Any]:
    """An outcome as plain JSON values."""
    return {**asdict(outcome), "state": outcome.state.value}


def _emit(resource: str, name: str, event: str, payload: dict[str, Any]) -> None:
    best_effort(
        lambda: emit_event(
            event=f"armillary.venues.{event}",
            resource={"prefect.resource.id": resource, "prefect.resource.name": name},
            payload=payload,
        )
    )
