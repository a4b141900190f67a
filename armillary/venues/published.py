"""What became of a venue that was to be refreshed and brought into a workspace, and the words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from armillary.errors import ArmillaryError
from armillary.sync import report
from armillary.sync.outcome import EXIT_CODES, State, SyncResult
from armillary.venues.outcome import VenueOutcome, VenueState

PLANNED_ON = (
    "Not made: a plan writes nothing anywhere, in Cadenza neither. It is made on the copy that "
    "Cadenza has now; an apply refreshes that copy first, so more may change."
)
"""What a plan says of the refresh."""


@dataclass(frozen=True)
class Published:
    """The result of a publish; its keys are public (the command's ``--json``)."""

    state: State
    mode: str
    environment: str
    """Of Cadenza: production, UAT, or where else it is."""
    venue: str
    workspace: str
    run_id: str
    symbols: tuple[str, ...] = ()
    """What the run was limited to; empty for the whole venue."""
    refresh: VenueOutcome | None = None
    """None in a plan."""
    sync: SyncResult | None = None
    """None when it was not made; ``stopped`` says why."""
    stopped: str = ""
    notes: tuple[str, ...] = ()
    cadenza_calls: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.state]


class PublishFailed(ArmillaryError):
    """A publish ended in a failed state; ``result`` says how far it came."""

    def __init__(self, message: str, result: Published, *, next_step: str = "") -> None:
        self.result = result
        super().__init__(message, next_step=next_step)


def final_state(refresh: VenueOutcome | None, sync: SyncResult | None) -> State:
    """The state by policy: that of the sync, which is only made after a refresh that is done.

    Symbols that Cadenza refused count as rejects: the others are published, and an exit code of 0
    would hide them.
    """
    if refresh is not None and refresh.state is VenueState.ALREADY_RUNNING:
        return State.ALREADY_RUNNING
    if why_no_sync(refresh) or sync is None:
        return State.FAILED
    if sync.state is State.COMPLETED and refresh is not None and refresh.rejected_symbols:
        return State.COMPLETED_WITH_REJECTS
    return sync.state


def why_no_sync(refresh: VenueOutcome | None) -> str:
    """Why nothing may be synced after this refresh; blank if it may."""
    if refresh is None or refresh.state is VenueState.COMPLETED:
        return ""
    facts = {
        VenueState.FAILED: f"Cadenza did not refresh {refresh.venue}.",
        VenueState.UNKNOWN: f"It is not known whether Cadenza has refreshed {refresh.venue}.",
        VenueState.SKIPPED: f"{refresh.venue} was not refreshed: Cadenza says it is "
        f"{refresh.status or 'not online'}.",
    }
    fact = facts.get(refresh.state, f"{refresh.venue} was not refreshed.")
    stays = "Nothing was synced: Ptolemy stays as it was."
    return " ".join(part for part in (fact, refresh.error, stays) if part)


def refreshed_only(error: ArmillaryError) -> str:
    """Why the sync was not made although the refresh was; the error itself knows of no refresh."""
    return f"Refreshed in Cadenza, but not synced into Ptolemy: {error}"


def refreshed_symbols(refresh: VenueOutcome) -> tuple[str, ...]:
    """The symbols that were asked for and not refused."""
    return tuple(symbol for symbol in refresh.symbols if symbol not in refresh.rejected_symbols)


def headline(result: Published) -> str:
    """The state in one sentence."""
    if result.sync is None:
        if result.state is State.ALREADY_RUNNING:
            return "Nothing was synced: another run is at work."
        return "Nothing was synced."
    return report.HEADLINES[result.state]


def summary(result: Published) -> str:
    """Both halves of one publish as markdown."""
    symbols = f" Only {', '.join(result.symbols)}." if result.symbols else ""
    parts = [
        f"# {result.venue} into {result.workspace}: {result.state}",
        f"**{headline(result)}** Cadenza {result.environment}, workspace `{result.workspace}`, "
        f"mode `{result.mode}`, run `{result.run_id}`.{symbols}",
        "## Refresh in Cadenza",
        "\n".join(f"- {line}" for line in refresh_lines(result)),
        "## Sync into Ptolemy",
    ]
    if result.sync is None:
        parts.append(f"Not made: {result.stopped}")
    else:
        parts.append(_deeper(report.summary(result.sync)))
    parts.append(f"Requests to Cadenza: {result.cadenza_calls:,}.")
    return "\n\n".join(parts)


def refresh_lines(result: Published) -> Iterator[str]:
    """What became of the refresh, a fact a line."""
    refresh = result.refresh
    if refresh is None:
        yield PLANNED_ON
        yield from result.notes
        return
    told = {
        "synced": refresh.synced,
        "added": refresh.added,
        "updated": refresh.updated,
    }
    counts = [f"{count:,} {words}" for words, count in told.items() if count is not None]
    tries = "" if refresh.tries <= 1 else f", {refresh.tries} tries"
    said = f": {', '.join(counts)}" if counts else ""
    yield f"{refresh.state.replace('_', ' ')}{said} ({refresh.seconds:,.1f} s{tries})"
    if refresh.error:
        yield refresh.reason
    for symbol, reason in refresh.rejected_symbols.items():
        yield f"{symbol} was refused, so it is not published: {reason}"
    yield from (*result.notes, *refresh.notes)


def _deeper(markdown: str) -> str:
    """The same text with its headings below a heading of ours."""
    return "\n".join(f"##{line}" if line.startswith("#") else line for line in markdown.split("\n"))
