"""``armillary venues``: refresh venues in Cadenza, all of them or one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from armillary.errors import ConfigurationError
from armillary.settings import Settings
from armillary.venues.outcome import HEADLINES, VenueOutcome, VenuesResult, VenueState
from cli.answers import answer_of
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api
from cli.sync import configured


def venues(
    venue: list[str] = typer.Option(
        [], help="Only this venue; may be given more than once. All that are online by default."
    ),
    symbol: list[str] = typer.Option(
        [],
        help="Only this symbol of the one venue, as BTC/USDT; may be given more than once.",
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Refresh Cadenza's copy of the instruments of venues."""
    with told_plainly():
        settings = cadenza_configured()
        with prefect_api(verbose=verbose):
            result = run_venues(settings, venue, symbol)
    print_json(result.as_dict()) if as_json else print_venues(result)
    raise typer.Exit(result.exit_code)


def run_venues(settings: Settings, venues: list[str], symbols: list[str]) -> VenuesResult:
    """Run the flow in this process.

    Args:
        settings: which Cadenza, and as whom.
        venues: names; none for every venue that is online.
        symbols: of the one venue; none for all.

    Raises:
        ArmillaryError: no venue was touched.
    """
    from flows.sync_venues import sync_venues  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = sync_venues(
            account_block(settings), venues or None, symbols or None, return_state=True
        )
    return answer_of(state, VenuesResult, VenuesResult)


def cadenza_configured(settings: Settings | None = None) -> Settings:
    """The machine's settings, or an error that names what is missing for Cadenza."""
    settings = settings or Settings()
    missing = missing_for_cadenza(settings)
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set in the environment, or ARMILLARY_CADENZA_TOKEN "
            "alone.",
            next_step="docs/reference/settings.md says what each is; `armillary demo` needs no "
            "account.",
        )
    return settings


def both_configured() -> Settings:
    """The machine's settings, or one error that names what is missing for either service."""
    errors: list[ConfigurationError] = []
    for ask in tuple[Callable[[], Settings], ...]((configured, cadenza_configured)):
        try:
            ask()
        except ConfigurationError as error:
            errors.append(error)
    if errors:
        raise ConfigurationError(
            " ".join(error.message for error in errors),
            next_step=" ".join(error.advice for error in errors),
        )
    return Settings()


def missing_for_cadenza(settings: Settings) -> list[str]:
    """Names of the variables without which there is no log-in; a token needs none of them."""
    if settings.cadenza_token.get_secret_value():
        return []
    values = {
        "ARMILLARY_CADENZA_EMAIL": settings.cadenza_email,
        "ARMILLARY_CADENZA_PASSWORD": settings.cadenza_password.get_secret_value(),
    }
    return [name for name, value in values.items() if not value]


def account_block(settings: Settings) -> Any:
    """The Cadenza account of the machine's settings."""
    from blocks import CadenzaAccount  # noqa: PLC0415 - Prefect costs a second

    return CadenzaAccount(
        url=settings.cadenza_url,
        email=settings.cadenza_email,
        password=settings.cadenza_password,
        token=settings.cadenza_token,
    )


def print_venues(result: VenuesResult) -> None:
    """A result for a person: one headline, every venue, what to do next."""
    title = f"**Venues in {result.environment}: {result.state.value}.** {HEADLINES[result.state]}"
    out.print(Markdown(title))
    if len(result.venues) == 1 and result.venues[0].symbols:
        out.print(f"only these symbols: {', '.join(result.venues[0].symbols)}", markup=False)
    if result.stopped:
        out.print(result.stopped, markup=False)
    out.print(_table(result))
    for outcome in result.venues:
        for line in _lines(outcome):
            out.print(f"{outcome.venue}: {line}", markup=False)
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    if result.again_command:
        out.print(f"only what is missing, again: {result.again_command}", markup=False)
    out.print(
        f"requests to Cadenza: {result.calls:,}; {result.seconds:,.1f} seconds; run "
        f"{result.run_id}",
        markup=False,
    )


def _lines(outcome: VenueOutcome) -> list[str]:
    # Why a venue was not attempted stands above the table, once.
    untouched = outcome.state is VenueState.NOT_ATTEMPTED
    errors = [outcome.reason] if outcome.error and not untouched else []
    refused = [f"{symbol} was refused: {why}" for symbol, why in outcome.rejected_symbols.items()]
    return [*errors, *refused, *(f"note: {note}" for note in outcome.notes)]


def _table(result: VenuesResult) -> Table:
    """Cells as they are: what a service calls its venues is no markup."""
    table = Table("venue", "state", box=None, pad_edge=False)
    for heading in ("synced", "added", "updated", "seconds"):
        table.add_column(heading, justify="right")
    for outcome in result.venues:
        table.add_row(
            Text(outcome.venue),
            Text(_state(outcome)),
            *("" if count is None else f"{count:,}" for count in _counts(outcome)),
            f"{outcome.seconds:,.1f}" if outcome.tries else "",
        )
    return table


def _state(outcome: VenueOutcome) -> str:
    words = outcome.state.value.replace("_", " ")
    return words if outcome.tries or not outcome.status else f"{words} ({outcome.status})"


def _counts(outcome: VenueOutcome) -> tuple[int | None, int | None, int | None]:
    return outcome.synced, outcome.added, outcome.updated
