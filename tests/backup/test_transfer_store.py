"""One export on its way into a store that fails, loses answers, or says what is not true."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from armillary.backup import bucket as bucket_module
from armillary.backup.bucket import Bucket
from armillary.backup.place import MIB, BucketPlace
from armillary.backup.transfer import ATTEMPTS
from armillary.errors import ConfigurationError, LeaseLost, StoreFailed
from tests.api.wire import WireServer
from tests.backup.made import Shelf
from tests.backup.moving import KEY, LARGE, SMALL, Moving, assert_nothing_left, whole
from tests.runs.s3 import Fault, LoopbackS3


@pytest.fixture
def bucket(place: BucketPlace, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Of small parts; boto3 itself repeats once, after a moment."""
    monkeypatch.setattr(bucket_module, "ATTEMPTS", 2)
    return Bucket(replace(place, part_bytes=5 * MIB, upload_threads=2))


@pytest.fixture
def moving(bucket: Bucket) -> Moving:
    return Moving(bucket)


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """No thread of a transfer outlives it."""
    yield
    names = {thread.name for thread in threading.enumerate()}
    assert not [name for name in names if name.startswith(("upload", "examiner"))]


# BadDigest is the only one that boto3 itself does not repeat (S07).
REFUSED_PUTS = [
    ("PUT", SMALL, "503 SlowDown", "the store answered 503 SlowDown to PutObject"),
    ("PUT", LARGE, "500 InternalError", "the store answered 500 InternalError to UploadPart"),
    ("PUT", LARGE, "400 BadDigest", "the store answered 400 BadDigest to UploadPart"),
    ("POST", LARGE, "503 SlowDown", "503 SlowDown to CreateMultipartUpload"),
]


@pytest.mark.parametrize(("method", "content", "status", "message"), REFUSED_PUTS)
def test_s01_a_store_that_goes_on_failing_is_tried_again_and_leaves_nothing(
    moving: Moving,
    shelf: Shelf,
    s3_server: LoopbackS3,
    method: str,
    content: bytes,
    status: str,
    message: str,
) -> None:
    s3_server.faults = [Fault(method, part="instruments", status=status, times=10**6)]
    with WireServer([whole(content)]) as server:
        with pytest.raises(StoreFailed) as caught:
            moving.run(server)
        assert len(server.received) == ATTEMPTS
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"s3://backups/desk: storing {KEY} failed")
    assert str(caught.value).endswith("Start again when the store answers.")
    assert moving.clock.slept == [5.0, 10.0]
    s3_server.behave()
    assert_nothing_left(shelf, moving.bucket)


@pytest.mark.parametrize(("method", "content", "status", "message"), REFUSED_PUTS)
def test_s01_a_store_that_recovers_has_the_file(
    moving: Moving,
    shelf: Shelf,
    s3_server: LoopbackS3,
    method: str,
    content: bytes,
    status: str,
    message: str,
) -> None:
    part = "partNumber=1" if "UploadPart" in message else "instruments"
    s3_server.faults = [Fault(method, part=part, status=status, times=2)]
    with WireServer([whole(content)]) as server:
        moving.run(server)
    assert moving.links == (3 if "BadDigest" in status else 2)
    assert shelf.get(KEY) == content
    assert list(moving.bucket.unfinished_uploads("")) == []


def test_s01_the_rest_is_not_fetched_for_a_store_that_has_failed(
    moving: Moving, s3_server: LoopbackS3
) -> None:
    large = b"[" + b",".join([b'{"id":"%s"}' % (b"x" * 1000)] * 60_000) + b"]"
    s3_server.faults = [Fault("PUT", part="partNumber=1", status="400 BadDigest", times=10**6)]
    with WireServer([whole(large)]) as server, pytest.raises(StoreFailed):
        moving.run(server)
    assert max(done for done, _ in moving.told) < len(large) * 0.8


