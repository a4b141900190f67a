"""What is asked of a store for what lies there: encryption, classes, locks, checksums, removal."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from armillary.backup import bucket as bucket_module
from armillary.backup.bucket import Bucket
from armillary.backup.place import MIB, BucketPlace
from armillary.errors import ConfigurationError, StoreFailed
from tests.backup.made import Shelf
from tests.backup.test_bucket import stream
from tests.runs.s3 import Asked, Fault, LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART = 5 * MIB

LOCK = {"object_lock_mode": "GOVERNANCE", "object_lock_days": 30}


@pytest.fixture
def place(place: BucketPlace, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """boto3 itself repeats once, after a moment."""
    monkeypatch.setattr(bucket_module, "ATTEMPTS", 2)
    return replace(place, part_bytes=PART, upload_threads=2)


@pytest.fixture
def versions(s3: S3Client) -> None:
    """The bucket keeps versions."""
    s3.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture
def locked_place(s3: S3Client, s3_server: LoopbackS3, place: BucketPlace) -> Iterator[BucketPlace]:
    """A bucket of its own, with Object Lock."""
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    yield replace(place, bucket="locked", **LOCK)  # type: ignore[arg-type]
    s3_server.behave()
    made = boto3.resource("s3", endpoint_url=s3_server.url).Bucket("locked")
    for version in made.object_versions.all():
        s3.delete_object(
            Bucket="locked",
            Key=version.object_key,
            VersionId=version.id,
            BypassGovernanceRetention=True,
        )
    made.delete()


def sent(server: LoopbackS3, method: str, part: str) -> Asked:
    """The only such request."""
    (found,) = (asked for asked in server.asked if asked.method == method and part in asked.target)
    return found


def test_encryption_and_class_arrive_with_pages_and_files(
    place: BucketPlace, s3_server: LoopbackS3
) -> None:
    bucket = Bucket(
        replace(place, encryption="aws:kms", kms_key_id="key-1", storage_class="STANDARD_IA")
    )
    bucket.write("page", b"page")
    bucket.write("journal", b"journal", locked=False)
    bucket.write("once", b"once", only_if_absent=True)
    bucket.upload("small", stream(10), metadata={})
    bucket.upload("large", stream(PART + 1), metadata={})
    for method, part in [
        ("PUT", "page"),
        ("PUT", "journal"),
        ("PUT", "once"),
        ("PUT", "small"),
        ("POST", "large?uploads"),
    ]:
        headers = sent(s3_server, method, part).headers
        assert headers["x-amz-server-side-encryption"] == "aws:kms"
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
        is_file = part not in {"page", "journal", "once"}
        assert headers.get("x-amz-storage-class") == ("STANDARD_IA" if is_file else None)
        assert "x-amz-object-lock-mode" not in headers


def test_nothing_is_asked_for_that_nobody_wants(bucket: Bucket, s3_server: LoopbackS3) -> None:
    bucket.write("page", b"page")
    headers = sent(s3_server, "PUT", "page").headers
    assert not [name for name in headers if "encryption" in name or "lock" in name]


def test_a_lock_arrives_with_pages_and_files_and_spares_the_journal(
    locked_place: BucketPlace, s3_server: LoopbackS3
) -> None:
    bucket = Bucket(locked_place)
    before = datetime.now(UTC)
    bucket.write("page", b"page")
    bucket.write("once", b"once", only_if_absent=True)
    bucket.write("journal", b"journal", locked=False)
    bucket.upload("small", stream(10), metadata={})
    bucket.upload("large", stream(PART + 1), metadata={})
    for method, part in [
        ("PUT", "page"),
        ("PUT", "once"),
        ("PUT", "small"),
        ("POST", "large?uploads"),
    ]:
        headers = sent(s3_server, method, part).headers
        assert headers["x-amz-object-lock-mode"] == "GOVERNANCE"
        until = datetime.fromisoformat(headers["x-amz-object-lock-retain-until-date"])
        assert timedelta(days=29) < until - before < timedelta(days=31)
    assert not [name for name in sent(s3_server, "PUT", "journal").headers if "object-lock" in name]


PAGE_CRC32 = base64.b64encode(zlib.crc32(b"page").to_bytes(4, "big")).decode()
PAGE_MD5 = base64.b64encode(hashlib.md5(b"page").digest()).decode()


def test_checksums_are_sent_and_kept_as_the_place_says(
    place: BucketPlace, s3_server: LoopbackS3
) -> None:
    Bucket(place).write("with", b"page")
    assert sent(s3_server, "PUT", "with").headers["x-amz-checksum-crc32"] == PAGE_CRC32
    bucket = Bucket(replace(place, checksum="when_required"))
    bucket.write("without", b"page")
    stored = bucket.upload("file", stream(PART + 1), metadata={})
    for asked in s3_server.asked:
        if "/with?" not in asked.target and not asked.target.endswith("/with"):
            assert not [name for name in asked.headers if "checksum" in name]
    assert stored.checksums == {}


@pytest.mark.parametrize("checksum", ["when_supported", "when_required"])
def test_under_a_lock_each_page_and_part_has_its_digest_in_the_header(
    locked_place: BucketPlace, s3_server: LoopbackS3, checksum: Any
) -> None:
    """S3 refuses a locked page or part without one; behind the bytes is not enough."""
    bucket = Bucket(replace(locked_place, checksum=checksum))
    bucket.write("page", b"page")
    stored = bucket.upload("large", stream(2 * PART), metadata={})
    assert stored.bytes == 2 * PART
    part = b"x" * PART
    crc32 = base64.b64encode(zlib.crc32(part).to_bytes(4, "big")).decode()
    md5 = base64.b64encode(hashlib.md5(part).digest()).decode()
    for asked, digests in [
        (sent(s3_server, "PUT", "page"), (PAGE_CRC32, PAGE_MD5)),
        (sent(s3_server, "PUT", "partNumber=1"), (crc32, md5)),
        (sent(s3_server, "PUT", "partNumber=2"), (crc32, md5)),
    ]:
        if checksum == "when_supported":
            assert asked.headers["x-amz-checksum-crc32"] == digests[0]
        else:
            assert asked.headers["content-md5"] == digests[1]
            assert "x-amz-checksum-crc32" not in asked.headers


def test_removal_takes_all_versions_and_markers(
    versions: None, bucket: Bucket, shelf: Shelf, s3: S3Client
) -> None:
    for key in ("file", "file", "file.zst", "gone", "other"):
        shelf.put(key, b"content")
    shelf.delete("gone")
    assert bucket.delete(["file", "gone", "never there"]) == []
    left = s3.list_object_versions(Bucket="backups")
    assert [entry["Key"] for entry in left["Versions"]] == ["desk/file.zst", "desk/other"]
    assert "DeleteMarkers" not in left


def test_removal_where_nothing_tells_of_versions(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    for refusal in ("501 NotImplemented", "403 AccessDenied", "405 MethodNotAllowed"):
        shelf.put("file", b"content")
        s3_server.faults = [Fault("GET", part="?versions", status=refusal)]
        assert bucket.delete(["file"]) == []
        assert shelf.keys() == []


def test_removal_does_not_go_on_blindly_when_versions_cannot_be_read(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    shelf.put("file", b"content")
    s3_server.faults = [Fault("GET", part="?versions", status="503 SlowDown", times=10)]
    with pytest.raises(StoreFailed, match=r"removing file failed: .* 503 SlowDown"):
        bucket.delete(["file"])
    assert shelf.keys() == ["file"]


def test_s12_what_is_locked_stays_and_is_told(locked_place: BucketPlace, s3: S3Client) -> None:
    bucket = Bucket(locked_place)
    bucket.write("locked", b"old")
    bucket.write("locked", b"new")
    bucket.write("free", b"page", locked=False)
    (left,) = bucket.delete(["locked", "free"])
    assert left.key == "locked"
    assert left.reason == "The store refuses it (AccessDenied)."
    assert left.locked_until
    assert left.locked_until > datetime.now(UTC) + timedelta(days=29)
    assert bucket.read("locked") == b"new"
    assert bucket.read("free") is None


def test_an_old_version_whose_lock_has_ended_goes_though_the_newest_stays(
    locked_place: BucketPlace, s3: S3Client
) -> None:
    bucket = Bucket(locked_place)
    bucket.write("file", b"old", locked=False)
    bucket.write("file", b"new")
    (left,) = bucket.delete(["file"])
    assert left.locked_until
    kept = s3.list_object_versions(Bucket="locked")["Versions"]
    assert len(kept) == 1
    assert bucket.read("file") == b"new"


def test_what_may_not_be_removed_is_told(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    shelf.put("file", b"content")
    s3_server.faults = [Fault("DELETE", status="403 AccessDenied", times=10)]
    (left,) = bucket.delete(["file"])
    assert (left.key, left.locked_until) == ("file", None)
    assert left.reason == "The store refuses it (AccessDenied)."


def test_s09_a_probe_is_removed_with_all_its_versions(
    versions: None, bucket: Bucket, shelf: Shelf, s3: S3Client, s3_server: LoopbackS3
) -> None:
    bucket.prove()
    bucket.prove("demo")
    found = s3.list_object_versions(Bucket="backups")
    assert not found.get("Versions")
    assert not found.get("DeleteMarkers")
    assert {asked.target for asked in s3_server.asked if asked.method == "PUT"} >= {
        "/backups/desk/_probe",
        "/backups/desk/demo/_probe",
    }


def test_a_probe_is_not_locked(locked_place: BucketPlace, s3: S3Client) -> None:
    Bucket(locked_place).prove("demo")
    assert not s3.list_object_versions(Bucket="locked").get("Versions")


def test_credentials_that_may_not_remove_are_good_and_leave_one_probe(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    s3_server.faults = [Fault("DELETE", status="403 AccessDenied", times=10)]
    bucket.prove("demo")
    bucket.prove("demo")
    assert shelf.keys() == ["demo/_probe"]


def test_another_run_may_remove_the_probe_meanwhile(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    s3_server.faults = [Fault("GET", part="_probe", status="404 NoSuchKey")]
    bucket.prove()
    s3_server.faults = [Fault("GET", part="_probe", status="404 NoSuchKey", times=10)]
    with pytest.raises(StoreFailed, match="_probe was just written and does not read back"):
        bucket.prove()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("PUT", status="403 AccessDenied"), "need s3:PutObject;"),
        (Fault("GET", part="_probe", status="403 AccessDenied"), "need s3:GetObject;"),
        (Fault("GET", part="list-type", status="403 AccessDenied"), "need s3:ListBucket;"),
        (Fault("GET", part="_probe", status="403 KMS.DisabledException"), "kms:Decrypt"),
    ],
)
def test_s09_a_right_that_is_missing_is_named(
    bucket: Bucket, s3_server: LoopbackS3, fault: Fault, message: str
) -> None:
    s3_server.faults = [replace(fault)]
    with pytest.raises(ConfigurationError, match=message):
        bucket.prove()


def test_s11_a_bucket_without_the_lock_that_is_asked_for_is_refused(
    place: BucketPlace, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    bucket = Bucket(replace(place, **LOCK))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        bucket.prove()
    assert str(caught.value) == (
        "s3://backups/desk: Object Lock is asked for, and the bucket does not have it. Object "
        "Lock is switched on when a bucket is made: use such a bucket, or take the lock out of "
        "the backup store."
    )
    assert not [asked for asked in s3_server.asked if asked.target.endswith("_probe")]
