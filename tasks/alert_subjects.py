"""What a run was about, and how it left that: read from its parameters and its final state.

The parameters may hold bare references to blocks: a crash is told by another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from prefect.blocks.core import Block
from prefect.client.schemas.objects import State as RunState

from armillary.alerts.standing import Kind
from armillary.alerts.subject import Subject
from armillary.backup.resources import RESOURCE_TYPES
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.venues.outcome import VenueOutcome, VenuesFailed, VenuesResult, VenueState

KINDS = {
    "Completed": Kind.GOOD,
    "CompletedWithRejects": Kind.GOOD,
    "Withheld": Kind.WITHHELD,
    "TooManyRejects": Kind.REJECTS,
    "Partial": Kind.PARTIAL,
    "Failed": Kind.FAILED,
    "Crashed": Kind.CRASHED,
}
"""How a final state leaves the subject; the others (a plan, AlreadyRunning) say nothing of it."""

VENUE_KINDS = {
    VenueState.COMPLETED: Kind.GOOD,
    VenueState.FAILED: Kind.FAILED,
    VenueState.UNKNOWN: Kind.FAILED,
}


class Given:
    """The parameters of a run."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self._blocks: dict[str, Any] = {}
        self.lost = False
        """Whether a block that tells the subject could not be had."""

    def plain(self, name: str) -> str:
        """A text, without blanks around it; blank where none is given."""
        return str(self.parameters.get(name) or "").strip()

    def names(self, name: str) -> list[str]:
        """A list of texts without the blank ones that a form sends."""
        given = self.parameters.get(name) or ()
        return [text for value in given if (text := str(value).strip())]

    def of_block(self, name: str, attribute: str) -> str:
        """What a block says; where it cannot be had, the reference stands for it."""
        if name not in self._blocks:
            self._blocks[name] = _block(self.parameters.get(name))
        found = self._blocks[name]
        if isinstance(found, str) and isinstance(self.parameters.get(name), Mapping):
            self.lost = True
        return found if isinstance(found, str) else str(getattr(found, attribute, "") or "")


