"""SIGKILL at each step of a backup, then again: nothing exported twice, one whole backup."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue
from armillary.backup.place import BucketPlace
from armillary.backup.verify import verify
from simulator import Simulator
from tests.backup.conftest import NAME, RunBackup
from tests.backup.held_s3 import HeldS3, Matches
from tests.backup.running import FREE_SECONDS, NEXT_LEASE_SECONDS, in_time, jobs_of, start
from tests.backup.workspace import seed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def s3_server() -> Iterator[HeldS3]:
    server = HeldS3()
    yield server
    server.stop()


def writes_of(part: str) -> Matches:
    """A PUT to a key."""
    return lambda method, path, _: method == "PUT" and part in path


def holds(part: str, pattern: bytes) -> Matches:
    """A PUT to a key whose body holds what a pattern describes."""
    return lambda method, path, body: (
        method == "PUT" and part in path and bool(re.search(pattern, body))
    )


@contextmanager
def submitted_and_not_answered(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    """The job exists, and its answer never comes."""
    sim.faults = [{"method": "POST", "path": "/exports", "action": "blackhole", "work": True}]
    yield lambda: sim.calls().get("POST /exports", 0) > 0 and bool(jobs_of(sim))
    sim.faults = []


@contextmanager
def answered_and_not_noted(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    """The answer came, and the journal does not know the job's id yet."""
    with s3_server.holding(holds("_run.json", rb'"job_id": "[^"]')) as held:
        yield held.is_set


@contextmanager
def polling(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    sim.configure(job_polls=1000)
    yield lambda: sim.calls().get("GET /exports/{id}", 0) >= 10
    sim.configure(job_polls=2)


@contextmanager
def downloading(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    """The first bytes of a file came, the rest does not."""
    sim.faults = [{"path": "/downloads/*", "action": "slow_drip", "bytes": 100, "times": None}]
    yield lambda: any(entry["path"].startswith("/downloads") for entry in sim.log())
    sim.faults = []


@contextmanager
def uploading(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    """One part of a file lies in the bucket, the next is on its way."""
    with s3_server.holding(writes_of("partNumber=2")) as held:
        yield held.is_set


@contextmanager
def before_the_manifest(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    with s3_server.holding(writes_of("manifest.json")) as held:
        yield held.is_set


@contextmanager
def after_the_manifest(sim: Simulator, s3_server: HeldS3) -> Iterator[Callable[[], bool]]:
    """It lies there, and nobody heard of it."""
    with s3_server.holding(writes_of("manifest.json"), done=True) as held:
        yield held.is_set


long = pytest.mark.long
STEPS = (
    submitted_and_not_answered,
    pytest.param(answered_and_not_noted, marks=long),
    pytest.param(polling, marks=long),
    pytest.param(downloading, marks=long),
    uploading,
    pytest.param(before_the_manifest, marks=long),
    after_the_manifest,
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.__name__))
def test_p01_killed_at_a_step_and_started_again(
    step: Any,
    sim: Simulator,
    s3_server: HeldS3,
    s3: S3Client,
    place: BucketPlace,
    run_backup: RunBackup,
    runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than one part of an upload only where a second part has to be waited for.
    rows = seed(sim, 300, days=200 if step is uploading else 10)
    bucket = Bucket(place)
    with step(sim, s3_server) as reached:
        process = start(sim, s3_server.url, runs_folder)
        try:
            in_time(reached, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    before = list(Catalogue(bucket, "demo").list())
    assert len(before) == (step is after_the_manifest), "nothing half-done is a backup"
    jobs_before = jobs_of(sim)
    wait_for_the_lease(runs_folder)
    monkeypatch.setenv("ARMILLARY_LEASE_SECONDS", str(NEXT_LEASE_SECONDS))

    state = run_backup(sim, compression="none")

    assert state.name == "Completed", state.message
    result = state.result()
    assert result.continued
    assert {file.resource_type: file.rows for file in result.files} == rows
    assert jobs_of(sim) == Counter(dict.fromkeys(rows, 1)), jobs_before
    [backup] = Catalogue(bucket, "demo").entries()
    assert isinstance(backup, Backup)
    assert backup.full_and_complete
    assert backup.backup_id == result.backup_id
    assert verify(bucket, backup).problems == ()
    uploads = s3.list_multipart_uploads(Bucket=NAME).get("Uploads", [])
    assert uploads == []


def wait_for_the_lease(runs: Path) -> None:
    """A killed run's lease ends by itself; the next run must not start before."""
    [lease] = runs.rglob("leases/backup.json")
    ends = lease.stat().st_mtime + FREE_SECONDS
    time.sleep(max(0.0, ends - time.time()))


def test_a_complete_backup_is_not_adopted_once_it_was_reported(
    sim: Simulator, run_backup: RunBackup, bucket: Bucket
) -> None:
    seed(sim)
    first, second = (run_backup(sim).result() for _ in range(2))
    assert not second.continued
    assert first.backup_id != second.backup_id
    assert len(list(Catalogue(bucket, "demo").list())) == 2
