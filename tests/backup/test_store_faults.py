"""What an S3 service refuses, in words a person can act upon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest

from armillary.backup import bucket as bucket_module
from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from armillary.errors import ArmillaryError, ConfigurationError, StoreFailed
from tests.backup.test_bucket import stream
from tests.runs.s3 import Fault, LoopbackS3


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_module, "ATTEMPTS", 1)


@pytest.fixture
def bucket(one_attempt: None, place: BucketPlace) -> Bucket:
    return Bucket(place)


SAID = "made up by the test"

REFUSALS: list[tuple[str, type[ArmillaryError], str]] = [
    (
        "404 NoSuchBucket",
        ConfigurationError,
        "s3://backups/desk: there is no such bucket. Check name, region and endpoint of the "
        "backup store, or make the bucket.",
    ),
    (
        "301 PermanentRedirect",
        ConfigurationError,
        f"s3://backups/desk: the bucket is in another region than the one asked "
        f"(PermanentRedirect: {SAID}). Set the region of the backup store to that of the bucket.",
    ),
    (
        "403 InvalidAccessKeyId",
        ConfigurationError,
        "s3://backups/desk: the store does not accept the credentials (InvalidAccessKeyId). Check "
        "access key id and secret access key of the backup store.",
    ),
    (
        "403 SignatureDoesNotMatch",
        ConfigurationError,
        "s3://backups/desk: the store does not accept the credentials (SignatureDoesNotMatch). "
        "Check access key id and secret access key of the backup store.",
    ),
    (
        "400 ExpiredToken",
        ConfigurationError,
        "s3://backups/desk: the credentials have expired (ExpiredToken) while writing page. Renew "
        "them and start again: an interrupted backup is continued.",
    ),
    (
        "403 RequestTimeTooSkewed",
        ConfigurationError,
        f"s3://backups/desk: the store says that this machine's clock is wrong ({SAID}). Set the "
        "clock, then start again.",
    ),
    (
        "403 AccessDenied",
        ConfigurationError,
        f"s3://backups/desk: writing page is denied (AccessDenied: {SAID}). The credentials need "
        "s3:PutObject; with encryption by a key also kms:GenerateDataKey and kms:Decrypt.",
    ),
    (
        "400 KMS.NotFoundException",
        ConfigurationError,
        "s3://backups/desk: the encryption key cannot be used while writing page "
        f"(KMS.NotFoundException: {SAID}). Check the key and the rights kms:GenerateDataKey and "
        "kms:Decrypt.",
    ),
    (
        "503 SlowDown",
        StoreFailed,
        "s3://backups/desk: writing page failed: the store answered 503 SlowDown to PutObject "
        f"({SAID}). Start again when the store answers.",
    ),
]


@pytest.mark.parametrize(("status", "kind", "message"), REFUSALS, ids=lambda value: str(value)[:24])
def test_s09_s10_s20_t01_a_refusal_says_what_to_do(
    bucket: Bucket,
    s3_server: LoopbackS3,
    status: str,
    kind: type[ArmillaryError],
    message: str,
) -> None:
    s3_server.faults = [Fault("PUT", part="page", status=status, times=10)]
    with pytest.raises(ArmillaryError) as caught:
        bucket.write("page", b"content")
    assert type(caught.value) is kind
    assert str(caught.value) == message


def test_s10_a_bucket_that_is_not_there(place: BucketPlace) -> None:
    bucket = Bucket(replace(place, bucket="nowhere"))
    with pytest.raises(ConfigurationError, match=r"s3://nowhere/desk: there is no such bucket"):
        bucket.prove()
    with pytest.raises(ConfigurationError, match="there is no such bucket"):
        bucket.upload("file", stream(6 * 1024**2), metadata={})


@pytest.mark.parametrize(
    ("method", "part", "permission"),
    [
        ("HEAD", "page", "s3:GetObject and s3:ListBucket"),
        ("GET", "page", "s3:GetObject"),
        ("GET", "list-type=2", "s3:ListBucket"),
        ("GET", "uploads", "s3:ListBucketMultipartUploads"),
        ("POST", "uploads", "s3:PutObject"),
        ("GET", "object-lock", "s3:GetBucketObjectLockConfiguration"),
    ],
)
def test_s09_the_right_is_named_that_is_missing(
    place: BucketPlace, s3_server: LoopbackS3, method: str, part: str, permission: str
) -> None:
    bucket = Bucket(replace(place, part_bytes=5 * 1024**2))
    calls: dict[tuple[str, str], Any] = {
        ("HEAD", "page"): lambda: bucket.head("page"),
        ("GET", "page"): lambda: bucket.read("page"),
        ("GET", "list-type=2"): lambda: list(bucket.list("")),
        ("GET", "uploads"): lambda: list(bucket.unfinished_uploads("")),
        ("POST", "uploads"): lambda: bucket.upload("x", stream(6 * 1024**2), metadata={}),
        ("GET", "object-lock"): Bucket(
            replace(place, object_lock_mode="COMPLIANCE", object_lock_days=1)
        ).prove,
    }
    s3_server.faults = [Fault(method, part=part, status="403 AccessDenied", times=10)]
    with pytest.raises(ConfigurationError, match=f"The credentials need {permission};"):
        calls[method, part]()


def test_a_store_that_is_not_there(place: BucketPlace) -> None:
    bucket = Bucket(replace(place, endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(StoreFailed) as caught:
        list(bucket.list("demo/"))
    assert str(caught.value).startswith(
        "s3://backups/desk: listing demo/ failed: Could not connect to the endpoint URL: "
        '"http://127.0.0.1:9/backups'
    )
    assert "list-type" not in str(caught.value)


def test_a_store_that_hangs_up(bucket: Bucket, s3_server: LoopbackS3) -> None:
    s3_server.faults = [Fault("PUT", part="page", drop=True, times=10)]
    with pytest.raises(StoreFailed, match="writing page failed: Connection was closed before"):
        bucket.write("page", b"content")


def test_no_credentials_anywhere(place: BucketPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "nowhere")
    with pytest.raises(ConfigurationError, match="there are no credentials for the backup store"):
        Bucket(place, boto3.session.Session()).read("page")


def test_no_refusal_shows_a_credential(bucket: Bucket, s3_server: LoopbackS3) -> None:
    for status in [status for status, _, _ in REFUSALS]:
        s3_server.faults = [Fault("PUT", part="page", status=status, times=10)]
        with pytest.raises(ArmillaryError) as caught:
            bucket.write("page", b"content")
        seen: BaseException | None = caught.value
        while seen is not None:
            assert "made-up-secret" not in f"{seen} {seen!r}"
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"endpoint_url": "nonsense"}, "is not usable: Invalid endpoint: nonsense"),
        ({"region": "not a region"}, "is not usable: .*not a region"),
    ],
)
def test_a_way_that_is_none_is_refused_before_anything_is_asked(
    place: BucketPlace, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Bucket(replace(place, **changed))
    assert "Check region, endpoint and credentials" in str(caught.value)


def test_a_name_that_no_bucket_can_have(place: BucketPlace) -> None:
    bucket = Bucket(replace(place, bucket="Not A Bucket"))
    with pytest.raises(ConfigurationError, match="Invalid bucket name") as caught:
        bucket.read("page")
    assert "Check bucket and prefix of the backup store." in str(caught.value)


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    place = BucketPlace("backups")
    with pytest.raises(ConfigurationError, match=r"profile \(nobody\) could not be found"):
        Bucket(place)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bucket": ""}, "The backup store has no bucket."),
        ({"object_lock_days": 3}, "has half of an Object Lock"),
        ({"object_lock_mode": "GOVERNANCE"}, "has half of an Object Lock"),
        ({"part_bytes": 1024}, "Parts of 1,024 bytes are too small: S3 takes none below 5 MiB."),
    ],
)
def test_a_place_that_contradicts_itself_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(BucketPlace("backups"), **changed)
