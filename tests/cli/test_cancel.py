"""Ctrl-C in the middle of an apply: no worker starts another write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_API_URL

from simulator import Simulator
from tests.sync.chain import csv_file, vendor, vendor_rows

pytestmark = pytest.mark.flow


def test_ctrl_c_stops_writing(
    sim: Simulator, prefect_server: None, tmp_path: Path, runs_folder: Path
) -> None:
    csv_file(tmp_path / "vendor.csv", vendor_rows(400))
    feed = tmp_path / "vendor.yaml"
    feed.write_text(yaml.safe_dump(vendor(Path("vendor.csv")).model_dump(exclude_unset=True)))
    sim.faults = [
        {"method": "POST", "path": "/instruments", "action": "delay", "seconds": 0.3, "times": None}
    ]
    known = dict(os.environ) | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "ARMILLARY_RUNS": str(runs_folder),
        "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
        "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
        "ARMILLARY_PTOLEMY_TOKEN": sim.token,
    }
    command = [sys.executable, "-m", "cli", "sync", "--feed", str(feed), "--mode", "apply"]
    with subprocess.Popen(command, env=known, stderr=subprocess.PIPE, text=True) as process:
        while sim.calls().get("POST /instruments", 0) < 20:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        at_the_signal = sim.calls()["POST /instruments"]
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Cancelled." in said
    assert sim.calls()["POST /instruments"] <= at_the_signal + 25
    assert list(runs_folder.rglob("batches/*.json")), "what was done is recorded"
