"""Work pools, workers, and whether their records are everybody's."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from armillary.readiness import Level
from armillary.readiness.workers import Pool, Worker, WorkersRun, check_pool, check_shared_runs
from armillary.runs.folder_store import FolderStore
from armillary.runs.store import RunStore

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
HERE = Worker("here", online=True, heard_at=NOW - timedelta(seconds=7))
AWAY = Worker("away", online=False, heard_at=NOW - timedelta(hours=3))
LONG_AWAY = Worker("long-away", online=False, heard_at=NOW - timedelta(days=30))
NEWEST = WorkersRun("sync vendor into demo of sync-instruments/sync-weekdays", "w/runs/r/plan.json")


def pool(*workers: Worker, kind: str = "process", paused: bool = False) -> Pool:
    return Pool("default", kind, paused=paused, workers=workers)


@pytest.mark.parametrize(
    ("there", "level", "found", "todo"),
    [
        (pool(HERE, AWAY), Level.OK, "of type process; online: here (heard of 0 min ago)", ""),
        (None, Level.FAILED, "not on the server", "prefect work-pool create 'default' --type"),
        (pool(HERE, paused=True), Level.FAILED, "paused: no run starts", "resume 'default'"),
        (pool(), Level.FAILED, "never had a worker", "prefect worker start --pool 'default'"),
        (
            pool(LONG_AWAY, AWAY),
            Level.FAILED,
            "no worker is online; the last one, away, was heard of 3 h ago",
            "prefect worker start",
        ),
        (pool(Worker("new", online=False, heard_at=None)), Level.FAILED, "heard of never", "start"),
    ],
)
def test_a_work_pool(there: Pool | None, level: Level, found: str, todo: str) -> None:
    told = check_pool("default", there, NOW)
    assert (told.subject, told.level) == ("work pool default", level)
    assert found in told.found
    assert todo in told.todo


@dataclass
class Bucket:
    """Stands where a bucket's address matters and nothing else."""

    place: str = "s3://firm/runs"
    objects: dict[str, bytes] = field(default_factory=dict)

    def write(self, key: str, content: bytes) -> None:
        self.objects[key] = content

    def read(self, key: str) -> bytes | None:
        return self.objects.get(key)


def bucket(*keys: str) -> RunStore:
    return Bucket(objects=dict.fromkeys(keys, b"{}"))  # type: ignore[return-value]


def test_records_in_a_bucket_are_everybodys() -> None:
    told = check_shared_runs(bucket(), [pool(HERE, HERE, kind="docker")])
    assert (told.level, told.found) == (Level.OK, "s3://firm/runs, shared by all workers")
    seen = check_shared_runs(bucket(NEWEST.key), [pool(HERE)], NEWEST)
    assert seen.level is Level.OK
    assert f"; the record of a worker's last run ({NEWEST.words}) is there" in seen.found


def test_a_worker_that_leaves_its_records_elsewhere_is_found_by_what_it_left() -> None:
    told = check_shared_runs(bucket(), [pool(HERE)], NEWEST)
    assert (told.subject, told.level) == ("run records", Level.FAILED)
    assert told.found == (
        f"s3://firm/runs lacks the record of a worker's last run ({NEWEST.words}): its worker "
        "leaves them elsewhere"
    )
    assert "the same s3://bucket/prefix for every worker and every command" in told.todo


def test_a_folder_is_for_one_machine(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    one = check_shared_runs(store, [pool(HERE)])
    assert (one.level, one.found) == (
        Level.WARNING,
        f"{tmp_path} belongs to this machine alone",
    )
    two = check_shared_runs(store, [pool(HERE, Worker("there", online=True, heard_at=NOW))])
    assert two.level is Level.FAILED
    assert two.found.endswith("belongs to this machine alone, and several workers run: here, there")
    apart = check_shared_runs(store, [pool(kind="docker")])
    assert apart.level is Level.FAILED
    assert apart.found.endswith("and pool default runs flows elsewhere")


def test_workers_of_one_machine_may_share_its_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write(NEWEST.key, b"{}")
    told = check_shared_runs(store, [pool(HERE, HERE)], NEWEST)
    assert told.level is Level.WARNING
    assert "is there" in told.found


def test_records_that_cannot_be_written_are_told_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    told = check_shared_runs(FolderStore(tmp_path / "file"), [pool(HERE)], NEWEST)
    assert told.level is Level.FAILED
    assert "lacks" not in told.found
