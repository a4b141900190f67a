"""``armillary check``: is everything ready, and what to do where it is not."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.table import Table

from armillary.api.cadenza import CadenzaConnection
from armillary.api.cadenza import shared as shared_cadenza
from armillary.api.connection import Connection
from armillary.api.connections import shared
from armillary.api.shared_limit import SharedLimit
from armillary.backup.bucket import Bucket
from armillary.backup.place import place_of
from armillary.errors import ConfigurationError
from armillary.feeds.loading import load_feed
from armillary.readiness import (
    Finding,
    Level,
    check_cadenza,
    check_clock,
    check_feed,
    check_limit,
    check_runs,
    check_store,
    check_workspace,
    worst,
)
from armillary.runs.store import open_store
from armillary.settings import Settings
from cli.console import out, print_json
from cli.exits import FAILED, told_plainly
from cli.prefect_server import require_server
from cli.sync import configured
from cli.venues import cadenza_configured

_MARKS = {Level.OK: "[green]ok[/]", Level.WARNING: "[yellow]look[/]", Level.FAILED: "[red]no[/]"}


def check(
    feed: list[Path] = typer.Option(
        [], help="Feed definition to check as well; may be given more than once."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Tell whether everything a run needs is ready: one line each, and what to do."""
    with told_plainly():
        findings = _findings(configured(), feed)
    level = worst(findings)
    if as_json:
        print_json(
            {"ready": level is not Level.FAILED, "findings": [f.as_dict() for f in findings]}
        )
    else:
        out.print(_table(findings))
    raise typer.Exit(FAILED if level is Level.FAILED else 0)


def _findings(settings: Settings, feeds: list[Path]) -> list[Finding]:
    connection = Connection(
        url=settings.ptolemy_url,
        workspace=settings.ptolemy_workspace,
        token=settings.ptolemy_token,
    )
    definitions = [load_feed(path) for path in feeds]
    about_limit, limit = _shared_limit(settings.ptolemy_concurrency_limit)
    with shared(connection, shared_limit=limit) as ptolemy:
        findings = list(check_workspace(ptolemy, settings.ptolemy_workspace))
        if worst(findings) is not Level.FAILED:
            findings += [
                check_feed(ptolemy, settings.ptolemy_workspace, definition)
                for definition in definitions
            ]
    findings += about_limit
    findings.append(check_clock(settings.ptolemy_url))
    findings.append(check_runs(open_store(settings.runs, endpoint_url=settings.store_endpoint_url)))
    findings += about_cadenza(settings)
    if settings.store_bucket:
        findings.append(check_store(Bucket(place_of(settings))))
    return findings


def about_cadenza(settings: Settings) -> list[Finding]:
    """Nothing where no account is given: not everybody has venues."""
    secrets = (settings.cadenza_password, settings.cadenza_token)
    if not (settings.cadenza_email or any(secret.get_secret_value() for secret in secrets)):
        return []
    try:
        cadenza_configured(settings)
        connection = CadenzaConnection(
            settings.cadenza_url,
            email=settings.cadenza_email,
            password=settings.cadenza_password,
            token=settings.cadenza_token,
        )
    except ConfigurationError as error:
        return [Finding("Cadenza", Level.FAILED, error.message, error.advice)]
    with shared_cadenza(connection) as cadenza:
        return [check_cadenza(cadenza)]


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


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(_MARKS[finding.level], finding.subject, finding.found, finding.todo)
    return table
