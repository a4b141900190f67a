"""``armillary check``: is everything ready, and what to do where it is not."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from armillary.api.cadenza import CadenzaConnection
from armillary.api.cadenza import shared as shared_cadenza
from armillary.api.connection import Connection
from armillary.api.connections import shared
from armillary.api.shared_limit import SharedLimit
from armillary.backup.bucket import Bucket
from armillary.backup.place import place_of
from armillary.errors import ConfigurationError
from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.loading import AnyDefinition, load_feed
from armillary.feeds.sql_definition import SqlDefinition
from armillary.readiness.finding import Finding, Level, looked_at, worst
from armillary.readiness.machine import check_clock, check_limit, check_zones
from armillary.readiness.sources import check_source, look_of
from armillary.readiness.stores import check_runs, check_store
from armillary.readiness.venues import check_cadenza, check_venues
from armillary.readiness.workspaces import check_feed, check_workspace
from armillary.runs.store import RunStore, open_store
from armillary.settings import Settings
from cli.console import out, print_json
from cli.exits import FAILED, told_plainly
from cli.prefect_server import require_server, server_is_configured
from cli.sync import configured, feed_block
from cli.venues import cadenza_configured

PREFECT_FILE = "prefect.yaml"
USUAL = (Path(PREFECT_FILE), Path(__file__).resolve().parent.parent / PREFECT_FILE)
"""Where what is deployed is described, if nothing else is named."""

_MARKS = {
    Level.OK: "[green]ok[/]    ",
    Level.WARNING: "[yellow]look[/]  ",
    Level.FAILED: "[red]no[/]    ",
}


def check(
    feed: list[Path] = typer.Option(
        [], help="Feed definition to check as well; may be given more than once."
    ),
    prefect_file: Path | None = typer.Option(
        None,
        help="What you deploy from, to compare the server with: by default prefect.yaml in this "
        "folder, else that of the clone.",
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Tell whether everything a run needs is ready: one line each, and what to do.

    With PREFECT_API_URL also what runs by itself: deployments, blocks, workers, backups, alerts.
    """
    with told_plainly():
        findings = _findings(Settings(), feed, prefect_file)
    level = worst(findings)
    if as_json:
        print_json(
            {"ready": level is not Level.FAILED, "findings": [f.as_dict() for f in findings]}
        )
    else:
        _show(findings)
    raise typer.Exit(FAILED if level is Level.FAILED else 0)


def _findings(settings: Settings, feeds: list[Path], described: Path | None) -> list[Finding]:
    if described and not described.exists():
        raise ConfigurationError(
            f"{described} does not exist.", next_step="Correct --prefect-file, or leave it out."
        )
    definitions = [load_feed(path) for path in feeds]
    server = server_is_configured()
    own = settings.ptolemy_workspace or settings.ptolemy_token.get_secret_value()
    if own or feeds or not server:
        configured()
    store = open_store(settings.runs, endpoint_url=settings.store_endpoint_url)
    findings: list[Finding] = []
    if own:
        connection = Connection(
            url=settings.ptolemy_url,
            workspace=settings.ptolemy_workspace,
            token=settings.ptolemy_token,
        )
        findings += looked_at(
            "token and workspace", lambda: _of_environment(connection, settings, definitions)
        )
        findings.append(check_clock(settings.ptolemy_url))
    for definition in definitions:
        findings += looked_at(
            f"feed {definition.name}, source", functools.partial(_source, settings, definition)
        )
    findings += about_cadenza(settings)
    if settings.store_bucket:
        findings += looked_at("backup store", lambda: [check_store(Bucket(place_of(settings)))])
    if not server:
        return [*findings, check_runs(store), check_zones()]
    return findings + _of_server(settings, described, store, clock=not own)


def _of_environment(
    connection: Connection, settings: Settings, definitions: Sequence[FeedDefinition]
) -> Iterator[Finding]:
    """The workspace that commands work with."""
    about_limit, limit = _shared_limit(settings.ptolemy_concurrency_limit)
    with shared(connection, shared_limit=limit) as ptolemy:
        about_workspace = list(check_workspace(ptolemy, connection.workspace))
        yield from about_workspace
        if worst(about_workspace) is not Level.FAILED:
            for definition in definitions:
                yield check_feed(ptolemy, connection.workspace, definition)
    yield from about_limit


def _source(settings: Settings, definition: AnyDefinition) -> Iterator[Finding]:
    """What delivers the rows of a feed, with the secrets of the environment."""
    feed = f"feed {definition.name}"
    if isinstance(definition, CadenzaDefinition):
        with shared_cadenza(_cadenza(settings)) as cadenza:
            yield from check_venues(cadenza, [definition.venue], feed)
    elif isinstance(definition, SqlDefinition) and definition.connector:
        yield check_source(feed_block(settings, definition).look, feed)
    else:
        yield check_source(look_of(definition), feed)


def _of_server(
    settings: Settings, described: Path | None, store: RunStore, *, clock: bool
) -> list[Finding]:
    """What runs by itself, by the Prefect server."""
    from cli.check_server import Server  # noqa: PLC0415 - Prefect costs a second

    found = next((path for path in (described, *USUAL) if path and path.exists()), None)
    server = Server(settings, found)
    findings = list(looked_at("Prefect server", lambda: server.findings(store)))
    return findings + [check_clock(url) for url in server.ptolemy_urls[:1] if clock]


def about_cadenza(settings: Settings) -> list[Finding]:
    """Nothing where no account is given: not everybody has venues."""
    secrets = (settings.cadenza_password, settings.cadenza_token)
    if not (settings.cadenza_email or any(secret.get_secret_value() for secret in secrets)):
        return []
    try:
        connection = _cadenza(settings)
    except ConfigurationError as error:
        return [Finding("Cadenza", Level.FAILED, error.message, error.advice)]
    with shared_cadenza(connection) as cadenza:
        return [check_cadenza(cadenza)]


def _cadenza(settings: Settings) -> CadenzaConnection:
    cadenza_configured(settings)
    return CadenzaConnection(
        settings.cadenza_url,
        email=settings.cadenza_email,
        password=settings.cadenza_password,
        token=settings.cadenza_token,
    )


def _shared_limit(name: str) -> tuple[list[Finding], SharedLimit | None]:
    """What there is to say about the limit, and the limit itself if requests can pass it."""
    if not name:
        return [], None
    try:
        require_server(name)
    except ConfigurationError as error:
        return [Finding("shared limit", Level.FAILED, error.message, error.advice)], None
    from blocks.global_limit import GlobalLimit  # noqa: PLC0415 - Prefect costs a second

    limit = GlobalLimit(name)
    found = check_limit(limit)
    return [found], limit if found.level is Level.OK else None


def _show(findings: list[Finding]) -> None:
    """A line each, which the terminal folds where it likes; what to do stands below."""
    for finding in findings:
        out.print(_MARKS[finding.level], end=" ")
        out.print(f"{finding.subject}: {finding.found}", markup=False)
        if finding.todo:
            out.print(f"       {finding.todo}", markup=False)
