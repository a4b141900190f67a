"""``armillary simulate``: the simulator alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer
import yaml

from armillary.errors import ConfigurationError
from cli.console import say
from cli.exits import told_plainly


def simulate(
    port: int = typer.Option(0, min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one."),
    config: Path | None = typer.Option(
        None, help="YAML file of configuration keys (docs/reference/simulator.md)."
    ),
    preset: Literal["guide", "reference", "hostile"] = typer.Option(
        "reference", help="Which reading of the documentation to play; --config wins."
    ),
) -> None:
    """Run the simulator of Ptolemy and Cadenza until Ctrl-C; prints what a client needs."""
    from simulator.config import Config  # noqa: PLC0415 - a web server nobody else needs
    from simulator.serve import run  # noqa: PLC0415

    with told_plainly():
        try:
            chosen = Config.load(config) if config else Config.preset(preset)
            say("Ctrl-C ends it. Everything is in memory and gone afterwards.")
            run(chosen, port=port)
        except (ValueError, KeyError, OSError, yaml.YAMLError) as error:
            raise ConfigurationError(
                f"The simulator cannot start: {error}.",
                next_step="The configuration keys are in docs/reference/simulator.md; --port 0 "
                "takes a free port.",
            ) from error
