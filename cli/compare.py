"""``armillary compare-backups`` and ``history``: what changed, by what lies in the backup store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import typer
from rich.table import Table
from rich.text import Text

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue, workspace_folder
from armillary.backup.place import place_of
from armillary.restore.compared import Compared, change_rows, headline, type_rows
from armillary.restore.history import History, history, moment_of, values_on
from armillary.settings import Settings
from cli.answers import answer_of
from cli.backup import store_block
from cli.console import out, print_json, showing_progress
from cli.exits import FAILED, told_plainly
from cli.prefect_server import prefect_api

_WORKSPACE = typer.Option("", help="Slug; needed when the store holds backups of several.")
_JSON = typer.Option(False, "--json", help="One JSON object on standard output.")


def compare_backups(
    first: str = typer.Argument(
        "previous",
        help="Id of the backup that changes are told from; previous is the newest complete one "
        "that is older than the other.",
    ),
    second: str = typer.Argument("latest", help="Id; latest is the newest complete one."),
    workspace: str = _WORKSPACE,
    as_json: bool = _JSON,
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Compare two backups of one workspace: what was added, removed, changed, archived."""
    with told_plainly():
        settings = Settings()
        place_of(settings)  # what is wrong here is told before ten seconds of server start
        with prefect_api(verbose=verbose):
            result = run_compare(settings, first, second, workspace)
    print_json(result.as_dict()) if as_json else print_compared(result)


def run_compare(
    settings: Settings, first: str = "previous", second: str = "latest", workspace: str = ""
) -> Compared:
    """Run the flow in this process.

    Raises:
        ArmillaryError: they could not be compared.
    """
    from flows.compare_backups import compare_backups as flow  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = flow(store_block(settings), first, second, workspace or None, return_state=True)
    return answer_of(state, Compared, Compared)


def print_compared(result: Compared) -> None:
    """What was found, for a person."""
    out.print(headline(result), markup=False)
    _print_table(type_rows(result), right={"rows", "added", "removed", "changed"})
    if result.changes:
        out.print("The largest changes of numbers, then examples of all others:")
        _print_table(change_rows(result), right={"by"})
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    out.print(f"place: {result.place}", markup=False)


def follow(
    identifier: str = typer.Argument(help="Of the instrument."),
    on: str = typer.Option(
        "", help="Only its values at the end of this day, as in 2026-03-31; or at a time."
    ),
    backup_count: int = typer.Option(
        0, min=0, help="Look only into so many of the newest backups; 0 for all."
    ),
    workspace: str = _WORKSPACE,
    as_json: bool = _JSON,
) -> None:
    """Follow one instrument through the backups: what changed, and when."""
    with told_plainly():
        moment = moment_of(on) if on else None
        bucket = Bucket(place_of(Settings()))
        catalogue = Catalogue(bucket, workspace_folder(bucket, workspace or None))
        with showing_progress():
            if moment is None:
                found = history(bucket, catalogue, identifier, backup_count)
            else:
                found = values_on(bucket, catalogue, identifier, moment)
    print_json(found.as_dict()) if as_json else print_history(found, at_once=moment is not None)
    raise typer.Exit(FAILED if found.not_read else 0)


def print_history(found: History, *, at_once: bool) -> None:
    """Values, then changes, for a person."""
    looked = "the backup that counts then" if at_once else "the oldest backup that holds it"
    out.print(f"{found.identifier} in {found.values_of}, {looked}:", markup=False)
    _print_table([{"field": name, "value": value} for name, value in found.values.items()])
    if found.steps:
        out.print("After that:" if not at_once else "In the next backup:")
        _print_table(
            [
                {
                    "since backup": step.backup_id,
                    "field": step.field,
                    "before": step.before or "",
                    "after": step.after or "",
                }
                for step in found.steps
            ]
        )
    else:
        out.print(_unchanged(found, at_once=at_once), markup=False)
    for problem in found.not_read:
        out.print(f"not read: {problem}", markup=False)
    for note in found.notes:
        out.print(f"note: {note}", markup=False)
    out.print(f"place: {found.place}", markup=False)


def _unchanged(found: History, *, at_once: bool) -> str:
    last = found.backups[-1]
    if last == found.values_of:
        return "There is no newer backup yet: it may have changed since."
    if at_once:
        return f"The next backup, {last}, has the same."
    return f"Nothing changed up to {last}."


def _print_table(rows: Sequence[Mapping[str, str]], right: Collection[str] = ()) -> None:
    """Cells as they are: a name in brackets is no markup."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(
            Text(column),
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column == "since backup",  # an id is there to be copied
        )
    for line in rows:
        table.add_row(*(Text(cell) for cell in line.values()))
    out.print(table)
