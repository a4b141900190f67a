"""What a pruning leaves: interrupted, locked, denied; and what it tells scripts."""

from __future__ import annotations

import gc
import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from armillary.backup.bucket import Bucket, Listed, NotDeleted
from armillary.backup.catalogue import Catalogue
from armillary.backup.manifest import Manifest
from armillary.backup.place import BucketPlace
from armillary.backup.prune import Pruned, apply
from armillary.backup.prune_report import summary
from armillary.errors import LeaseLost, StoreFailed
from tests.backup.made import Shelf
from tests.backup.pruning import (
    WRITTEN,
    folders,
    night,
    planned,
    to_remove,
)
from tests.runs.s3 import Fault, LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def catalogue(bucket: Bucket) -> Catalogue:
    return Catalogue(bucket, "demo")


# Interrupted


class Dying(Bucket):
    """A store that stops answering once something was removed, until it is revived."""

    def __init__(self, place: BucketPlace) -> None:
        super().__init__(place)
        self.removed: list[str] = []
        self.alive = False

    def delete(self, keys: Iterable[str]) -> list[NotDeleted]:
        keys = list(keys)
        self.removed += keys
        return super().delete(keys)

    def list(self, prefix: str) -> Iterator[Listed]:
        if self.removed and not self.alive:
            raise StoreFailed("the store does not answer.")
        return super().list(prefix)


def test_s24_a_kill_behind_the_manifest_leaves_what_the_next_sweep_removes(
    place: BucketPlace, shelf: Shelf
) -> None:
    for days in range(2):
        shelf.backup(night(days))
    dying, before = Dying(place), shelf.keys()
    catalogue = Catalogue(dying, "demo")
    done = apply(made := planned(catalogue), dying)
    assert dying.removed == [f"demo/{night(1)}/manifest.json"], "the manifest goes first"
    assert (done.state, done.removed, done.freed_bytes) == ("Partial", [], 0)
    assert summary(made, done).count("the store does not answer. The next start tries again.") == 1
    assert len(shelf.keys()) == len(before) - 1
    dying.alive = True
    assert [backup.backup_id for backup in catalogue.list()] == [night(0)]
    after = planned(catalogue)
    assert [sweep.backup_id for sweep in after.sweeps] == [night(1)]
    assert apply(after, dying).swept == [night(1)]
    assert folders(shelf) == [f"demo/{night(0)}"]


def test_a_lost_lease_stops_and_what_was_done_is_told(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf
) -> None:
    for days in range(4):
        shelf.backup(night(days))
    turns = iter(range(10))

    def go_on() -> None:
        if next(turns) == 1:
            raise LeaseLost("The lease was taken over.")

    done = apply(made := planned(catalogue), bucket, go_on=go_on)
    assert (done.state, done.removed) == ("Partial", [night(3)])
    assert "1 of 4 backups were removed" in (told := summary(made, done))
    assert "Stopped before the end: The lease was taken over. Nothing is written from" in told
    assert len(folders(shelf)) == 3


# Object Lock


@pytest.fixture
def locked(s3: S3Client, s3_server: LoopbackS3) -> Iterator[tuple[Bucket, Shelf]]:
    """A bucket with Object Lock, under a name of its own: it cannot be emptied at once."""
    name = f"locked-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    yield Bucket(BucketPlace(name, endpoint_url=s3_server.url)), Shelf(s3, name)
    for version in s3.list_object_versions(Bucket=name).get("Versions", []):
        gone: dict[str, Any] = {"Key": version["Key"], "VersionId": version["VersionId"]}
        s3.put_object_legal_hold(Bucket=name, **gone, LegalHold={"Status": "OFF"})
        s3.delete_object(Bucket=name, **gone, BypassGovernanceRetention=True)
    s3.delete_bucket(Bucket=name)


def locking(s3_server: LoopbackS3, until: datetime) -> dict[str, Any]:
    """A lock for what is put; moto enforces it, but cannot be asked until when."""
    told = f"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{until.isoformat()}"
    answer = f"{told}</RetainUntilDate></Retention>".encode()
    s3_server.faults = [Fault("GET", "retention", body=answer, times=-1)]
    return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}


