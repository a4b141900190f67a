"""``armillary publish``: refresh one venue in Cadenza and bring it into Ptolemy, as one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.markdown import Markdown

from armillary.errors import ConfigurationError
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.feeds.loading import load_feed
from armillary.settings import Settings
from armillary.venues.published import Published, headline, refresh_lines
from cli.answers import answer_of
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api, require_server
from cli.sync import Mode, print_result, workspace_block
from cli.venues import account_block, both_configured


def publish(
    venue: str = typer.Argument(help="As Cadenza calls it, for example BINANCE."),
    symbol: list[str] = typer.Option(
        [],
        help="Limit the run to this symbol, as BTC/USDT; may be given more than once. Never "
        "archives.",
    ),
    mode: Mode = typer.Option("plan", help="plan writes nothing anywhere; apply writes."),
    approve: str = typer.Option(
        "", help="Digest of a plan whose withheld changes you looked at and let through."
    ),
    feed: Path | None = typer.Option(
        None,
        help="Feed definition (YAML, kind: cadenza) of that venue, where the usual one does not "
        "fit.",
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, "--verbose", help="Show Prefect's own log as well."),
) -> None:
    """Refresh a venue in Cadenza and bring its instruments into the configured workspace."""
    with told_plainly():
        if feed is not None:
            _check_kind(feed)  # a wrong definition is told before ten seconds of server start
        settings = both_configured()
        require_server(settings.ptolemy_concurrency_limit)
        with prefect_api(verbose=verbose):
            result = run_publish(settings, venue, symbol, mode, approve, feed)
    print_json(result.as_dict()) if as_json else print_published(result)
    raise typer.Exit(result.exit_code)


def run_publish(
    settings: Settings,
    venue: str,
    symbols: list[str],
    mode: Mode,
    approve: str = "",
    feed: Path | None = None,
) -> Published:
    """Run the flow in this process.

    Args:
        settings: which Cadenza and which workspace.
        venue: name of the venue.
        symbols: to limit the run to; none for the whole venue.
        mode: "plan" or "apply".
        approve: digest of an approved plan, or blank.
        feed: path of a feed definition of kind cadenza; None for the usual one.

    Raises:
        ArmillaryError: nothing was refreshed and nothing was written.
    """
    from flows.publish_venue import publish_venue  # noqa: PLC0415 - Prefect costs a second

    account = account_block(settings)
    with showing_progress():
        state = publish_venue(
            account,
            venue,
            workspace_block(settings),
            mode,
            symbols,
            approve,
            _feed(account, feed),
            return_state=True,
        )
    return answer_of(state, Published, Published)


def _feed(account: Any, path: Path | None) -> Any:
    if path is None:
        return None
    from blocks import CadenzaFeed  # noqa: PLC0415 - Prefect costs a second

    return CadenzaFeed.from_file(path, account)


def _check_kind(path: Path) -> None:
    definition = load_feed(path)
    if not isinstance(definition, CadenzaDefinition):
        raise ConfigurationError(
            f"{path} describes a feed of kind {definition.kind}; a venue is published from one of "
            "kind cadenza.",
            next_step="Give such a file (docs/reference/feed-definition.md), or leave --feed out.",
        )


def print_published(result: Published) -> None:
    """A result for a person: one headline, the refresh, the sync as `sync` prints it."""
    title = f"**{result.venue} into {result.workspace}: {result.state.value}.** {headline(result)}"
    out.print(Markdown(title))
    for line in refresh_lines(result):
        out.print(f"refresh in Cadenza {result.environment}: {line}", markup=False)
    if result.sync is None:
        out.print(f"sync: {result.stopped}", markup=False)
        out.print(f"run {result.run_id}", markup=False)
        return
    print_result(result.sync)
