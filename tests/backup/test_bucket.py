"""A bucket that is read and written: pages, streams, lists, and what goes wrong with them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import pytest

from armillary.backup import bucket as bucket_module
from armillary.backup.bucket import Bucket
from armillary.backup.place import MIB, BucketPlace
from armillary.errors import StoreFailed
from tests.backup.made import Shelf
from tests.runs.s3 import Asked, Fault, LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART = 5 * MIB


@pytest.fixture
def place(place: BucketPlace, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """boto3 itself repeats once, after a moment."""
    monkeypatch.setattr(bucket_module, "ATTEMPTS", 2)
    return replace(place, part_bytes=PART, upload_threads=2)


class Stream(io.RawIOBase):
    """Cannot be told how long it is; may break."""

    def __init__(self, length: int, error: Exception | None = None) -> None:
        super().__init__()
        self._left = length
        self._error = error

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        self._left -= wanted
        if not wanted and self._error:
            raise self._error
        return b"x" * wanted


def stream(length: int, error: Exception | None = None) -> IO[bytes]:
    made: Any = Stream(length, error)
    return made  # type: ignore[no-any-return]


def asked_of_page(server: LoopbackS3) -> list[Asked]:
    return [asked for asked in server.asked if "/desk/page" in asked.target]


def test_a_page_is_written_read_and_replaced(bucket: Bucket, shelf: Shelf) -> None:
    assert bucket.read("page") is None
    assert bucket.head("page") is None
    assert bucket.write("page", b"one") is True
    assert bucket.write("page", b"two") is True
    assert bucket.read("page") == shelf.get("page") == b"two"
    head = bucket.head("page")
    assert head
    assert (head.key, head.bytes, head.version_id) == ("page", 3, None)
    assert head.checksums["ChecksumCRC32"]


def test_a_page_that_is_there_is_left_alone(bucket: Bucket) -> None:
    assert bucket.write("page", b"one", only_if_absent=True) is True
    assert bucket.write("page", b"two", only_if_absent=True) is False
    assert bucket.read("page") == b"one"


def test_s06_a_write_whose_answer_was_lost_is_ours(bucket: Bucket, s3_server: LoopbackS3) -> None:
    s3_server.lose_answers = 1
    assert bucket.write("page", b"one", only_if_absent=True) is True
    assert [asked.method for asked in asked_of_page(s3_server)] == ["PUT", "PUT", "GET"]
    s3_server.lose_answers = 1
    assert bucket.write("page", b"two", only_if_absent=True) is False
    assert bucket.read("page") == b"one"


def test_a_store_without_conditions_is_asked_first(bucket: Bucket, s3_server: LoopbackS3) -> None:
    refusal = Fault("PUT", part="page", status="501 NotImplemented")
    s3_server.faults = [replace(refusal)]
    assert bucket.write("page", b"one", only_if_absent=True) is True
    s3_server.faults = [replace(refusal)]
    assert bucket.write("page", b"two", only_if_absent=True) is False
    assert bucket.read("page") == b"one"


def test_a_write_that_crossed_another_is_tried_again(bucket: Bucket, s3_server: LoopbackS3) -> None:
    crossed = Fault("PUT", part="page", status="409 ConditionalRequestConflict")
    s3_server.faults = [crossed]
    assert bucket.write("page", b"one", only_if_absent=True) is True
    s3_server.faults = [replace(crossed, part="other", times=10**6)]
    with pytest.raises(StoreFailed, match="other can be neither written nor read") as caught:
        bucket.write("other", b"one", only_if_absent=True)
    assert "s3://backups/desk" in str(caught.value)


@pytest.mark.parametrize("length", [0, 100, PART - 1, PART, 2 * PART + 1])
def test_a_stream_of_any_length_is_stored(bucket: Bucket, shelf: Shelf, length: int) -> None:
    stored = bucket.upload("file", stream(length), metadata={"Backup-ID": "b"})
    assert stored.bytes == length == len(shelf.get("file"))
    assert stored.metadata["backup-id"] == "b"
    assert stored.etag


@pytest.mark.parametrize("length", [100, 3 * PART])
def test_s03_a_stream_that_breaks_leaves_nothing(bucket: Bucket, shelf: Shelf, length: int) -> None:
    error = RuntimeError("the source broke")
    with pytest.raises(RuntimeError, match="the source broke"):
        bucket.upload("file", stream(length, error), metadata={})
    assert shelf.keys() == []
    assert list(bucket.unfinished_uploads("")) == []


def test_what_lies_there_already_is_not_taken_for_what_was_sent(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    shelf.put("file", b"x" * 100, Metadata={"backup-id": "b"})
    s3_server.faults = [Fault("PUT", part="file", body=b"")]  # says yes and does nothing
    with pytest.raises(StoreFailed, match="what lies there is not what was sent"):
        bucket.upload("file", stream(100), metadata={"backup-id": "b"})


def test_lists_of_many_pages_are_whole(bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3) -> None:
    s3_server.page_keys = 2
    keys = [f"{folder}/{name}" for folder in ("a", "b", "c") for name in ("1", "2", "x/3")]
    for key in keys:
        shelf.put(key, b"content")
    s3_server.asked.clear()
    assert [found.key for found in bucket.list("")] == sorted(keys)
    assert [(found.key, found.bytes) for found in bucket.list("b/")] == [
        ("b/1", 7),
        ("b/2", 7),
        ("b/x/3", 7),
    ]
    assert all(found.modified.tzinfo for found in bucket.list("a/"))
    assert list(bucket.folders("")) == ["a", "b", "c"]
    assert list(bucket.folders("a/")) == ["x"]
    assert list(bucket.folders("nothing/")) == []
    assert len(s3_server.asked) > 10


def test_nothing_outside_the_prefix_is_seen(bucket: Bucket, s3: S3Client) -> None:
    s3.put_object(Bucket="backups", Key="desktop/a", Body=b"")
    s3.put_object(Bucket="backups", Key="a", Body=b"")
    assert list(bucket.list("")) == []
    assert list(bucket.folders("")) == []
    assert bucket.read("a") is None


def test_unfinished_uploads_are_found_and_ended(bucket: Bucket, s3: S3Client) -> None:
    for key in ("desk/demo/a", "desk/demo/b", "desk/other/c"):
        s3.create_multipart_upload(Bucket="backups", Key=key)
    found = list(bucket.unfinished_uploads("demo/"))
    assert [upload.key for upload in found] == ["demo/a", "demo/b"]
    assert all(upload.started.tzinfo for upload in found)
    for upload in found:
        bucket.abort(upload)
        bucket.abort(upload)  # somebody else may have been quicker
    assert [upload.key for upload in bucket.unfinished_uploads("")] == ["other/c"]


def read_all(bucket: Bucket, key: str, size: int = 4096) -> bytes:
    with bucket.open(key) as body:
        return b"".join(iter(lambda: body.read(size), b""))


CONTENT = bytes(range(256)) * 512


def test_an_object_is_read_as_a_stream(bucket: Bucket, shelf: Shelf) -> None:
    shelf.put("file", CONTENT)
    assert read_all(bucket, "file") == CONTENT
    with bucket.open("file") as body:
        assert body.read() == CONTENT
        assert body.read() == body.read(1) == b""


@pytest.mark.parametrize("cut_at", [0, 1, 70_000, len(CONTENT) - 1, len(CONTENT)])
def test_a_reading_that_breaks_goes_on_where_it_broke(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3, cut_at: int
) -> None:
    shelf.put("file", CONTENT)
    s3_server.faults = [Fault("GET", part="file", cut_at=cut_at, times=2)]
    assert read_all(bucket, "file") == CONTENT


def test_a_reading_is_not_glued_to_another_object(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    shelf.put("file", CONTENT)
    s3_server.faults = [Fault("GET", part="file", cut_at=70_000)]
    with bucket.open("file") as body:
        assert body.read(100) == CONTENT[:100]
        shelf.put("file", CONTENT[::-1])
        with pytest.raises(StoreFailed, match="reading file failed: it was replaced meanwhile"):
            list(iter(lambda: body.read(4096), b""))


def test_a_reading_that_always_breaks_ends(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    shelf.put("file", CONTENT)
    s3_server.faults = [Fault("GET", part="file", cut_at=0, times=10**6)]
    with pytest.raises(StoreFailed, match="s3://backups/desk: reading file failed"):
        read_all(bucket, "file")


def test_s08_a_byte_that_was_turned_over_reaches_whoever_compares(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    """The store's own checksum does not get in the way: the manifest's decides, and says more."""
    bucket.write("file", CONTENT)
    s3_server.faults = [Fault("GET", part="file", flip_at=9)]
    read = read_all(bucket, "file")
    assert [at for at, byte in enumerate(read) if byte != CONTENT[at]] == [9]
