"""What the backup asks of S3, asked of Ceph's gateway: another reading of the same protocol."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from armillary.backup.catalogue import Catalogue
from armillary.backup.manifest import MANIFEST
from armillary.backup.prune import apply, plan
from armillary.backup.prune_report import summary
from armillary.backup.retention import Retention
from armillary.backup.verified import Depth
from armillary.backup.verify import verify
from armillary.errors import ConfigurationError
from simulator import Simulator
from tests.backup.made import Shelf
from tests.backup.workspace import seed
from tests.real.conftest import MakeAwsCommand
from tests.real.made_backup import LARGE, WORKSPACE, MadeBackup, back_up, store_block
from tests.real.service import PREFIX, Service

pytestmark = [pytest.mark.real, pytest.mark.flow, pytest.mark.slow]

OLD = "2026-11-20T02-00-00Z"
NEW = "2026-11-21T02-00-00Z"
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
FOLDER = f"{WORKSPACE}/{OLD}"
DEPTHS: tuple[Depth, ...] = ("present", "content")
PART = b"1" * 5 * 1024**2


def shelf_in(service: Service, bucket_name: str) -> Shelf:
    return Shelf(service.client, bucket_name, PREFIX)


def everything(service: Service, bucket_name: str) -> list[str]:
    """The keys of all versions and of all delete markers, below the prefix."""
    answer: Any = service.client.list_object_versions(Bucket=bucket_name, Prefix=f"{PREFIX}/")
    kept = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
    return [entry["Key"].removeprefix(f"{PREFIX}/") for entry in kept]


def refused(sim: Simulator, store: Any) -> str:
    """The message of a run that fails before it has any job made."""
    state = back_up(sim, store)
    assert state.type.value == "FAILED"
    assert "POST /exports" not in sim.calls()
    message: str = state.message
    return message


@pytest.mark.parametrize("which", ["packed", "plain"])
def test_a_whole_backup_in_several_parts(which: str, request: pytest.FixtureRequest) -> None:
    backup: MadeBackup = request.getfixturevalue(which)
    etags = {entry.resource_type: entry.etag.strip('"') for entry in backup.manifest.files}
    assert etags[LARGE].endswith("-2")
    assert backup.manifest.full_and_complete
    result = verify(backup.bucket, backup.found, depth="content")
    assert result.state == "Completed", result.problems
    assert (result.files_read, result.problems, result.notes) == (7, (), ())
    assert not list(backup.bucket.unfinished_uploads(""))


def test_versions_are_noted_where_there_are_any(packed: MadeBackup, plain: MadeBackup) -> None:
    assert all(entry.version_id for entry in packed.manifest.files)
    assert not any(entry.version_id for entry in plain.manifest.files)


def test_checksums_over_tls_are_refused_before_any_job_is_made(
    gateway: Service,
    sim: Simulator,
    prefect_server: None,
    self_signed: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", self_signed[0])
    message = refused(sim, store_block(gateway.over_tls, gateway.make_bucket()))
    assert "411 MissingContentLength" in message
    assert "when_required" in message


def test_s08_an_overwritten_object_is_found_and_its_version_brought_back(
    gateway: Service, aws: MakeAwsCommand, tmp_path: Path
) -> None:
    name, client = gateway.make_bucket(versions=True), aws(gateway)
    shelf_in(gateway, name).backup(OLD)
    bucket = gateway.bucket(name)
    found = Catalogue(bucket, WORKSPACE).get(OLD)
    assert found.manifest
    assert verify(bucket, found).state == "Completed"
    entry = found.manifest.files[0]
    key = f"{PREFIX}/{FOLDER}/{entry.key}"
    other = tmp_path / "other"
    other.write_bytes(b"x" * entry.stored_bytes)
    client.s3("cp", "--only-show-errors", str(other), f"s3://{name}/{key}")
    for depth in DEPTHS:
        result = verify(bucket, found, depth=depth)
        assert result.state == "Failed"
        (problem,) = result.problems
        assert problem.key == f"{FOLDER}/{entry.key}"
        assert "another version is current than the one that the backup wrote" in problem.what
        assert (
            f"({entry.version_id}) is still there: copy it onto the key to bring it back"
            in problem.what
        )
    source = f"{name}/{key}?versionId={entry.version_id}"
    client.s3api("copy-object", "--bucket", name, "--key", key, "--copy-source", source)
    result = verify(bucket, found)
    assert result.state == "Completed", result.problems
    assert f"{entry.key} holds the right bytes, but another version" in " ".join(result.notes)


def test_s08_an_overwritten_object_is_found_where_no_versions_are_kept(gateway: Service) -> None:
    name = gateway.make_bucket()
    shelf, bucket = shelf_in(gateway, name), gateway.bucket(name)
    entry = shelf.backup(OLD).files[0]
    found = Catalogue(bucket, WORKSPACE).get(OLD)
    assert verify(bucket, found).state == "Completed"
    shelf.put(f"{FOLDER}/{entry.key}", b"x" * entry.stored_bytes)
    (seen,) = verify(bucket, found, depth="present").problems
    assert "it does not carry the metadata that the backup gave it" in seen.what
    (read,) = verify(bucket, found, depth="content").problems
    assert "holds other bytes: it was altered or replaced" in read.what


def test_s13_a_second_manifest_is_refused(gateway: Service) -> None:
    bucket = gateway.bucket(gateway.make_bucket())
    assert bucket.write(f"{FOLDER}/{MANIFEST}", b"first", only_if_absent=True)
    assert not bucket.write(f"{FOLDER}/{MANIFEST}", b"second", only_if_absent=True)
    assert bucket.read(f"{FOLDER}/{MANIFEST}") == b"first"
    # The same again: an earlier attempt whose answer was lost.
    assert bucket.write(f"{FOLDER}/{MANIFEST}", b"first", only_if_absent=True)


class _Dies(io.RawIOBase):
    """A source that ends with an exception after so many reads."""

    def __init__(self, reads: int) -> None:
        self._reads = reads

    def readable(self) -> bool:
        return True

    def read(self, _: int | None = -1, /) -> bytes:
        self._reads -= 1
        if self._reads < 0:
            raise RuntimeError("the source died")
        return PART


def test_s03_a_source_that_dies_leaves_nothing(gateway: Service) -> None:
    bucket = gateway.bucket(gateway.make_bucket())
    with pytest.raises(RuntimeError, match="the source died"):
        bucket.upload(f"{FOLDER}/x", _Dies(3), metadata={})  # type: ignore[arg-type]
    assert list(bucket.list("")) == []
    assert list(bucket.unfinished_uploads("")) == []


def test_s04_uploads_of_a_killed_run_are_listed_and_ended(gateway: Service) -> None:
    name, client = gateway.make_bucket(), gateway.client
    shelf_in(gateway, name).backup(OLD)
    bucket, key = gateway.bucket(name), f"{PREFIX}/{FOLDER}/instruments.json"
    upload_id = client.create_multipart_upload(Bucket=name, Key=key)["UploadId"]
    client.upload_part(Bucket=name, Key=key, UploadId=upload_id, PartNumber=1, Body=PART)
    catalogue, policy = Catalogue(bucket, WORKSPACE), Retention(keep_last=1)
    now = datetime.now(UTC)
    assert plan(catalogue, policy, now).uploads == ()
    made = plan(catalogue, policy, now + timedelta(days=3))
    assert [upload.key for upload in made.uploads] == [f"{FOLDER}/instruments.json"]
    done = apply(made, bucket)
    assert (done.state, done.uploads_ended) == ("Completed", [f"{FOLDER}/instruments.json"])
    assert list(bucket.unfinished_uploads("")) == []
    bucket.abort(made.uploads[0])  # once more does no harm


def test_prune_removes_every_version(gateway: Service) -> None:
    name = gateway.make_bucket(versions=True)
    shelf, catalogue = shelf_in(gateway, name), Catalogue(gateway.bucket(name), WORKSPACE)
    shelf.backup(NEW)
    shelf.backup(OLD)
    shelf.put(f"{FOLDER}/instruments.json.zst", b"overwritten")
    before = everything(gateway, name)
    made = plan(catalogue, Retention(keep_last=1), NOW)
    assert "1 of 2 backups would be removed" in summary(made)
    assert everything(gateway, name) == before
    done = apply(made, catalogue.bucket)
    assert (done.state, done.removed) == ("Completed", [OLD])
    assert everything(gateway, name) == [key for key in before if not key.startswith(FOLDER)]


def test_prune_removes_what_was_deleted_but_kept_as_a_version(gateway: Service) -> None:
    name = gateway.make_bucket(versions=True)
    shelf, catalogue = shelf_in(gateway, name), Catalogue(gateway.bucket(name), WORKSPACE)
    shelf.backup(NEW)
    before = everything(gateway, name)
    shelf.backup(OLD)
    shelf.delete(f"{FOLDER}/instruments.json.zst")
    done = apply(plan(catalogue, Retention(keep_last=1), NOW), catalogue.bucket)
    assert (done.state, done.removed) == ("Completed", [OLD])
    assert everything(gateway, name) == before


def test_s12_prune_leaves_what_is_locked_and_says_until_when(
    gateway: Service, sim: Simulator, prefect_server: None
) -> None:
    name, until = gateway.make_bucket(lock=True), datetime.now(UTC) + timedelta(days=1)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    shelf_in(gateway, name).backup(OLD, lock=lock)
    before = [key for key in everything(gateway, name) if key.startswith(FOLDER)]
    seed(sim)
    store = store_block(gateway, name, object_lock_mode="GOVERNANCE", object_lock_days=1)
    state = back_up(sim, store)
    assert state.name == "Completed", state.message
    newest = f"{WORKSPACE}/{state.result().backup_id}/{MANIFEST}"
    (kept,) = store.open().delete([newest])
    assert kept.locked_until
    pruned = prune(store)
    assert pruned.name == "Completed", pruned.message
    assert f"{OLD} was left: It is locked until {until:%Y-%m-%d %H:%M} UTC." in pruned.message
    assert [key for key in everything(gateway, name) if key.startswith(FOLDER)] == before


def prune(store: Any) -> Any:
    from flows.prune_backups import prune_backups  # noqa: PLC0415 - after the server's settings

    return prune_backups(store, keep_last=1, mode="apply", return_state=True)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_s12_a_file_in_several_parts_is_locked_too(gateway: Service, mode: str) -> None:
    name = gateway.make_bucket(lock=True)
    bucket = gateway.bucket(name, object_lock_mode=mode, object_lock_days=1)
    bucket.upload(f"{FOLDER}/large", io.BytesIO(2 * PART), metadata={})
    bucket.upload(f"{FOLDER}/small", io.BytesIO(b"1"), metadata={})
    left = bucket.delete([f"{FOLDER}/large", f"{FOLDER}/small"])
    assert [found.key for found in left] == [f"{FOLDER}/large", f"{FOLDER}/small"]
    for found in left:
        assert found.locked_until
        assert found.locked_until > datetime.now(UTC) + timedelta(hours=23)


def test_s11_a_bucket_without_the_lock_is_refused(
    gateway: Service, sim: Simulator, prefect_server: None
) -> None:
    name = gateway.make_bucket()
    store = store_block(gateway, name, object_lock_mode="COMPLIANCE", object_lock_days=1)
    assert refused(sim, store) == (
        f"s3://{name}/{PREFIX}: Object Lock is asked for, and the bucket does not have it. Object "
        "Lock is switched on when a bucket is made: use such a bucket, or take the lock out of "
        "the backup store."
    )


def test_s10_a_bucket_that_is_not_there(
    gateway: Service, sim: Simulator, prefect_server: None
) -> None:
    assert refused(sim, store_block(gateway, "never-made")) == (
        f"s3://never-made/{PREFIX}: there is no such bucket. Check name, region and endpoint of "
        "the backup store, or make the bucket."
    )


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"access_key": "nobody"}, "InvalidAccessKeyId"),
        ({"secret_key": "not-the-secret"}, "SignatureDoesNotMatch"),
    ],
)
def test_s09_wrong_keys(
    gateway: Service, sim: Simulator, prefect_server: None, wrong: dict[str, str], code: str
) -> None:
    name = gateway.make_bucket()
    assert refused(sim, store_block(replace(gateway, **wrong), name)) == (
        f"s3://{name}/{PREFIX}: the store does not accept the credentials ({code}). Check access "
        "key id and secret access key of the backup store."
    )


@pytest.mark.parametrize(
    ("asked", "word"),
    [({"encryption": "AES256"}, "encryption"), ({"storage_class": "GLACIER"}, "storage class")],
)
def test_what_the_store_does_not_offer_is_named(
    gateway: Service, asked: dict[str, str], word: str
) -> None:
    bucket = gateway.bucket(gateway.make_bucket(), **asked)
    with pytest.raises(ConfigurationError, match=word):
        bucket.upload(f"{FOLDER}/x", io.BytesIO(b"1"), metadata={})
