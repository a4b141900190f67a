"""``armillary backups``, ``verify`` and ``prune``: what lies in the backup store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import typer
from rich.table import Table

from armillary.backup.catalogue import Backup, Catalogue, UnfinishedBackup, workspace_folder
from armillary.backup.listing import COLUMNS, as_dict, headline, row, unfinished_words
from armillary.backup.prune import Pruned, PrunePlan
from armillary.backup.prune_report import rows as decisions
from armillary.backup.prune_report import summary
from armillary.backup.verified import VerificationFailed, Verified, verified_message
from armillary.errors import ArmillaryError, LeaseHeld
from armillary.settings import Settings
from cli.backup import store_block
from cli.console import out, print_json, showing_progress
from cli.exits import FAILED, told_plainly
from cli.prefect_server import prefect_api
from cli.sync import Mode

WITHHELD = 4
"""The same code as a sync that a guard held back."""

_WORKSPACE = typer.Option("", help="Slug; needed when the store holds backups of several.")
_JSON = typer.Option(False, "--json", help="One JSON object on standard output.")
_VERBOSE = typer.Option(False, "--verbose", help="Show Prefect's own log as well.")


def backups(workspace: str = _WORKSPACE, as_json: bool = _JSON) -> None:
    """List the backups that lie in the store: age, state, size, rows, proven or not."""
    with told_plainly():
        bucket = store_block(Settings()).open()
        catalogue = Catalogue(bucket, workspace_folder(bucket, workspace or None))
        entries = list(catalogue.entries())
        listed = [entry for entry in entries if isinstance(entry, Backup)]
        unfinished = [entry for entry in entries if isinstance(entry, UnfinishedBackup)]
    if as_json:
        print_json(
            {
                "place": catalogue.place,
                "backups": [as_dict(entry) for entry in listed],
                "unfinished": [entry.backup_id for entry in unfinished],
            }
        )
        return
    out.print(headline(listed), markup=False)
    if listed:
        table = Table(box=None, pad_edge=False)
        for column in COLUMNS:
            justify: Any = "right" if column in {"rows", "stored", "age"} else "left"
            table.add_column(column, justify=justify)
        for entry in listed:
            table.add_row(*row(entry).values())
        out.print(table)
    for begun in unfinished:
        out.print(unfinished_words(begun, datetime.now(UTC)), markup=False)
    out.print(f"place: {catalogue.place}", markup=False)


def verify(
    backup: str = typer.Option("latest", help="Id; latest is the newest complete one."),
    depth: Literal["present", "content"] = typer.Option(
        "content", help="Ask the store about each file, or read the files back."
    ),
    slice: str = typer.Option("", help="As in 2/7: read only this part of the files."),  # noqa: A002
    workspace: str = _WORKSPACE,
    as_json: bool = _JSON,
    verbose: bool = _VERBOSE,
) -> None:
    """Verify that a backup is still what was written."""
    with told_plainly():
        settings = Settings()
        store_block(settings)  # a missing bucket is told before ten seconds of server start
        with prefect_api(verbose=verbose):
            result = run_verify(settings, backup, depth, slice, workspace)
    print_json(result.as_dict()) if as_json else print_verified(result)
    raise typer.Exit(result.exit_code)


def run_verify(
    settings: Settings,
    backup: str = "latest",
    depth: Literal["present", "content"] = "content",
    slice: str = "",  # noqa: A002
    workspace: str = "",
) -> Verified:
    """Run the flow in this process.

    Raises:
        ArmillaryError: nothing could be said of the backup.
    """
    from flows.verify_backup import verify_backup  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = verify_backup(
            store_block(settings), backup, depth, slice or None, workspace or None,
            return_state=True,
        )  # fmt: skip
    answer = state.result(raise_on_failure=False)
    if isinstance(answer, VerificationFailed):
        return answer.result
    if isinstance(answer, Verified):
        return answer
    if isinstance(answer, BaseException):
        raise answer
    raise ArmillaryError(f"The run ended {state.name}: {state.message}")


def print_verified(result: Verified) -> None:
    """What was found, for a person."""
    out.print(verified_message(result), markup=False)
    for problem in result.problems:
        out.print(f"problem: {problem.key}: {problem.what}", markup=False)
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    out.print("proven by a restore" if result.proven else "not proven by a restore")
    out.print(f"place: {result.place}", markup=False)


def prune(
    keep_last: int = typer.Option(0, min=0, help="So many newest ones stay."),
    keep_daily: int = typer.Option(0, min=0, help="The newest of each of so many days stays."),
    keep_weekly: int = typer.Option(0, min=0, help="The same for weeks, Monday to Sunday."),
    keep_monthly: int = typer.Option(0, min=0, help="The same for months."),
    keep_yearly: int = typer.Option(0, min=0, help="The same for years."),
    zone: str = typer.Option("UTC", help="Whose midnight ends a day, as in Europe/Zurich."),
    workspace: str = _WORKSPACE,
    mode: Mode = typer.Option("plan", help="plan removes nothing; apply removes."),
    as_json: bool = _JSON,
    verbose: bool = _VERBOSE,
) -> None:
    """Remove backups that no rule keeps, and what was never finished."""
    policy = {
        "keep_last": keep_last,
        "keep_daily": keep_daily,
        "keep_weekly": keep_weekly,
        "keep_monthly": keep_monthly,
        "keep_yearly": keep_yearly,
        "zone": zone,
    }
    with told_plainly():
        settings = Settings()
        store_block(settings)
        with prefect_api(verbose=verbose):
            found = run_prune(settings, policy, workspace, mode)
    if isinstance(found, LeaseHeld):
        told = {"state": "AlreadyRunning", "message": str(found)}
        print_json(told) if as_json else out.print(str(found), markup=False)
        return
    made, done = found
    if as_json:
        print_json({"plan": made.as_dict(), "done": done.as_dict() if done else None})
    else:
        _print_pruning(made, done)
    if made.withheld:
        raise typer.Exit(WITHHELD)
    if done is not None and done.failed:
        raise typer.Exit(FAILED)


def run_prune(
    settings: Settings, policy: dict[str, Any], workspace: str, mode: Mode
) -> tuple[PrunePlan, Pruned | None] | LeaseHeld:
    """Run the flow in this process.

    Raises:
        ArmillaryError: nothing was removed.
    """
    from flows.prune_backups import prune_backups  # noqa: PLC0415 - Prefect costs a second

    state = prune_backups(
        store_block(settings), **policy, workspace=workspace or None, mode=mode, return_state=True
    )
    answer: Any = state.result(raise_on_failure=False)
    if isinstance(answer, BaseException) and not isinstance(answer, LeaseHeld):
        raise answer
    return answer  # type: ignore[no-any-return]


def _print_pruning(made: PrunePlan, done: Pruned | None) -> None:
    found = decisions(made)
    if found:
        table = Table(box=None, pad_edge=False)
        for column in found[0]:
            table.add_column(column, overflow="fold")
        for line in found:
            table.add_row(*line.values())
        out.print(table)
    out.print(summary(made, done), markup=False)
    if done is None and (made.removals or made.sweeps or made.uploads):
        out.print("Nothing was removed yet: --mode apply removes.")
