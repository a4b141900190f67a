"""Workers as on machines of their own: they share a Prefect server and a bucket, and no disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

END_SECONDS = 90
READ_ONLY = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
"""Root, too, may then not write where nobody may: the tests of CI run as root."""


@dataclass(frozen=True)
class Machine:
    """Where one worker lives."""

    home: Path
    temporary: Path
    working: Path
    """Nothing can be written here."""
    log: Path

    def files(self) -> list[str]:
        """What the worker and its runs have left."""
        folders = (self.home, self.temporary, self.working)
        return [str(path) for folder in folders for path in folder.rglob("*") if path.is_file()]


@contextmanager
def worker(folder: Path, environment: Mapping[str, str]) -> Iterator[Machine]:
    """A process worker that knows nothing but its environment; its disk is gone afterwards.

    Args:
        folder: for its disk, and for its log beside that.
        environment: of the server and of the bucket.
    """
    disk = folder / "disk"
    machine = Machine(disk / "home", disk / "tmp", disk / "work", folder / "worker.log")
    for place in (machine.home, machine.temporary, machine.working):
        place.mkdir(parents=True)
    machine.working.chmod(0o555)
    known = {
        "PATH": os.environ["PATH"],
        "HOME": str(machine.home),
        "PREFECT_HOME": str(machine.home / ".prefect"),
        "TMPDIR": str(machine.temporary),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    start = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "default"]
    fenced = READ_ONLY if os.geteuid() == 0 else ()
    with machine.log.open("wb") as output:
        process = subprocess.Popen(
            [*fenced, *start, "--type", "process"],
            cwd=machine.working,
            env=known | dict(environment),
            stdout=output,
            stderr=output,
        )
    try:
        yield machine
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(disk)


def ended(client: SyncPrefectClient, run_id: UUID, machine: Machine) -> FlowRun:
    """Wait for the end of a run that a worker has taken, or takes."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        run = client.read_flow_run(run_id)
        if run.state is not None and run.state.is_final():
            return run
        assert time.monotonic() < deadline, machine.log.read_text()[-3000:]
        time.sleep(0.3)
