"""``armillary restore``: a backup back into a workspace, planned first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from armillary.backup.place import place_of
from armillary.errors import LeaseHeld
from armillary.restore.outcome import (
    EXIT_CODES,
    HEADLINES,
    OnExisting,
    RestoreResult,
    State,
)
from armillary.restore.report import (
    cost,
    difference_rows,
    differences_heading,
    failure_rows,
    next_steps,
    type_rows,
    where_differing,
    where_failed,
)
from armillary.restore.selection import Selection
from armillary.settings import Settings
from cli.answers import answer_of
from cli.backup import store_block
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api, require_server
from cli.sync import Mode, configured, workspace_block


def restore(
    into: str = typer.Option(
        ...,
        help="Slug or UUID of the workspace to restore into, typed once more: the configured one.",
        show_default=False,
    ),
    backup: str = typer.Option("latest", help="Id; latest is the newest complete one."),
    resource_type: list[str] = typer.Option(
        [], help="Only this resource type; may be given more than once. All by default."
    ),
    identifier: list[str] = typer.Option(
        [],
        help="Only this instrument, with what hangs on it; may be given more than once.",
    ),
    on_existing: Literal["skip", "update", "fail"] | None = typer.Option(
        None,
        help="What becomes of rows that are there and differ: left, brought to the backup's "
        "content, or nothing at all is imported. Needed when the workspace is not empty.",
    ),
    allow_source: bool = typer.Option(
        False, "--allow-source", help="The workspace may be the one that the backup is of."
    ),
    mode: Mode = typer.Option("plan", help="plan writes nothing; apply writes."),
    workspace: str = typer.Option(
        "",
        help="Slug of the workspace that the backup is of; needed when the store holds backups of "
        "several.",
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Restore a backup into the configured workspace."""
    with told_plainly():
        settings = configured()
        place_of(settings)  # what is wrong here is told before ten seconds of server start
        Selection.of(resource_type, identifier)
        require_server(settings.ptolemy_concurrency_limit)
        asked: dict[str, Any] = {
            "into": into,
            "backup": backup,
            "resource_types": resource_type or None,
            "identifiers": identifier or None,
            "on_existing": on_existing,
            "allow_source": allow_source,
            "workspace": workspace or None,
        }
        with prefect_api(verbose=verbose):
            result = run_restore(settings, mode=mode, **asked)
    if isinstance(result, LeaseHeld):
        told = {"state": State.ALREADY_RUNNING.value, "message": str(result)}
        print_json(told) if as_json else out.print(str(result), markup=False)
        raise typer.Exit(EXIT_CODES[State.ALREADY_RUNNING])
    if as_json:
        print_json(result.as_dict())
    else:
        asked["backup"] = result.backup_id  # a newer one may be the latest by then
        print_restore(result, command_of(**asked))
    raise typer.Exit(result.exit_code)


def run_restore(settings: Settings, **asked: Any) -> RestoreResult | LeaseHeld:
    """Run the flow in this process.

    Raises:
        ArmillaryError: nothing was imported, or what was is not known.
    """
    from flows.restore_workspace import restore_workspace  # noqa: PLC0415 - Prefect costs a second

    store, target = store_block(settings), workspace_block(settings)
    with showing_progress():
        state = restore_workspace(store, target, **asked, return_state=True)
    return answer_of(state, RestoreResult, LeaseHeld)


def command_of(
    *,
    into: str,
    backup: str,
    resource_types: Sequence[str] | None = None,
    identifiers: Sequence[str] | None = None,
    on_existing: OnExisting | None = None,
    allow_source: bool = False,
    workspace: str | None = None,
) -> list[str]:
    """The words of a command that asks for the same, without the mode."""
    words = ["armillary", "restore", "--into", into, "--backup", backup]
    for kind in resource_types or ():
        words += ["--resource-type", kind]
    for name in identifiers or ():
        words += ["--identifier", name]
    if on_existing is not None:
        words += ["--on-existing", on_existing]
    if allow_source:
        words.append("--allow-source")
    if workspace:
        words += ["--workspace", workspace]
    return words


def print_restore(result: RestoreResult, command: Sequence[str]) -> None:
    """A result for a person: one headline, what stands against it, the types, what to do next."""
    title = f"**Restore of {result.backup_id}: {result.state.value}.** {HEADLINES[result.state]}"
    out.print(Markdown(title))
    out.print(f"from {result.source} into {result.workspace}", markup=False)
    if result.stopped:
        out.print(f"stopped: {result.stopped}", markup=False)
    _print_table(type_rows(result))
    for line in result.missing:
        out.print(f"needed first: {line}", markup=False)
    for line in result.refusals:
        out.print(f"against it: {line}", markup=False)
    if result.differences:
        out.print(f"{differences_heading(result)}:")
        _print_table(difference_rows(result))
        out.print(where_differing(result), markup=False)
    if result.failures:
        out.print("What failed (examples):")
        _print_table(failure_rows(result))
        out.print(where_failed(result), markup=False)
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    out.print(cost(result), markup=False)
    out.print(f"record: {result.record}", markup=False)
    for step in next_steps(result, command):
        out.print(f"next: {step}", markup=False)


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Cells as they are: a name in brackets is no markup."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for column, first in rows[0].items():
        table.add_column(
            column, justify="right" if isinstance(first, int) else "left", overflow="fold"
        )
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row.values())
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
