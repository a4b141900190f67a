"""Prefect's server goes away while a run is at work, and comes back: the work does not notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from armillary.runs.store import open_store
from armillary.runs.under_way import UnderWay
from simulator import Simulator
from tests.operate.broken_line import Line
from tests.sync.chain import csv_file, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.long]

AWAY_SECONDS = 15.0
"""A client of Prefect that had a connection tries again for about a minute; a new one gives up."""

SLOWLY = {"method": "POST", "path": "/instruments", "action": "delay", "seconds": 0.5}


def test_a_server_that_was_away_for_a_while_costs_a_run_nothing(
    sim: Simulator, prefect_server: None, tmp_path: Path, runs_folder: Path
) -> None:
    """In a process of its own: Prefect goes on telling events to a server it once knew."""
    rows = vendor_rows(60)
    sim.faults = [SLOWLY | {"times": None}]
    definition = vendor(csv_file(tmp_path / "v.csv", rows)).model_dump(exclude_unset=True)
    feed = tmp_path / "vendor.yaml"
    feed.write_text(yaml.safe_dump(definition))
    server = urlsplit(str(PREFECT_API_URL.value()))
    assert server.port is not None
    with Line(server.port) as line:
        known = dict(os.environ) | {
            "PREFECT_API_URL": f"http://127.0.0.1:{line.port}/api",
            "ARMILLARY_RUNS": str(runs_folder),
            "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
            "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
            "ARMILLARY_PTOLEMY_TOKEN": sim.token,
        }
        command = ["-m", "cli", "sync", "--feed", str(feed), "--mode", "apply", "--json"]
        with subprocess.Popen(
            [sys.executable, *command],
            env=known,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while sim.calls().get("POST /instruments", 0) < 15:
                assert process.poll() is None
                time.sleep(0.05)
            line.cut()
            time.sleep(AWAY_SECONDS)
            line.mend()
            told, said = process.communicate(timeout=150)
    assert process.returncode == 0, said
    result = json.loads(told)
    assert (result["state"], result["applied"]["create"]) == ("Completed", len(rows))
    assert len(sim.state()["instruments"]) == len(rows)
    assert UnderWay(open_store(str(runs_folder)), f"run {result['run_id']}").notes() == []
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(result["run_id"])).state
    assert state is not None
    assert state.name == "Completed"
