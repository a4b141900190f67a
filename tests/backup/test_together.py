"""Two backups of one workspace at once, and one that is cancelled: who writes, what is left."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue, UnfinishedBackup
from armillary.errors import LeaseHeld
from simulator import Simulator
from tests.backup.conftest import NAME, RunBackup
from tests.backup.running import in_time, jobs_of, start
from tests.backup.workspace import seed
from tests.command import Command
from tests.runs.s3 import LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [pytest.mark.flow, pytest.mark.slow]


def polls(sim: Simulator) -> int:
    return sim.calls().get("GET /exports/{id}", 0)


def ended(process: Command) -> int:
    return process.wait(timeout=60)


def test_s13_the_second_of_two_does_nothing_and_says_who_is_at_work(
    sim: Simulator,
    s3: S3Client,
    s3_server: LoopbackS3,
    bucket: Bucket,
    run_backup: RunBackup,
    runs_folder: Path,
) -> None:
    seed(sim)
    sim.configure(job_polls=1000)
    with start(sim, s3_server.url, runs_folder) as first:
        in_time(lambda: polls(sim) >= 5, first)
        second = run_backup(sim)
        sim.configure(job_polls=2)
        assert ended(first) == 0
    assert (second.name, second.is_completed()) == ("AlreadyRunning", True)
    assert isinstance(second.result(), LeaseHeld)
    assert "Another run is working on 'backup' of workspace" in second.message
    assert "Nothing was done." in second.message
    assert set(jobs_of(sim).values()) == {1}
    [backup] = Catalogue(bucket, "demo").entries()
    assert isinstance(backup, Backup)
    assert backup.full_and_complete


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_p02_a_cancelled_backup_leaves_the_lease_and_the_bucket_in_order(
    sent: signal.Signals,
    sim: Simulator,
    s3: S3Client,
    s3_server: LoopbackS3,
    bucket: Bucket,
    run_backup: RunBackup,
    runs_folder: Path,
) -> None:
    seed(sim, 300, days=200)
    sim.faults = [{"path": "/downloads/*", "action": "slow_drip", "bytes": 100, "times": None}]
    with start(sim, s3_server.url, runs_folder) as process:
        in_time(lambda: any(entry["path"].startswith("/downloads") for entry in sim.log()), process)
        began = time.monotonic()
        process.send_signal(sent)
        code = ended(process)
    assert time.monotonic() - began < 30, "the grace that Prefect gives"
    assert code != 0
    assert s3.list_multipart_uploads(Bucket=NAME).get("Uploads", []) == []
    [left] = Catalogue(bucket, "demo").entries()
    assert isinstance(left, UnfinishedBackup)
    sim.faults = []
    again = run_backup(sim, compression="none")
    assert again.name == "Completed", "the lease was given back: nobody has to wait"
    assert again.result().continued
    assert set(jobs_of(sim).values()) == {1}
