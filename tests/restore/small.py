"""One small backup for the tests of a file: made once, and read by all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from simulator import Config, Simulator
from tests.backup.by_hand import SCHEDULED, back_up
from tests.backup.made import Shelf
from tests.backup.workspace import seed
from tests.runs.s3 import LoopbackS3
from tests.sync.chain import open_client

NAME = "small-backup"

INSTRUMENTS, DAYS = 10, 2

FOLDER = f"demo/{SCHEDULED:%Y-%m-%dT%H-%M-%SZ}"

State = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Small:
    """A backup of ten instruments and what hangs on them."""

    rows: Mapping[str, int]
    state: State
    """Of the workspace it is of."""
    bucket: Bucket
    objects: Mapping[str, bytes]
    """All that lies in the bucket, by key."""


@pytest.fixture(scope="module")
def backed_up(s3_server: LoopbackS3) -> Iterator[Small]:
    """The small backup, in a bucket that no test writes to."""
    with pytest.MonkeyPatch.context() as patched, Simulator(Config()) as sim:
        patched.setenv("AWS_ACCESS_KEY_ID", "made-up")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3 = boto3.client("s3", endpoint_url=s3_server.url)
        s3.create_bucket(Bucket=NAME)
        rows = seed(sim, INSTRUMENTS, days=DAYS)
        bucket = Bucket(BucketPlace(NAME, prefix="desk", endpoint_url=s3_server.url))
        with tempfile.TemporaryDirectory() as runs:
            patched.setenv("ARMILLARY_RUNS", runs)
            assert back_up(sim, bucket).state == "COMPLETE"
        shelf = Shelf(s3, NAME, "desk")
        objects = {key: shelf.get(key) for key in shelf.keys()}  # noqa: SIM118 - no mapping
        state = sim.state()
    yield Small(rows, state, bucket, objects)
    for key in objects:
        shelf.delete(key)
    s3.delete_bucket(Bucket=NAME)


@pytest.fixture
def bucket(backed_up: Small) -> Bucket:
    """Where the small backup lies, for tests that only read it."""
    return backed_up.bucket


@pytest.fixture
def copied(backed_up: Small, shelf: Shelf) -> None:
    """The small backup in the test's own bucket, too, for tests that harm it."""
    for key, content in backed_up.objects.items():
        shelf.put(key, content)


@pytest.fixture
def target() -> Iterator[Simulator]:
    """An empty workspace that the backup is not of."""
    with Simulator(Config(seed=2)) as sim:
        yield sim


@pytest.fixture
def filled() -> Iterator[Simulator]:
    """A workspace with the same in it, that the backup is not of."""
    with Simulator(Config(seed=2)) as sim:
        seed(sim, INSTRUMENTS, days=DAYS)
        yield sim


def imports(sim: Simulator) -> dict[str, int]:
    """Import jobs that exist, by resource type; in the order of the first of each."""
    found: dict[str, int] = {}
    with open_client(sim) as ptolemy:
        for job in ptolemy.imports.list():
            found[job.resource_type] = found.get(job.resource_type, 0) + 1
    return found


def imported(sim: Simulator) -> int:
    """Files that were sent, whatever became of them."""
    return sim.calls().get("POST /imports", 0)


def written(sim: Simulator) -> list[str]:
    """Requests that may have changed records, in order."""
    reads = {"/exports", "/exports/{id}/cancel"}
    return [
        f"{entry['method']} {entry['template']}"
        for entry in sim.log()
        if entry["method"] not in {"GET", "HEAD"}
        and entry["template"] not in reads
        and not entry["template"].endswith(("/filter", "/count"))
    ]


def erase(sim: Simulator, identifier: str, *, with_all: bool = True) -> None:
    """Delete an instrument for ever; with what hangs on it, or leaving that behind (section 9)."""
    store = sim.store
    instrument = store.instruments.lookup(identifier)
    assert instrument is not None
    if with_all:
        for collection in (store.scalar_values, store.composite_values, store.listings):
            for record in list(collection.table.group(instrument)):
                collection.destroy(record, "somebody")  # type: ignore[arg-type]
    with open_client(sim) as ptolemy:
        ptolemy.instruments.hard_delete(identifier)
