"""``armillary alerts``: the automations that tell people, on the Prefect server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from armillary.alerts.described import FILE, described
from armillary.errors import ConfigurationError
from cli.console import out, print_json
from cli.exits import told_plainly
from cli.prefect_server import prefect_api, server_is_configured

if TYPE_CHECKING:
    from cli.automations import Ensured


def alerts(
    file: Path = typer.Option(FILE, help="The file that describes them.", show_default=False),
    block: str = typer.Option(
        "",
        help="Notification block for all of them instead of those that the file names, as in "
        "slack-webhook/alerts.",
        show_default=False,
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Create or update the automations of automations.yaml on the Prefect server, by name."""
    with told_plainly():
        automations = described(file, block=block.strip())
        _require_server()
        with prefect_api():
            from cli.automations import ensure  # noqa: PLC0415 - Prefect reads its settings now

            ensured = ensure(automations)
    if as_json:
        print_json({"automations": [each.as_dict() for each in ensured]})
    else:
        out.print(shown(ensured))


def _require_server() -> None:
    if not server_is_configured():
        raise ConfigurationError(
            "No Prefect server is configured, and a temporary one would forget its automations.",
            next_step="Set PREFECT_API_URL to the server that the workers use.",
        )


def shown(ensured: list[Ensured]) -> Table:
    """What became of each automation, for the terminal."""
    table = Table("automation", "was", "tells", "", box=None, pad_edge=False)
    for each in ensured:
        notes = ["paused in the UI: it stays so"] if each.paused else []
        if each.others:
            notes.append(f"{each.others} more of this name: delete those in the UI")
        table.add_row(
            each.name, each.became.value, ", ".join(each.blocks) or "nobody", "; ".join(notes)
        )
    return table
