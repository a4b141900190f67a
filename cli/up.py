"""``armillary up``: a stack to click through, on this machine alone, until Ctrl-C."""

from __future__ import annotations

import time
from contextlib import suppress

import typer

from armillary.errors import ConfigurationError
from cli.console import out, print_json, say
from cli.exits import told_plainly
from cli.up_stack import NEEDED, Stack, practice_stack

PORT = 4200
"""Where a Prefect server is usually found."""

WATCH_SECONDS = 0.5

TO_TRY = {
    "sync-instruments/sync-by-hand": "Run > Quick run. The vendor's next file has come. The plan "
    "lists what changed; a custom run with mode apply carries it out.",
    "publish-venue/publish-by-hand": "Run > Custom run, with BINANCE as the venue. The plan lists "
    "what it would create; with mode apply the venue is refreshed in Cadenza first.",
    "verify-backup/restore-drills": "Run > Quick run. A sample of the backup is restored into the "
    "scratch workspace, compared row by row, and cleared up again.",
}
"""By deployment."""


def up(
    port: int = typer.Option(
        PORT, min=1, max=65535, help="Of the Prefect UI; the next free one if it is taken."
    ),
    as_json: bool = typer.Option(
        False, "--json", help="One JSON object on standard output when all is ready."
    ),
) -> None:
    """Start a practice stack to click through: simulators, S3, Prefect with its UI, a worker."""
    with told_plainly():
        _require_clone()
        say(
            "Starting a practice stack on this machine, in a minute or two: simulated Ptolemy and "
            "Cadenza, S3 in memory, a Prefect server with its UI, and a worker."
        )
        with practice_stack(port) as stack:
            print_json(stack.as_dict()) if as_json else _show(stack)
            say("Ctrl-C ends all of it; nothing is kept.")
            # Once all is there, this is how it is meant to end, and no failure.
            with suppress(KeyboardInterrupt):
                _watch(stack)


def _require_clone() -> None:
    missing = [path.name for path in NEEDED if not path.exists()]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)}: not installed with the package, and needed here.",
            next_step="Start the practice stack from a clone of the repository: make up.",
        )


def _watch(stack: Stack) -> None:
    while True:
        stack.require_alive()
        time.sleep(WATCH_SECONDS)


def _show(stack: Stack) -> None:
    out.print("\n[bold]The practice stack is ready.[/]")
    width = max(map(len, stack.places))
    for name, place in stack.places.items():
        known = ", ".join(f"{what} {value}" for what, value in place.items() if what != "url")
        out.print(f"  {name:{width}}  {place['url']}  {known}".rstrip(), markup=False)
    out.print("Accounts and tokens are for practice: they open these simulators and nothing else.")
    done = ", ".join(f"{run.deployment} ({run.state})" for run in stack.runs)
    out.print(f"Already run: {done}.", markup=False)
    out.print(
        f"{len(stack.deployments)} deployments; their schedules are paused, so nothing runs "
        "unasked. Each can be turned on in the UI."
    )
    out.print("\nFor commands in a second terminal:")
    for name, value in stack.environment.items():
        out.print(f"  export {name}={value}", markup=False)
    out.print("\n[bold]Three things to try[/]")
    for number, (name, told) in enumerate(TO_TRY.items(), start=1):
        link = f"{stack.ui}/deployments/deployment/{stack.deployments[name]}"
        out.print(f"{number}. {name}  {link}\n   {told}", markup=False)
