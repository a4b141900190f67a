"""``armillary backup``: a workspace into the backup store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

import typer
from rich.markdown import Markdown
from rich.table import Table

from armillary.backup.outcome import (
    EXIT_CODES,
    HEADLINES,
    BackupResult,
    State,
    size,
)
from armillary.backup.place import place_of
from armillary.errors import ConfigurationError, LeaseHeld
from armillary.settings import Settings
from cli.answers import answer_of
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api, require_server
from cli.sync import configured, workspace_block


def backup(
    resource_type: list[str] = typer.Option(
        [], help="Only this resource type; may be given more than once. All seven by default."
    ),
    include_archived: bool = typer.Option(True, help="Export archived records too."),
    format: Literal["json", "csv"] = typer.Option("json", help="Of the exported files."),  # noqa: A002
    filter: str = typer.Option("", help="Ptolemy's own filter, as JSON: a backup of a part."),  # noqa: A002
    compression: Literal["zstd", "none"] = typer.Option("zstd", help="Of the stored files."),
    accept_shrink: bool = typer.Option(
        False, "--accept-shrink", help="Count it as complete although it holds far fewer rows."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Back the workspace up into the backup store (ARMILLARY_STORE_BUCKET)."""
    with told_plainly():
        settings = configured()
        require_server(settings.ptolemy_concurrency_limit)
        asked: dict[str, Any] = {
            "resource_types": resource_type or None,
            "include_archived": include_archived,
            "format": format,
            "filter": _filter(filter),
            "compression": compression,
            "accept_shrink": accept_shrink,
        }
        with prefect_api(verbose=verbose):
            result = run_backup(settings, **asked)
    if isinstance(result, LeaseHeld):
        told = {"state": State.ALREADY_RUNNING.value, "message": str(result)}
        print_json(told) if as_json else out.print(str(result), markup=False)
        raise typer.Exit(EXIT_CODES[State.ALREADY_RUNNING])
    print_json(result.as_dict()) if as_json else print_backup(result)
    raise typer.Exit(result.exit_code)


def run_backup(settings: Settings, **asked: Any) -> BackupResult | LeaseHeld:
    """Run the flow in this process.

    Raises:
        ArmillaryError: there is no backup.
    """
    from flows.backup_workspace import backup_workspace  # noqa: PLC0415 - Prefect costs a second

    store = store_block(settings)
    with showing_progress():
        state = backup_workspace(workspace_block(settings), store, **asked, return_state=True)
    return answer_of(state, BackupResult, LeaseHeld)


def store_block(settings: Settings) -> Any:
    """The backup store of the machine's settings; credentials are the machine's own.

    Raises:
        ConfigurationError: no bucket is named.
    """
    from blocks import BackupStore  # noqa: PLC0415 - Prefect costs a second

    return BackupStore(**asdict(place_of(settings)))


def print_backup(result: BackupResult) -> None:
    """A result for a person: one headline, the files, what is wrong, the cost."""
    title = f"**Backup {result.backup_id}: {result.state.value}.** {HEADLINES[result.state]}"
    out.print(Markdown(title))
    table = Table(box=None, pad_edge=False)
    for column, justify in (
        ("type", "left"),
        ("rows", "right"),
        ("exported", "right"),
        ("stored", "right"),
        ("sha256 of the export", "left"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for file in result.files:
        table.add_row(
            file.resource_type,
            f"{file.rows:,}",
            size(file.bytes),
            size(file.stored_bytes),
            f"{file.sha256[:16]}…",
        )
    out.print(table)
    if result.continued:
        out.print("It went on with the jobs and files of a run that was interrupted.")
    for problem in result.problems:
        out.print(f"problem: {problem}", markup=False)
    out.print(f"no export covers: {', '.join(result.not_covered)}", markup=False)
    left = "" if result.calls_remaining is None else f", {result.calls_remaining:,} left"
    out.print(f"API calls: {result.calls_used:,} used{left}; {result.seconds:,.1f} seconds")
    out.print(f"place: {result.place}", markup=False)


def _filter(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--filter is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise ConfigurationError("--filter must be a JSON object.")
    return found
