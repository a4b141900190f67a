"""The command as a person starts it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from simulator import Simulator
from tests.command import Command

Armillary = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def armillary(prefect_server: None, runs_folder: Path) -> Armillary:
    """``armillary("sync", "--feed", path, sim=sim)``: runs the command and returns what it said.

    ``fresh=True`` starts an interpreter from nothing, where the start itself is what is tested.
    """

    def run(
        *arguments: str, sim: Simulator | None = None, fresh: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        known = dict(os.environ)
        known.pop("PREFECT_LOGGING_LEVEL", None)
        known |= {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "COLUMNS": "200"}
        known |= {"ARMILLARY_RUNS": str(runs_folder)}
        if sim is not None:
            known |= {
                "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
                "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
                "ARMILLARY_PTOLEMY_TOKEN": sim.token,
            }
        if fresh:
            return subprocess.run(
                [sys.executable, "-m", "cli", *arguments],
                env=known | environment,
                capture_output=True,
                text=True,
                timeout=400,
                check=False,
            )
        with Command(arguments, known | environment) as command:
            code = command.wait(230)
        return subprocess.CompletedProcess(arguments, code, command.stdout, command.stderr)

    return run
