"""A backup in a process of its own, as the command starts it: to be killed, cancelled, rivalled."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from prefect.settings import PREFECT_API_URL

from simulator import Simulator
from tests.backup.conftest import NAME
from tests.command import Command
from tests.sync.chain import open_client

WAIT_SECONDS = 60
LEASE_SECONDS = 2.0
NEXT_LEASE_SECONDS = 8.0
"""Of the run here that goes on after one was killed: long enough for a busy machine."""
FREE_SECONDS = LEASE_SECONDS + NEXT_LEASE_SECONDS / 4 + 0.5
"""After its last sign of life so long nobody takes over the lease of a killed run."""
PART_BYTES = 5 * 1024**2


def start(sim: Simulator, s3_url: str, runs: Path, *more: str) -> Command:
    """``armillary backup`` with plain files in small parts."""
    known = dict(os.environ) | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "ARMILLARY_RUNS": str(runs),
        "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
        "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
        "ARMILLARY_PTOLEMY_TOKEN": sim.token,
        "ARMILLARY_LEASE_SECONDS": str(LEASE_SECONDS),
        "ARMILLARY_POLL_SECONDS": "0.1",
        "ARMILLARY_STORE_BUCKET": NAME,
        "ARMILLARY_STORE_PREFIX": "desk",
        "ARMILLARY_STORE_ENDPOINT_URL": s3_url,
        "ARMILLARY_STORE_PART_BYTES": str(PART_BYTES),
    }
    return Command(["backup", "--compression", "none", *more], known)


def in_time(reached: Callable[[], bool], process: Command) -> None:
    """Wait until the run has come so far."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        assert process.poll() is None, "the run ended before it came so far"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def jobs_of(sim: Simulator) -> Counter[str]:
    """Export jobs that exist, by resource type."""
    with open_client(sim) as ptolemy:
        return Counter(job.resource_type for job in ptolemy.exports.list())