def test_s12_locked_ones_are_skipped_and_said(
    locked: tuple[Bucket, Shelf], s3_server: LoopbackS3
) -> None:
    bucket, shelf = locked
    until = WRITTEN.replace(microsecond=0) + timedelta(days=30)
    lock = locking(s3_server, until)
    shelf.backup(night(0))
    shelf.backup(night(1), lock=lock)
    shelf.backup(night(2))
    catalogue = Catalogue(bucket, "demo")
    made = planned(catalogue)
    assert to_remove(made) == [night(2), night(1)]
    held = shelf.keys()
    before = [key for key in held if night(2) not in key]
    done = apply(made, bucket)
    assert (done.state, done.removed, done.failed) == ("Completed", [night(2)], [])
    assert f"{night(1)} was left: It is locked until {until:%Y-%m-%d %H:%M} UTC." in summary(
        made, done
    )
    assert shelf.keys() == before, "while the manifest stays, all stays"
    assert [backup.state for backup in catalogue.list()] == ["COMPLETE", "COMPLETE"]


def test_s12_an_unfinished_one_that_is_locked_in_part(
    locked: tuple[Bucket, Shelf], s3_server: LoopbackS3
) -> None:
    bucket, shelf = locked
    until = WRITTEN.replace(microsecond=0) + timedelta(days=30)
    shelf.unfinished(night(1))
    lock = locking(s3_server, until)
    shelf.put(f"demo/{night(1)}/markets.json.zst", b"locked", **lock)
    done = apply(planned(Catalogue(bucket, "demo")), bucket)
    assert (done.state, done.swept) == ("Completed", [])
    (left,) = done.locked
    assert left.why == (
        f"Of its files 1 are still there. It is locked until {until:%Y-%m-%d %H:%M} UTC."
    )
    assert shelf.keys() == [f"demo/{night(1)}/markets.json.zst"]


def test_what_the_store_refuses_for_another_reason_is_a_failure(
    locked: tuple[Bucket, Shelf], s3_server: LoopbackS3
) -> None:
    bucket, shelf = locked
    for days in range(2):
        shelf.backup(night(days))
    key = f"demo/{night(1)}/manifest.json"
    shelf.s3.put_object_legal_hold(
        Bucket=shelf.bucket, Key=shelf.prefix + key, LegalHold={"Status": "ON"}
    )
    s3_server.faults = [Fault("GET", "retention", "404 NoSuchObjectLockConfiguration", times=-1)]
    before = shelf.keys()
    done = apply(made := planned(Catalogue(bucket, "demo")), bucket)
    assert (done.state, done.removed) == ("Partial", [])
    assert (
        f"{night(1)} could not be removed: The store refuses it (AccessDenied). The credentials "
        "may lack s3:DeleteObject and s3:DeleteObjectVersion, or a legal hold lies on it."
    ) in summary(made, done)
    assert shelf.keys() == before


# For scripts, and for thousands


def test_plan_and_outcome_as_json(catalogue: Catalogue, bucket: Bucket, shelf: Shelf) -> None:
    for days in range(2):
        shelf.backup(night(days))
    made = planned(catalogue)
    told = json.loads(json.dumps(made.as_dict()))
    assert (told["remove"], told["sweep"], told["uploads"]) == ([night(1)], [], [])
    assert told["policy"]["keep_last"] == 1
    assert told["decisions"][1] == {
        "backup_id": night(1),
        "keep": False,
        "reasons": ["No rule of the policy keeps it."],
    }
    done = json.loads(json.dumps(apply(made, bucket).as_dict()))
    assert done == {
        "state": "Completed",
        "removed": [night(1)],
        "swept": [],
        "uploads_ended": [],
        "locked": [],
        "failed": [],
        "freed_bytes": made.stored_bytes,
        "withheld": "",
        "stopped": "",
    }
    assert Pruned(withheld="because").state == "Withheld"


class Watched(Bucket):
    """A bucket that notes how many manifests are held while it is read."""

    def __init__(self, place: BucketPlace) -> None:
        super().__init__(place)
        self.reads = 0
        self.held = 0

    def read(self, key: str) -> bytes | None:
        self.reads += 1
        if self.reads % 20 == 0:
            self.held = max(self.held, sum(type(found) is Manifest for found in gc.get_objects()))
        return super().read(key)


def test_s19_a_plan_holds_no_manifests(
    place: BucketPlace, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    shelf.backup(night(0))
    for days in range(1, 60):
        shelf.manifest(night(days))
    s3_server.page_keys = 10
    made = planned(Catalogue(watched := Watched(place), "demo"))
    assert len(made.removals) == 59
    assert 0 < watched.held <= 14
