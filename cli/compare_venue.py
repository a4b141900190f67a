"""``armillary compare-venue``: a venue in Cadenza beside what Ptolemy holds of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import typer
from rich.table import Table
from rich.text import Text

from armillary.settings import Settings
from armillary.venues.reconciled import (
    Against,
    VenueComparison,
    cost,
    count_rows,
    finding_rows,
    headline,
)
from cli.answers import answer_of
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api, require_server
from cli.sync import workspace_block
from cli.venues import account_block, both_configured

MOST_ROWS = 100
"""Of the table in the terminal; ``--json`` has all."""


def compare_venue(
    venue: str = typer.Argument(help="As Cadenza calls it, for example BINANCE."),
    against: Against = typer.Option(
        "instruments",
        help="instruments of a type whose field venue is this venue, or listings of a market.",
    ),
    market: str = typer.Option(
        "", help="Of the listings, by its identifier; the venue in small letters by default."
    ),
    instrument_type: str = typer.Option(
        "", help="Of the instruments, by its identifier; venue-instrument by default."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Compare a venue in Cadenza with the configured workspace. Reads only."""
    with told_plainly():
        settings = both_configured()
        require_server(settings.ptolemy_concurrency_limit)
        with prefect_api(verbose=verbose):
            result = run_compare_venue(settings, venue, against, market, instrument_type)
    print_json(result.as_dict()) if as_json else print_comparison(result)
    raise typer.Exit(result.exit_code)


def run_compare_venue(
    settings: Settings,
    venue: str,
    against: Against = "instruments",
    market: str = "",
    instrument_type: str = "",
) -> VenueComparison:
    """Run the flow in this process.

    Args:
        settings: which Cadenza and which workspace.
        venue: name of the venue.
        against: what of Ptolemy to compare with.
        market: identifier; blank for the usual one.
        instrument_type: identifier; blank for the usual one.

    Raises:
        ArmillaryError: nothing was compared.
    """
    from flows.compare_venue import compare_venue as flow  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = flow(
            account_block(settings),
            venue,
            workspace_block(settings),
            against,
            instrument_type,
            market or None,
            return_state=True,
        )
    return answer_of(state, VenueComparison, VenueComparison)


def print_comparison(result: VenueComparison) -> None:
    """What was found, for a person."""
    out.print(headline(result), markup=False)
    if not result.same:
        _print_table(count_rows(result), right={"count"})
        _print_table(finding_rows(result, MOST_ROWS))
    for note in result.findings.notes:
        out.print(f"note: {note}", markup=False)
    out.print(f"{cost(result)} Nothing was written. Run {result.run_id}.", markup=False)


def _print_table(rows: Sequence[Mapping[str, str]], right: Collection[str] = ()) -> None:
    """Cells as they are: a symbol in brackets is no markup."""
    table = Table(box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(
            Text(column), justify="right" if column in right else "left", overflow="fold"
        )
    for line in rows:
        table.add_row(*(Text(cell) for cell in line.values()))
    out.print(table)
