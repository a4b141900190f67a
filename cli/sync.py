"""``armillary sync`` and ``revert``: the flows of the schedules, run in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from armillary.errors import ConfigurationError, LeaseHeld
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.loading import AnyDefinition, load_feed
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.sql_definition import SqlDefinition
from armillary.settings import Settings
from armillary.sync.outcome import EXIT_CODES, State, SyncResult
from armillary.sync.plan import KINDS
from armillary.sync.report import APPROVABLE, HEADLINES, approval, rejected, route_told
from cli.answers import answer_of
from cli.console import out, print_json, showing_progress
from cli.exits import told_plainly
from cli.prefect_server import prefect_api, require_server

Mode = Literal["plan", "apply"]


def sync(
    feed: Path = typer.Option(..., help="Feed definition (YAML).", show_default=False),
    mode: Mode = typer.Option("plan", help="plan writes nothing; apply writes."),
    only: list[str] = typer.Option(
        [], help="Limit the run to this identifier; may be given more than once. Never archives."
    ),
    approve: str = typer.Option(
        "", help="Digest of a plan whose withheld changes you looked at and let through."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, help="Show Prefect's own log as well."),
) -> None:
    """Bring a feed's instruments into the configured workspace."""
    with told_plainly():
        # A wrong definition or a missing setting is told before ten seconds of server start.
        settings = configured_for(load_feed(feed))
        require_server(settings.ptolemy_concurrency_limit)
        with prefect_api(verbose=verbose):
            result = run_sync(settings, feed, mode, only, approve)
    finish(result, as_json=as_json)


def revert(
    run_id: str = typer.Argument(help="The run to undo, as its report names it."),
    mode: Mode = typer.Option("plan", help="plan writes nothing; apply writes."),
    approve: str = typer.Option(
        "", help="Digest of a plan whose withheld changes you let through."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    verbose: bool = typer.Option(False, help="Show Prefect's own log as well."),
) -> None:
    """Undo what one run changed, where nobody has changed it since."""
    with told_plainly():
        settings = configured()
        require_server(settings.ptolemy_concurrency_limit)
        with prefect_api(verbose=verbose):
            result = run_revert(settings, run_id, mode, approve)
    finish(result, as_json=as_json)


def finish(result: SyncResult | LeaseHeld, *, as_json: bool) -> NoReturn:
    """Print what came of a run and end with its exit code."""
    if isinstance(result, LeaseHeld):
        if as_json:
            print_json({"state": State.ALREADY_RUNNING, "message": str(result)})
        else:
            out.print(str(result), markup=False)
        raise typer.Exit(EXIT_CODES[State.ALREADY_RUNNING])
    if as_json:
        print_json(result.as_dict())
    else:
        print_result(result)
    raise typer.Exit(result.exit_code)


def configured() -> Settings:
    """The machine's settings, or an error that names every missing one."""
    settings = Settings()
    missing = [
        name
        for name, value in {
            "ARMILLARY_PTOLEMY_WORKSPACE": settings.ptolemy_workspace,
            "ARMILLARY_PTOLEMY_TOKEN": settings.ptolemy_token.get_secret_value(),
        }.items()
        if not value
    ]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set in the environment.",
            next_step="See docs/guides/first-sync.md, or run `armillary demo` to try without a "
            "workspace.",
        )
    return settings


def configured_for(definition: FeedDefinition) -> Settings:
    """The machine's settings, or an error that names what is missing to sync this feed."""
    if isinstance(definition, CadenzaDefinition):
        from cli.venues import both_configured  # noqa: PLC0415 - which itself needs this module

        return both_configured()
    return configured()


def run_sync(
    settings: Settings, feed: Path, mode: Mode, only: list[str], approve: str = "", **changed: Any
) -> SyncResult | LeaseHeld:
    """Run the flow in this process.

    Args:
        settings: where and with which token.
        feed: path of the feed definition.
        mode: "plan" or "apply".
        only: identifiers to limit the run to.
        approve: digest of an approved plan, or blank.
        **changed: fields of the feed to replace, for example ``url``.

    Raises:
        ArmillaryError: no plan could be made; nothing was written.
    """
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = sync_instruments(
            workspace_block(settings),
            feed_block(settings, load_feed(feed), **changed),
            mode,
            only or None,
            approve or None,
            return_state=True,
        )
    return answer_of(state, SyncResult, LeaseHeld)


