"""``armillary backups``, ``verify`` and ``prune``: what lies in the backup store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue, workspace_folder
from armillary.backup.listing import Overview, unfinished_as_dict, unfinished_words
from armillary.backup.place import place_of
from armillary.backup.prune import Pruned, PrunePlan
from armillary.backup.prune_report import rows as decisions
from armillary.backup.prune_report import summary
from armillary.backup.retention import Retention
from armillary.errors import LeaseHeld
from armillary.settings import Settings
from cli.answers import answer_of
from cli.backup import store_block
from cli.console import out, print_json
from cli.exits import FAILED, told_plainly
from cli.prefect_server import prefect_api
from cli.sync import Mode

PRUNE_EXIT_CODES = {
    "Completed": 0,
    "Planned": 0,
    "Withheld": 4,
    "PlannedWithheld": 4,
    "Partial": FAILED,
}
"""By the state of a pruning; 4 as for a sync that a guard held back."""

MOST_KEPT = 10_000
"""By one rule: as the form of the flow says."""

_WORKSPACE = typer.Option("", help="Slug; needed when the store holds backups of several.")
_JSON = typer.Option(False, "--json", help="One JSON object on standard output.")
_VERBOSE = typer.Option(False, "--verbose", help="Show Prefect's own log as well.")


def backups(workspace: str = _WORKSPACE, as_json: bool = _JSON) -> None:
    """List the backups that lie in the store: age, state, size, rows, proven or not."""
    with told_plainly():
        bucket = Bucket(place_of(Settings()))
        catalogue = Catalogue(bucket, workspace_folder(bucket, workspace or None))
        found = Overview(catalogue.entries())
    if as_json:
        unfinished = [unfinished_as_dict(entry) for entry in found.unfinished]
        told = {"place": catalogue.place, "backups": found.backups, "unfinished": unfinished}
        print_json(told)
        return
    out.print(found.headline, markup=False)
    if found.rows:
        print_table(found.rows, right={"rows", "stored", "age"})
    for remark in found.remarks:
        out.print(remark, markup=False)
    for begun in found.unfinished:
        out.print(unfinished_words(begun, datetime.now(UTC)), markup=False)
    out.print(f"place: {catalogue.place}", markup=False)


def prune(
    keep_last: int = typer.Option(0, min=0, max=MOST_KEPT, help="So many newest ones stay."),
    keep_daily: int = typer.Option(
        0, min=0, max=MOST_KEPT, help="The newest of each of so many days stays."
    ),
    keep_weekly: int = typer.Option(
        0, min=0, max=MOST_KEPT, help="The same for weeks, Monday to Sunday."
    ),
    keep_monthly: int = typer.Option(0, min=0, max=MOST_KEPT, help="The same for months."),
    keep_yearly: int = typer.Option(0, min=0, max=MOST_KEPT, help="The same for years."),
    zone: str = typer.Option("UTC", help="Whose midnight ends a day, as in Europe/Zurich."),
    workspace: str = _WORKSPACE,
    mode: Mode = typer.Option("plan", help="plan removes nothing; apply removes."),
    as_json: bool = _JSON,
    verbose: bool = _VERBOSE,
) -> None:
    """Remove backups that no rule keeps, and what was never finished."""
    policy: dict[str, Any] = {
        "keep_last": keep_last,
        "keep_daily": keep_daily,
        "keep_weekly": keep_weekly,
        "keep_monthly": keep_monthly,
        "keep_yearly": keep_yearly,
        "zone": zone,
    }
    with told_plainly():
        settings = Settings()
        place_of(settings)
        Retention(**policy)
        with prefect_api(verbose=verbose):
            found = run_prune(settings, policy, workspace, mode)
    if isinstance(found, LeaseHeld):
        told = {"state": "AlreadyRunning", "message": str(found)}
        print_json(told) if as_json else out.print(str(found), markup=False)
        return
    made, done = found
    state = made.state if done is None else done.state
    if as_json:
        told_done = done.as_dict() if done else None
        print_json({"state": state, "plan": made.as_dict(), "done": told_done})
    else:
        _print_pruning(made, done)
    raise typer.Exit(PRUNE_EXIT_CODES[state])


def run_prune(
    settings: Settings, policy: dict[str, Any], workspace: str, mode: Mode
) -> tuple[PrunePlan, Pruned | None] | LeaseHeld:
    """Run the flow in this process: the plan, and what was done unless it was only planned.

    Raises:
        ArmillaryError: nothing was removed.
    """
    from flows.prune_backups import prune_backups  # noqa: PLC0415 - Prefect costs a second

    state = prune_backups(
        store_block(settings), **policy, workspace=workspace or None, mode=mode, return_state=True
    )
    answer: Any = answer_of(state, tuple, LeaseHeld)
    return answer  # type: ignore[no-any-return]


def _print_pruning(made: PrunePlan, done: Pruned | None) -> None:
    found = decisions(made)
    if found:
        print_table(found)
    out.print(summary(made, done), markup=False)
    if done is None and (made.removals or made.sweeps or made.uploads):
        out.print("Nothing was removed yet: --mode apply removes.")


def print_table(rows: Sequence[Mapping[str, str]], right: Collection[str] = ()) -> None:
    """Cells as they are: a name in brackets is no markup."""
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column == "backup",  # an id is there to be copied
        )
    for line in rows:
        table.add_row(*(Text(cell) for cell in line.values()))
    out.print(table)
