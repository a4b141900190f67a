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

Armillary = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def armillary(prefect_server: None, runs_folder: Path) -> Armillary:
    """``armillary("sync", "--feed", path, sim=sim)``: runs the command and returns what it said."""

    def run(
        *arguments: str, sim: Simulator | None = None, **environment: str
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
        command = [sys.executable, "-m", "cli", *arguments]
        return subprocess.run(
            command,
            env=known | environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return run
