"""A restore in words and tables, for a person at 3 a.m."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from armillary.markdown import plain
from armillary.restore.outcome import HEADLINES, RestoreResult, State

MOST_VALUE_LETTERS = 60
"""Of a value in a table."""

PLANNED_COLUMNS = {
    "rows": "rows",
    "equal": "equal",
    "differ": "differs",
    "to import": "absent",
    "to archive": "archive",
    "only there": "extra",
    "parts": "parts",
}
APPLIED_COLUMNS = {
    "rows": "rows",
    "equal before": "equal",
    "imported": "imported",
    "updated": "updated",
    "left as they are": "skipped",
    "failed": "failed",
    "archived": "archive",
    "only there": "extra",
    "parts": "parts",
    "calls": "calls",
}


def summary(result: RestoreResult) -> str:
    """The whole story of one restore as markdown."""
    parts = [
        f"# Restore of {result.backup_id}: {result.state}",
        f"**{HEADLINES[result.state]}** Backup of workspace `{result.source}`, into workspace "
        f"`{result.workspace}`, on_existing {result.on_existing or 'not chosen'}, "
        f"run `{result.run_id}`.",
    ]
    if result.stopped:
        parts.append("## Why it stopped\n\n" + result.stopped)
    if result.missing:
        parts.append(
            "## What must be there first\n\nRows of the backup have no place in the workspace "
            "yet. Create or change in Ptolemy's dashboard, exactly so:\n\n"
            + _listed(result.missing)
        )
    if result.refusals:
        parts.append("## Why nothing would be imported\n\n" + _listed(result.refusals))
    parts.append(_markdown_table(type_rows(result)))
    if result.differences:
        told = _markdown_table(difference_rows(result))
        parts.append(f"## {differences_heading(result)}\n\n{told}\n\n{where_differing(result)}")
    if result.failures:
        parts.append("## What failed (examples)\n\n" + _markdown_table(failure_rows(result)))
        parts.append(where_failed(result))
    if result.notes:
        parts.append("## Worth knowing\n\n" + _listed(result.notes))
    parts.append("## What to do next\n\n" + _listed(next_steps(result)))
    parts.append(f"{cost(result)} Record: `{result.record}`")
    return "\n\n".join(parts)


def columns(result: RestoreResult) -> dict[str, str]:
    """Heading of a table of types → the count of ``TypeResult`` under it."""
    return PLANNED_COLUMNS if result.mode == "plan" else APPLIED_COLUMNS


def type_rows(result: RestoreResult) -> list[dict[str, Any]]:
    """What became, or would become, of each type."""
    shown = columns(result)
    return [
        {"type": kind.resource_type}
        | {heading: getattr(kind, name) for heading, name in shown.items()}
        for kind in result.types
    ]


def differences_heading(result: RestoreResult) -> str:
    """What stands above the differences; they were found before anything was written."""
    differs = "differs" if result.mode == "plan" else "differed before"
    return f"What {differs} (examples)"


def difference_rows(result: RestoreResult) -> list[dict[str, Any]]:
    """Rows that are in both and not the same, with both values."""
    return [
        {
            "type": found.resource_type,
            "row": found.row,
            "field": found.field,
            "backup": short(found.backup),
            "workspace": short(found.workspace),
        }
        for found in result.differences
    ]


def failure_rows(result: RestoreResult) -> list[dict[str, Any]]:
    """Rows that could not be restored, with the reasons."""
    return [
        {"type": found.resource_type, "row": found.row, "reason": found.reason}
        for found in result.failures
    ]


def short(value: str | None) -> str:
    """A value in a table; a long one is cut."""
    if value is None:
        return "(blank)"
    return value if len(value) <= MOST_VALUE_LETTERS else value[: MOST_VALUE_LETTERS - 1] + "…"


def where_differing(result: RestoreResult) -> str:
    """Where every difference stands."""
    return f"All of them, field by field: `{result.record}/differing/`."


def where_failed(result: RestoreResult) -> str:
    """Where the rows lie that failed."""
    return (
        f"Rows that failed lie in `{result.record}/failed/`: `TYPE.json` in the form of an import, "
        "`TYPE.reasons.csv` with the reason of each, in the same order."
    )


def cost(result: RestoreResult) -> str:
    """Calls, items and time in one line."""
    calls, told = result.calls, f"Calls: {result.calls.used:,} used"
    if calls.remaining is not None:
        told += f", {calls.remaining:,} left"
    if calls.forecast is not None:
        about = "to carry it out" if result.mode == "plan" else "forecast after the comparison"
        told += f"; about {calls.forecast:,} {about}"
    items = f"Database items of the rows to import: {result.items:,}"
    if result.items_left is not None:
        items += f", {result.items_left:,} left in the plan"
    return f"{told}. {items}. Time: {result.seconds:,.0f} s."


def next_steps(result: RestoreResult, command: Sequence[str] = ()) -> list[str]:
    """What a person does next.

    Args:
        result: of the restore.
        command: the words of the command that gave it, without the mode; blank where a flow was
            started otherwise, and parameters are spoken of instead.
    """
    if result.state == State.PLANNED:
        return _after_plan(result, command)
    if result.state == State.PLANNED_WITHHELD:
        return _after_withheld(result, command)
    return _after_apply(result, command)


def _after_plan(result: RestoreResult, command: Sequence[str]) -> list[str]:
    differ, update = _sum(result, "differs"), result.on_existing == "update"
    if not _sum(result, "absent") and not (differ and update):
        kept = f" {differ:,} rows differ and would be left as they are." if differ else ""
        return [f"Nothing: no row is missing from the workspace.{kept}"]
    return [f"To carry it out: {_again(command, 'apply')}"]


def _after_withheld(result: RestoreResult, command: Sequence[str]) -> list[str]:
    more = list[str]()
    if any("--allow-source" in words for words in result.refusals):
        more.append("--allow-source")
    steps = list[str]()
    if result.missing:
        steps.append("Create or change in Ptolemy's dashboard what is listed above.")
    if any("on_existing" in words for words in result.refusals):
        for choice, means in (
            ("skip", "To leave rows that are there as they are"),
            ("update", "To bring rows that are there to the backup's content"),
        ):
            again = _again(command, "plan", *more, "--on-existing", choice)
            steps.append(f"{means}, plan again: {again}")
        return steps
    return [*steps, f"When that is mended, plan again: {_again(command, 'plan', *more)}"]


def _after_apply(result: RestoreResult, command: Sequence[str]) -> list[str]:
    skipped, steps = _sum(result, "skipped"), list[str]()
    if result.stopped:
        return [f"When what stopped it is mended: {_again(command, 'apply')}"]
    if result.failures:
        steps.append(
            f"Mend what the reasons name, then: {_again(command, 'apply')}. It imports only what "
            f"is not there yet. Or mend the rows in `{result.record}/failed/` and import those "
            "files in Ptolemy's dashboard."
        )
    if skipped:
        again = _again(command, "apply", "--on-existing", "update")
        steps.append(
            "Rows that differ were left as they are. To bring them to the backup's content: "
            f"{again}"
        )
    if not steps and result.state != State.COMPLETED:
        steps.append("Bring back by hand what is named under the notes; no call of the API can.")
    return steps or ["Nothing: the workspace was read back and is as the backup has it."]


def _again(command: Sequence[str], mode: str, *more: str) -> str:
    """The command as it would be typed; or the parameters of a run."""
    if command:
        words = list(command)
        if "--on-existing" in more and "--on-existing" in words:
            place = words.index("--on-existing")
            del words[place : place + 2]
        return f"`{shlex.join([*words, *more, '--mode', mode])}`"
    said = [f"mode {mode}"]
    if "--allow-source" in more:
        said.append("allow_source on")
    if "--on-existing" in more:
        said.append(f"on_existing {more[more.index('--on-existing') + 1]}")
    return f"start this run again with {', '.join(said)} and everything else the same"


def _sum(result: RestoreResult, name: str) -> int:
    return sum(getattr(kind, name) for kind in result.types)


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    heads = list(rows[0])
    numbers = [isinstance(rows[0][head], int) for head in heads]
    lines = [
        "| " + " | ".join(heads) + " |",
        "|" + "|".join("---:" if number else "---" for number in numbers) + "|",
    ]
    lines += ["| " + " | ".join(_cell(row[head]) for head in heads) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return plain(str(value))
