"""A sync in words, for a person who has one minute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from armillary.markdown import plain
from armillary.sync.forecast import RUNS_A_MONTH
from armillary.sync.outcome import State, SyncResult
from armillary.sync.plan import KINDS

HEADLINES = {
    State.COMPLETED: "Done: every planned change is applied.",
    State.ALREADY_RUNNING: "Nothing was done: another run is at work.",
    State.COMPLETED_WITH_REJECTS: "Done, except for rejected records.",
    State.WITHHELD: "Done, except for what a guard withheld.",
    State.PLANNED: "Planned only: nothing was written.",
    State.PLANNED_WITHHELD: "Planned only: nothing was written, and a guard would withhold a part.",
    State.TOO_MANY_REJECTS: "Stopped: too much was rejected.",
    State.FAILED: "Some changes are not done; the reasons are below.",
}


APPROVABLE = frozenset({State.WITHHELD, State.PLANNED_WITHHELD})
"""The states in which an approval would let something through."""


def summary(result: SyncResult) -> str:
    """The whole story of one sync as markdown."""
    parts = [
        f"# {result.feed}: {result.state}",
        f"**{HEADLINES[result.state]}** Workspace `{result.workspace}`, mode `{result.mode}`, run "
        f"`{result.run_id}`.",
    ]
    if result.stopped:
        parts.append(f"**Why it stopped:** {plain(result.stopped)}")
    parts.append(_counts(result))
    parts += _section("Withheld by a guard", result.withheld_because.items())
    if result.state in APPROVABLE:
        parts.append(approval(result))
    parts += _section("Rejected, by reason", ((told, "") for told in rejected(result)))
    parts += _section("Not known to be done, by reason", result.unknown_because.items())
    parts += _section("Notes", ((warning, "") for warning in result.warnings))
    parts += [_calls(result), *route_told(result)]
    parts.append(f"Plan digest: `{result.digest}`\n\nRun record: `{result.record}`")
    return "\n\n".join(part for part in parts if part)


def rejected(result: SyncResult) -> Iterator[str]:
    """Each reason, with how often it came and one example."""
    for reason, count in result.rejected_because.items():
        example = result.rejected_examples[reason]
        often = "once" if count == 1 else f"{count:,} times"
        yield f"{often}: {reason.removesuffix('.')}. For example: {example}."


def approval(result: SyncResult) -> str:
    """How a person lets withheld changes through, in so many words."""
    return (
        "If the withheld changes are right, approve this very plan within 24 hours. From the "
        f"form: mode `apply`, approve `{result.digest}`. As a command:\n\n"
        f"`{result.approve_command}`\n\n"
        "Only changes of this plan go through."
    )


def _counts(result: SyncResult) -> str:
    rows = ["| change | planned | applied | withheld |", "|---|---:|---:|---:|"]
    rows += [
        f"| {kind} | {result.planned.get(kind, 0):,} | {result.applied.get(kind, 0):,} "
        f"| {result.withheld.get(kind, 0):,} |"
        for kind in KINDS
    ]
    rest = {
        "of the updates, renames": result.renames["planned"],
        "unchanged": result.unchanged,
        "held (neither changed nor archived)": result.held,
        "missing from the feed, kept": result.missing_kept,
        "rows of the source rejected": result.rejected_rows,
        "changes rejected by Ptolemy": result.rejected,
        "not attempted": result.not_attempted if result.mode == "apply" else 0,
        "unknown": result.unknown,
    }
    told = [f"- {words}: {count:,}" for words, count in rest.items() if count]
    return "\n".join(rows) + ("\n\n" + "\n".join(told) if told else "")


def _section(title: str, entries: Iterable[tuple[str, Any]]) -> list[str]:
    lines = ["- " + plain(f"{key}: {value}" if value != "" else key) for key, value in entries]
    return [f"## {title}", "\n".join(lines)] if lines else []


def route_told(result: SyncResult) -> list[str]:
    """Which way changes are written, what either way costs, and what a month of it would."""
    route, calls = result.route, result.calls
    if route is None:
        return []
    ways = {"one by one": route["one_by_one"], "in bulk": route["bulk"]}
    costs = " and ".join(
        f"{cost['calls']:,} calls and about {cost['seconds']:,} s {way}"
        for way, cost in ways.items()
        if cost
    )
    chosen = "in bulk, by import jobs" if route["in_bulk"] else "one by one"
    left = "" if calls.remaining is None else f"; {calls.remaining:,} are left"
    return [
        f"Changes are written {chosen}: {route['because']}. Writing takes {costs}, if Ptolemy is "
        f"as fast as is assumed here. The workspace was read {route['reading']}.",
        f"{RUNS_A_MONTH} such runs, one each weekday of a month, would take {calls.month:,} calls"
        f"{left}. How often this feed really runs is not known here.",
    ]


def _calls(result: SyncResult) -> str:
    calls = result.calls
    left = "an unknown number is" if calls.remaining is None else f"{calls.remaining:,} are"
    webhooks = (
        f", and its writes cause {calls.deliveries:,} webhook deliveries, which count too"
        if calls.deliveries
        else ""
    )
    return (
        f"API calls: {calls.used:,} used; a whole run takes {calls.forecast:,}{webhooks}; {left} "
        f"left in the billing period. The vendor guide's loop would take {calls.guide:,}."
    )