def run_revert(
    settings: Settings, run_id: str, mode: Mode, approve: str = ""
) -> SyncResult | LeaseHeld:
    """Run the flow that undoes a run, in this process.

    Raises:
        ArmillaryError: no plan could be made; nothing was written.
    """
    from flows.revert_run import revert_run  # noqa: PLC0415 - Prefect costs a second

    with showing_progress():
        state = revert_run(
            workspace_block(settings), run_id, mode, approve or None, return_state=True
        )
    return answer_of(state, SyncResult, LeaseHeld)


def workspace_block(settings: Settings) -> Any:
    """The workspace of the machine's settings."""
    from blocks import PtolemyWorkspace  # noqa: PLC0415

    return PtolemyWorkspace(
        url=settings.ptolemy_url,
        workspace=settings.ptolemy_workspace,
        token=settings.ptolemy_token,
        concurrency_limit=settings.ptolemy_concurrency_limit or None,
    )


def feed_block(settings: Settings, definition: AnyDefinition, **changed: Any) -> Any:
    """The feed of a definition; a venue's is read with the account of the machine's settings.

    Args:
        settings: as whom to ask Cadenza.
        definition: what the feed is.
        **changed: fields of the feed to replace, for example ``url``.
    """
    from blocks.feeds import (  # noqa: PLC0415 - Prefect costs a second
        CadenzaFeed,
        FileFeed,
        RestFeed,
        SqlFeed,
    )

    facts = dict(definition) | changed
    if isinstance(definition, CadenzaDefinition):
        from cli.venues import account_block  # noqa: PLC0415 - which itself needs this module

        return CadenzaFeed(account=account_block(settings), **facts)
    if isinstance(definition, RestDefinition):
        return RestFeed(**facts)
    if isinstance(definition, SqlDefinition):
        return SqlFeed(**facts)
    return FileFeed(**facts)


def print_result(result: SyncResult) -> None:
    """A result for a person: one headline, one table, the reasons, the cost."""
    out.print(Markdown(f"**{result.feed}: {result.state.value}.** {HEADLINES[result.state]}"))
    if result.stopped:
        out.print(result.stopped, markup=False)
    out.print(_table(result))
    if result.mode == "plan":
        _print_rows("what would change", result.changes)
    _print_rows("rejected and held", result.problems)
    for kind, reason in result.withheld_because.items():
        out.print(f"withheld {kind}: {reason}", markup=False)
    if result.state in APPROVABLE:
        out.print(approval(result).replace("`", "").replace("\n\n", "\n"), markup=False)
    for told in rejected(result):
        out.print(f"rejected {told}", markup=False)
    for reason, count in result.unknown_because.items():
        out.print(f"unknown {count:,} times: {reason}", markup=False)
    for warning in result.warnings:
        out.print(f"note: {warning}", markup=False)
    left = "" if result.calls.remaining is None else f", {result.calls.remaining:,} left"
    out.print(
        f"API calls: {result.calls.used:,} used, {result.calls.forecast:,} forecast for a whole "
        f"run{left}; the vendor guide's loop: {result.calls.guide:,}"
    )
    for told in route_told(result):
        out.print(told, markup=False)
    out.print(f"run {result.run_id}, plan digest {result.digest}", markup=False)
    out.print(f"run record: {result.record}", markup=False)


def _print_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
    out.print(table)


def _table(result: SyncResult) -> Table:
    table = Table("change", box=None, pad_edge=False)
    for heading in ("planned", "applied", "withheld"):
        table.add_column(heading, justify="right")
    for kind in KINDS:
        counts = (result.planned, result.applied, result.withheld)
        table.add_row(kind, *(f"{count[kind]:,}" for count in counts))
    rest = {
        "of the updates, renames": result.renames["planned"],
        "unchanged": result.unchanged,
        "held": result.held,
        "missing, kept": result.missing_kept,
        "rows rejected": result.rejected_rows,
        "changes rejected": result.rejected,
        "unknown": result.unknown,
        "not attempted": result.not_attempted if result.mode == "apply" else 0,
    }
    for words, count in rest.items():
        if count:
            table.add_row(words, f"{count:,}", "", "")
    return table