def _block(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    reference = value.get("$ref")
    if reference is None:
        return SimpleNamespace(**value)
    try:
        return Block.load_from_ref(reference, _sync=True)  # type: ignore[call-arg]
    except Exception:  # noqa: BLE001 - a block that is gone is what there is to tell
        return _referred(reference)


def learnt(
    flow_name: str, given: Given, state: RunState[Any], *, scheduled: bool = False
) -> list[tuple[Subject, Kind]]:
    """What a run shows of its subjects; empty where it shows nothing.

    Args:
        flow_name: of the flow.
        given: its parameters.
        state: its final state.
        scheduled: whether nobody was there to read what it said.
    """
    if flow_name == "sync-venues":
        return _of_venues(given, state)
    of = _SUBJECTS.get(flow_name)
    kind = KINDS.get(state.name or "")
    if flow_name == "publish-venue" and state.name == "AlreadyRunning" and scheduled:
        # A refresh of the venue was under way, which syncs nothing: a night without a publish.
        kind = Kind.FAILED
    return [] if of is None or kind is None else [(of(given), kind)]


def answer(state: RunState[Any]) -> Any:
    """What the flow returned, or the error it ended by; None where that is not to be had."""
    try:
        return state.result(raise_on_failure=False, _sync=True)  # type: ignore[call-overload]
    except Exception:  # noqa: BLE001 - a run of another process has left no result
        return None


def _of_venues(given: Given, state: RunState[Any]) -> list[tuple[Subject, Kind]]:
    """Each venue on its own; all of them together where the run was refused or stopped."""
    environment = given.of_block("account", "environment")
    named, part = given.names("venues"), bool(given.names("symbols"))
    whole = [_venue(environment, name, part=part) for name in named] or [_venue(environment)]
    result = _result(state)
    if result is None:
        kind = KINDS.get(state.name or "")
        return [] if kind in (None, Kind.GOOD) else [(subject, kind) for subject in whole]
    found = [
        (_venue(environment, outcome.venue, part=bool(outcome.symbols)), kind)
        for outcome in result.venues
        if (kind := _kind_of(outcome)) is not None
    ]
    if not named:
        found.append((whole[0], Kind.FAILED if result.stopped else Kind.GOOD))
    return found


def _result(state: RunState[Any]) -> VenuesResult | None:
    found = answer(state)
    if isinstance(found, VenuesFailed):
        return found.result
    return found if isinstance(found, VenuesResult) else None


def _kind_of(outcome: VenueOutcome) -> Kind | None:
    if outcome.state is VenueState.COMPLETED and outcome.rejected_symbols:
        return Kind.PARTIAL
    return VENUE_KINDS.get(outcome.state)


def _venue(environment: str, venue: str = "", *, part: bool = False) -> Subject:
    if not venue:
        return Subject("venues", (environment,), f"refresh of venues in {environment}")
    limited = " (chosen symbols)" if part else ""
    # Cadenza takes a name in any case, and answers in its own.
    names = (environment, venue.casefold(), *(["part"] if part else []))
    return Subject("venues", names, f"refresh of {venue} in {environment}{limited}")


def _sync(given: Given) -> Subject:
    feed = given.of_block("feed", "name")
    return _sync_of(given.of_block("workspace", "workspace"), feed, part=bool(given.names("only")))


def _publish(given: Given) -> Subject:
    venue = given.plain("venue")
    feed = given.of_block("feed", "name") or (venue and CadenzaDefinition(venue=venue).name)
    workspace = given.of_block("workspace", "workspace")
    return _sync_of(workspace, feed, part=bool(given.names("symbols")))


def _sync_of(workspace: str, feed: str, *, part: bool) -> Subject:
    limited = " (chosen records)" if part else ""
    names = (workspace, feed, *(["part"] if part else []))
    return Subject("sync", names, f"sync of {feed} into {workspace}{limited}")


def _backup(given: Given) -> Subject:
    workspace, place = given.of_block("workspace", "workspace"), _place(given)
    chosen = set(given.names("resource_types"))
    part = bool(
        (chosen and chosen != set(RESOURCE_TYPES))
        or given.parameters.get("filter")
        or given.parameters.get("include_archived") is False
    )
    limited = " (a part)" if part else ""
    names = (workspace, place, *(["part"] if part else []))
    return Subject("backup", names, f"backup of {workspace} in {place}{limited}")


def _verify(given: Given) -> Subject:
    """Each slice stands for itself: tomorrow's says nothing of today's files."""
    place, workspace = _place(given), given.plain("workspace")
    backup, depth = given.plain("backup") or "latest", given.plain("depth") or "content"
    part = given.plain("slice")
    looked = f"{depth}, slice {part}" if part else depth
    of = workspace or "the backups"
    names = (place, workspace, backup, looked)
    return Subject("verify", names, f"verification of {of} in {place} ({backup}, {looked})")


def _restore(given: Given) -> Subject:
    workspace = given.of_block("target", "workspace")
    return Subject("restore", (workspace,), f"restore into {workspace}")


def _revert(given: Given) -> Subject:
    workspace, run_id = given.of_block("workspace", "workspace"), given.plain("run_id")
    return Subject("revert", (workspace, run_id), f"revert of run {run_id} in {workspace}")


def _prune(given: Given) -> Subject:
    place, workspace = _place(given), given.plain("workspace")
    of = f" of {workspace}" if workspace else ""
    return Subject("prune", (place, workspace), f"pruning of backups{of} in {place}")


def _place(given: Given) -> str:
    parts = (given.of_block("store", "bucket"), given.of_block("store", "prefix"))
    return "/".join(dict.fromkeys(part.strip("/") for part in parts if part))


def _referred(reference: Any) -> str:
    if isinstance(reference, Mapping):
        found = reference.get("block_document_slug") or reference.get("block_document_id")
        return str(found or "an unknown block")
    return str(reference)


_SUBJECTS: dict[str, Callable[[Given], Subject]] = {
    "sync-instruments": _sync,
    "publish-venue": _publish,
    "backup-workspace": _backup,
    "verify-backup": _verify,
    "restore-workspace": _restore,
    "revert-run": _revert,
    "prune-backups": _prune,
}
"""By flow; those that only compare have none, and ``sync-venues`` may have many."""

WITH_SUBJECTS = frozenset({*_SUBJECTS, "sync-venues"})
