"""The ``armillary`` command: thin; everything it does is a flow or a function elsewhere."""

from __future__ import annotations

import typer

from cli.alerts import alerts
from cli.backup import backup
from cli.backups import backups, prune
from cli.check import check
from cli.compare import compare_backups, follow
from cli.compare_venue import compare_venue
from cli.demo import demo
from cli.publish import publish
from cli.restore import restore
from cli.simulate import simulate
from cli.sync import revert, sync
from cli.up import up
from cli.venues import venues
from cli.verify import verify

app = typer.Typer(
    help="Keeps Ptolemy's instruments aligned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(up)
app.command()(sync)
app.command()(revert)
app.command()(venues)
app.command()(publish)
app.command()(compare_venue)
app.command()(backup)
app.command()(backups)
app.command()(verify)
app.command()(prune)
app.command()(restore)
app.command()(compare_backups)
app.command("history")(follow)
app.command()(check)
app.command()(alerts)
app.command()(simulate)


def main() -> None:
    """The entry point of the ``armillary`` command."""
    app()
