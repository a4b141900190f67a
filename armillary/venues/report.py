"""A refresh of venues in words, for a person who has one minute."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from armillary.markdown import plain
from armillary.venues.outcome import (
    HEADLINES,
    TO_REPEAT,
    VenueOutcome,
    VenuesResult,
    VenueState,
    counted,
)

FIRST_TO_LOOK_AT = (
    VenueState.FAILED,
    VenueState.UNKNOWN,
    VenueState.NOT_ATTEMPTED,
    VenueState.COMPLETED,
    VenueState.ALREADY_RUNNING,
    VenueState.SKIPPED,
)


def summary(result: VenuesResult) -> str:
    """The whole story of one refresh as markdown."""
    parts = [
        f"# Venues in {result.environment}: {result.state}",
        f"**{HEADLINES[result.state]}** Cadenza: {result.environment}. {counted(result)}. Run "
        f"`{result.run_id}`.",
    ]
    if len(result.venues) == 1 and result.venues[0].symbols:
        parts.append(f"Only these symbols: {', '.join(result.venues[0].symbols)}.")
    if result.stopped:
        parts.append(f"**Why it stopped:** {result.stopped}")
    parts.append(_table(result))
    parts += _section("What went wrong", _errors(result))
    parts += _section("Notes", [*result.notes, *_notes(result)])
    parts.append(f"Calls: {result.calls:,}. Time: {result.seconds:,.0f} s.")
    if result.again_command:
        parts.append(f"To refresh only what is missing:\n\n`{result.again_command}`")
    return "\n\n".join(parts)


def rows(result: VenuesResult) -> list[dict[str, Any]]:
    """One row per venue; what needs a look comes first."""
    return [
        {
            "venue": outcome.venue,
            "state": outcome.state.value.replace("_", " "),
            "synced": _number(outcome.synced),
            "added": _number(outcome.added),
            "updated": _number(outcome.updated),
            "seconds": round(outcome.seconds, 1),
            "tries": outcome.tries,
            "error": " ".join([outcome.error, *_rejected(outcome)]).strip(),
            "notes": " ".join(outcome.notes),
        }
        for outcome in _sorted(result)
    ]


def again_command(
    outcomes: Sequence[VenueOutcome],
    deployment: str = "",
    account: Mapping[str, Any] | None = None,
) -> str:
    """What a person types to refresh only what is missing; blank when nothing is.

    Args:
        outcomes: of the run.
        deployment: ``<flow>/<deployment>`` it was started by; blank when it was started by hand.
        account: reference to the account's block: a schedule may have named another one than the
            deployment does, of UAT and not of production.
    """
    again = [each for each in outcomes if each.state in TO_REPEAT or each.rejected_symbols]
    if not again:
        return ""
    venues = [outcome.venue for outcome in again]
    symbols = _symbols_again(again[0]) if len(again) == 1 else []
    if not deployment:
        words = ["armillary", "venues"]
        for option, values in (("--venue", venues), ("--symbol", symbols)):
            words += [word for value in values for word in (option, value)]
        return shlex.join(words)
    words = ["prefect", "deployment", "run", deployment, "--param", _parameter("venues", venues)]
    if symbols:
        words += ["--param", _parameter("symbols", symbols)]
    if account:
        words += ["--param", _parameter("account", account)]
    return shlex.join(words)


def _symbols_again(outcome: VenueOutcome) -> list[str]:
    if outcome.state is VenueState.COMPLETED:
        return list(outcome.rejected_symbols)
    return list(outcome.symbols)


def _parameter(name: str, value: Any) -> str:
    return f"{name}={json.dumps(value, separators=(',', ':'))}"


def _sorted(result: VenuesResult) -> list[VenueOutcome]:
    return sorted(
        result.venues,
        key=lambda each: (not each.rejected_symbols, FIRST_TO_LOOK_AT.index(each.state)),
    )


def _table(result: VenuesResult) -> str:
    lines = [
        "| venue | state | synced | added | updated | seconds |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['venue']} | {row['state']} | {row['synced']} | {row['added']} | {row['updated']} "
        f"| {row['seconds']:,} |"
        for row in rows(result)
    ]
    return "\n".join(lines)


def _errors(result: VenuesResult) -> list[str]:
    return [
        f"{outcome.venue}: {' '.join([outcome.error, *_rejected(outcome)]).strip()}"
        for outcome in _sorted(result)
        if outcome.state not in {VenueState.NOT_ATTEMPTED, VenueState.ALREADY_RUNNING}
        and (outcome.error or outcome.rejected_symbols)
    ]


def _notes(result: VenuesResult) -> list[str]:
    """What is no fault; another run's work on a venue is told here."""
    return [
        f"{outcome.venue}: {note}"
        for outcome in result.venues
        for note in (
            *([outcome.error] if outcome.state is VenueState.ALREADY_RUNNING else []),
            *outcome.notes,
        )
    ]


def _rejected(outcome: VenueOutcome) -> list[str]:
    return [
        f"{symbol} was refused: {why.removesuffix('.')}."
        for symbol, why in outcome.rejected_symbols.items()
    ]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    listed = "\n".join(f"- {plain(line)}" for line in lines)
    return [f"## {title}\n\n{listed}"] if lines else []


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
