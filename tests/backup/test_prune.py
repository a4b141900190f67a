"""Pruning a real bucket: planned, carried out, held back, swept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from armillary.backup.bucket import Bucket, UnfinishedUpload
from armillary.backup.catalogue import Catalogue
from armillary.backup.manifest import encode
from armillary.backup.place import BucketPlace
from armillary.backup.prune import apply
from armillary.backup.prune_report import rows, summary
from armillary.backup.retention import Retention
from armillary.errors import ConfigurationError, PlanRefused
from tests.backup.made import Shelf, manifest_of
from tests.backup.pruning import (
    NOW,
    WRITTEN,
    begin_upload,
    folders,
    night,
    planned,
    to_remove,
    uploads,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def catalogue(bucket: Bucket) -> Catalogue:
    return Catalogue(bucket, "demo")


# Plan, then apply


def test_what_is_planned_is_what_is_done(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf
) -> None:
    manifests = [shelf.backup(night(days)) for days in range(5)]
    before = shelf.keys()
    made = planned(catalogue, Retention(keep_last=2))
    assert shelf.keys() == before, "a plan changes nothing"
    assert made.state == "Planned"
    assert to_remove(made) == [night(4), night(3), night(2)], "the oldest first"
    assert [decision.keep for decision in made.decisions] == [True, True, False, False, False]
    assert made.stored_bytes == sum(manifest.stored_bytes for manifest in manifests[2:])
    assert planned(catalogue, Retention(keep_last=2)) == made
    done = apply(made, bucket)
    assert (done.state, done.removed, done.failed, done.locked) == (
        *("Completed", to_remove(made), [], []),
    )
    assert done.freed_bytes == made.stored_bytes
    assert folders(shelf) == sorted(f"demo/{night(days)}" for days in (0, 1))
    again = planned(catalogue, Retention(keep_last=2))
    assert (again.removals, again.sweeps, again.stored_bytes) == ((), (), 0)


def test_the_newest_good_and_the_newest_proven_one_stay(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.manifest(night(0), coverage="subset", resource_types=["markets"])
    for days in range(1, 6):
        shelf.backup(night(days))
    page = json.loads(shelf.get(f"demo/{night(4)}/manifest.json"))
    proof = {
        "manifest_sha256": page["sha256"],
        "proven": True,
        "verified_at": NOW.isoformat(),
        "sample": "all",
    }
    shelf.put(f"demo/{night(4)}/verification.json", json.dumps(proof).encode())
    made = planned(catalogue)
    assert to_remove(made) == [night(5), night(3), night(2)]
    table = {line["backup"]: line for line in rows(made)}
    assert "It is the newest complete backup of everything." in table[night(1)]["why"]
    assert table[night(4)] == {
        "backup": night(4),
        "what": "keep",
        "why": "It is the newest one that a restore has proven.",
    }
    assert table[night(2)]["what"] == "remove"
    assert table[night(2)]["why"] == "No rule of the policy keeps it."


def test_two_workspaces_in_one_store_and_what_is_not_ours(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf
) -> None:
    for days in range(3):
        shelf.backup(night(days))
        shelf.manifest(night(days), workspace="other", workspace_slug="other")
    shelf.unfinished(night(9), workspace="other")
    foreign = {
        "demo/notes/manifest.json": b"{}",
        "demo/readme.txt": b"mine",
        "demo2/x": b"y",
        f"other/{night(1)}/x": b"z",
    }
    for key, content in foreign.items():
        shelf.put(key, content)
    begin_upload(shelf, "demo/notes/large.bin")
    begin_upload(shelf, f"other/{night(9)}/markets.json.zst")
    made = planned(catalogue)
    done = apply(made, bucket)
    assert done.removed == [night(2), night(1)]
    assert (done.swept, done.uploads_ended) == ([], [])
    left = shelf.keys()
    assert set(foreign) <= set(left)
    assert {key for key in left if key.startswith("other/")} == {
        *(f"other/{night(days)}/manifest.json" for days in range(3)),
        f"other/{night(1)}/x",
        *(f"other/{night(9)}/{name}" for name in ("_run.json", "time_series_values.json.zst")),
    }
    assert len(uploads(shelf)) == 2


def test_all_versions_go(s3: S3Client, catalogue: Catalogue, bucket: Bucket, shelf: Shelf) -> None:
    s3.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})
    for days in range(2):
        shelf.backup(night(days))
    shelf.put(f"demo/{night(1)}/markets.json.zst", b"another version")
    assert apply(planned(catalogue), bucket).removed == [night(1)]
    kept = s3.list_object_versions(Bucket="backups", Prefix=f"desk/demo/{night(1)}/")
    assert not kept.get("Versions")
    assert not kept.get("DeleteMarkers")


# What holds everything back


@pytest.mark.parametrize("harm", ["delete", "change"])
def test_s24_nothing_goes_while_the_newest_good_one_is_not_whole(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf, harm: str
) -> None:
    for days in range(3):
        shelf.backup(night(days))
    shelf.unfinished(night(9))
    begin_upload(shelf, f"demo/{night(9)}/markets.json.zst")
    getattr(shelf, harm)(f"demo/{night(0)}/markets.json.zst")
    before = shelf.keys()
    made = planned(catalogue)
    assert made.state == "PlannedWithheld"
    assert (made.removals, made.sweeps, made.uploads) == ((), (), ())
    assert made.withheld.startswith(
        f"the newest complete backup, {night(0)}, is not whole any more. "
        f"demo/{night(0)}/markets.json.zst: "
    )
    assert made.withheld.endswith(
        "The older ones may be needed: make a new backup first, and look at this one with "
        f"`armillary verify --backup {night(0)}`."
    )
    assert "Nothing is removed: the newest complete backup" in summary(made)
    table = {line["backup"]: line for line in rows(made)}
    assert table[night(2)]["what"] == "keep"
    assert table[night(2)]["why"] == "No rule keeps it, but nothing is removed now."
    done = apply(made, bucket)
    assert (done.state, done.removed) == ("Withheld", [])
    assert shelf.keys() == before
    assert len(uploads(shelf)) == 1


def test_s24_nothing_goes_while_the_newest_manifest_is_damaged(
    catalogue: Catalogue, shelf: Shelf
) -> None:
    for days in range(1, 4):
        shelf.backup(night(days))
    shelf.put(f"demo/{night(0)}/manifest.json", b"{")
    made = planned(catalogue)
    assert to_remove(made) == []
    assert f"{night(0)} cannot be believed and is kept: The manifest cannot be read" in summary(
        made
    )
    assert f"its newest backup, {night(0)}, is damaged" in str(rows(made)[3])


def test_s24_a_subset_is_relied_on_only_while_it_is_whole(
    catalogue: Catalogue, shelf: Shelf
) -> None:
    for days in range(3):
        shelf.backup(night(days), coverage="subset", resource_types=["markets"])
    assert to_remove(planned(catalogue)) == [night(2), night(1)]
    shelf.delete(f"demo/{night(0)}/markets.json.zst")
    assert planned(catalogue).state == "PlannedWithheld"


def test_s24_the_newest_good_one_vanished_after_the_plan(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf
) -> None:
    for days in range(3):
        shelf.backup(night(days))
    made = planned(catalogue)
    shelf.delete(f"demo/{night(0)}/manifest.json")
    before = shelf.keys()
    with pytest.raises(PlanRefused) as caught:
        apply(made, bucket)
    assert str(caught.value) == (
        f"The newest complete backup, s3://backups/desk/demo/{night(0)}, has lost its manifest "
        "since the plan was made. Nothing was removed. Find out who deleted it, then plan again."
    )
    assert shelf.keys() == before


def test_s25_a_backup_of_the_future_replaces_no_other(catalogue: Catalogue, shelf: Shelf) -> None:
    future = f"{NOW + timedelta(days=400):%Y-%m-%dT%H-%M-%SZ}"
    shelf.manifest(future)  # its files are not there, and nobody relies on it
    for days in range(3):
        shelf.backup(night(days))
    made = planned(catalogue)
    assert to_remove(made) == [night(2), night(1)]
    assert f"{future} is dated in the future and kept: look at the clock" in summary(made)


def test_what_is_missing_is_said(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.manifest(night(0), state="PARTIAL", problems=["markets is missing."])
    told = summary(planned(catalogue, lock_days=1))
    assert "There is no complete backup of everything." in told
    assert "No backup has been proven by a restore." in told
    assert told.startswith(
        "Policy: the last 1 (days in UTC). Place: s3://backups/desk/demo. 0 of 1"
    )


def test_s26_a_lock_that_is_too_short_is_said(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.backup(night(0))
    told = summary(planned(catalogue, Retention(keep_daily=14), lock_days=7))
    assert "Backups are locked for 7 days, but the policy keeps each for 14 days" in told


# What was never finished


class Dated(Bucket):
    """moto dates every upload 2010; this one says when it was begun."""

    def unfinished_uploads(self, prefix: str) -> Iterator[UnfinishedUpload]:
        found = super().unfinished_uploads(prefix)
        return (UnfinishedUpload(upload.key, upload.upload_id, WRITTEN) for upload in found)


def test_s16_unfinished_ones_are_swept_after_two_days(place: BucketPlace, shelf: Shelf) -> None:
    catalogue = Catalogue(bucket := Dated(place), "demo")
    shelf.backup(night(0))
    shelf.unfinished(night(1))
    begin_upload(shelf, f"demo/{night(1)}/markets.json.zst")
    early = planned(catalogue, now=datetime.now(UTC) + timedelta(days=2, minutes=-10))
    assert (early.sweeps, early.uploads) == ((), ())
    made = planned(catalogue)
    assert [sweep.backup_id for sweep in made.sweeps] == [night(1)]
    assert [upload.key for upload in made.uploads] == [f"demo/{night(1)}/markets.json.zst"]
    assert made.stored_bytes == len(b"{}") + len(b"some bytes")
    table = {line["what"]: line["why"] for line in rows(made)}
    assert table["sweep"] == "It was never finished, and nothing was written to it for 3 days."
    assert table["end upload"] == "Its upload was begun 3 days ago and never finished."
    done = apply(made, bucket)
    assert (done.swept, done.uploads_ended) == (
        *([night(1)], [f"demo/{night(1)}/markets.json.zst"]),
    )
    assert folders(shelf) == [f"demo/{night(0)}"]
    assert uploads(shelf) == []
    assert "1 unfinished ones swept, 1 unfinished uploads ended: 12 B." in summary(made, done)


def test_one_that_was_finished_after_the_plan_is_not_swept(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf
) -> None:
    shelf.unfinished(night(1))
    made = planned(catalogue)
    shelf.put(f"demo/{night(1)}/manifest.json", encode(manifest_of(night(1))))
    before = shelf.keys()
    done = apply(made, bucket)
    assert (done.state, done.swept) == ("Partial", [])
    assert "It has got a manifest since the plan was made: it was not swept." in summary(made, done)
    assert shelf.keys() == before


class WithoutUploads(Bucket):
    """Credentials that may not list uploads."""

    def unfinished_uploads(self, prefix: str) -> Iterator[UnfinishedUpload]:
        raise ConfigurationError(f"Listing {prefix} is denied.", next_step="It needs a right.")


def test_a_missing_right_to_list_uploads_is_said_and_stops_nothing(
    place: BucketPlace, shelf: Shelf
) -> None:
    for days in range(2):
        shelf.backup(night(days))
    made = planned(Catalogue(WithoutUploads(place), "demo"))
    assert to_remove(made) == [night(1)]
    assert (
        "Unfinished uploads could not be listed, and none is ended: Listing demo/ is denied. It "
        "needs a right."
    ) in summary(made)