def test_s02_a_connection_cut_during_a_part_repeats_that_part(
    moving: Moving, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    s3_server.faults = [Fault("PUT", part="partNumber=2", drop=True)]
    with WireServer([whole(LARGE)]) as server:
        moving.run(server)
    assert moving.links == 1
    assert shelf.get(KEY) == LARGE


def test_s05_an_error_in_the_body_of_a_200_is_no_success(
    moving: Moving, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    error = b"<Error><Code>InternalError</Code><Message>made up</Message></Error>"
    fault = Fault("POST", part="uploadId=", body=error, times=10**6)
    s3_server.faults = [fault]
    with (
        WireServer([whole(LARGE)]) as server,
        pytest.raises(StoreFailed, match="InternalError to CompleteMultipartUpload"),
    ):
        moving.run(server)
    assert_nothing_left(shelf, moving.bucket)
    fault.times = 1
    with WireServer([whole(LARGE)]) as server:
        moving.run(server)
    assert moving.links == ATTEMPTS + 1
    assert shelf.get(KEY) == LARGE


@pytest.mark.parametrize("body", [b"", b"<html>proxy</html>"])
def test_s05_a_200_that_did_nothing_is_no_success(
    moving: Moving, shelf: Shelf, s3_server: LoopbackS3, body: bytes
) -> None:
    """Not even where an object of an earlier round lies at the same key."""
    shelf.put(KEY, LARGE)
    s3_server.faults = [Fault("POST", part="uploadId=", body=body)]
    with WireServer([whole(LARGE)]) as server:
        moved = moving.run(server)
    assert shelf.s3.head_object(Bucket=shelf.bucket, Key=shelf.prefix + KEY)["ETag"] == moved.etag
    assert moved.etag.endswith('-3"')


@pytest.mark.parametrize("fault", [{"status": "500 InternalError"}, {"drop": True}])
def test_s06_a_completion_whose_answer_is_lost_is_recognised(
    moving: Moving, shelf: Shelf, s3_server: LoopbackS3, fault: dict[str, Any]
) -> None:
    s3_server.faults = [Fault("POST", part="uploadId=", done=True, **fault)]
    with WireServer([whole(LARGE)]) as server:
        moved = moving.run(server)
        assert len(server.received) == 1
    assert shelf.get(KEY) == LARGE
    assert moved.etag.endswith('-3"')
    completions = [
        asked for asked in s3_server.asked if asked.method == "POST" and "uploadId=" in asked.target
    ]
    assert len(completions) == 2  # the second was told that there is no such upload


@pytest.mark.parametrize("status", ["403 AccessDenied", "400 ExpiredToken"])
def test_s20_what_a_person_has_to_mend_ends_it_at_once(
    moving: Moving, shelf: Shelf, s3_server: LoopbackS3, status: str
) -> None:
    s3_server.faults = [Fault("PUT", part="partNumber=2", status=status, times=10**6)]
    with WireServer([whole(LARGE)]) as server:
        with pytest.raises(ConfigurationError, match=status.partition(" ")[2]):
            moving.run(server)
        assert len(server.received) == 1
    assert moving.clock.slept == []
    assert_nothing_left(shelf, moving.bucket)


def test_a_stop_is_heard_while_a_store_is_waited_for(moving: Moving, s3_server: LoopbackS3) -> None:
    s3_server.faults = [Fault("PUT", part="instruments", status="503 SlowDown", times=10**6)]
    stops = 0

    def stop() -> None:
        nonlocal stops
        stops += 1
        if stops > 1:
            raise LeaseLost("The lease is lost.")

    with WireServer([whole(SMALL)]) as server, pytest.raises(LeaseLost):
        moving.run(server, stop=stop)
    assert moving.links == 1


def test_more_than_ten_thousand_parts_are_refused_before_they_are_sent(
    moving: Moving, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("armillary.backup.upload.MOST_PARTS", 2)
    with (
        WireServer([whole(LARGE)]) as server,
        pytest.raises(ConfigurationError, match="larger than 2 parts of 5,242,880 bytes") as caught,
    ):
        moving.run(server)
    assert "Raise part_bytes of the backup store" in str(caught.value)
    assert_nothing_left(shelf, moving.bucket)
