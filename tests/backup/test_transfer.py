"""One export from its link into a real bucket, whatever breaks on the way."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
import zstandard

from armillary.backup import bucket as bucket_module
from armillary.backup import examiner as examiner_module
from armillary.backup.bucket import Bucket
from armillary.backup.examination import Examination
from armillary.backup.place import MIB, BucketPlace
from armillary.backup.transfer import ATTEMPTS
from armillary.errors import LeaseLost, TransferFailed
from tests.api.wire import Exchange, WireServer, answer, raw
from tests.backup.made import Shelf
from tests.backup.moving import KEY, LARGE, SMALL, Moving, assert_nothing_left, cut_off, whole
from tests.runs.s3 import LoopbackS3


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


@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("content", [SMALL, LARGE, b"[]"], ids=["small", "large", "empty"])
def test_what_is_stored_is_what_was_exported(
    moving: Moving, shelf: Shelf, content: bytes, compression: str
) -> None:
    with WireServer([whole(content)]) as server:
        moved = moving.run(server, compression=compression)
    stored = shelf.get(KEY)
    rows = json.loads(content)
    assert (moved.rows, moved.bytes, moved.format) == (len(rows), len(content), "json")
    assert moved.sha256 == hashlib.sha256(content).hexdigest()
    assert moved.stored_bytes == len(stored)
    assert moved.stored_sha256 == hashlib.sha256(stored).hexdigest()
    unpacked = zstandard.ZstdDecompressor().decompressobj()
    assert (stored if compression == "none" else unpacked.decompress(stored)) == content
    assert moved.seen.names == {
        name for row in rows for name in (row["id"], row.get("identifier")) if name
    }
    assert moving.links == 1
    assert moving.told[-1] == (len(content), len(content))
    head = shelf.s3.head_object(Bucket=shelf.bucket, Key=shelf.prefix + KEY)
    assert head["ETag"] == moved.etag
    assert head["Metadata"]["backup-id"] == "2026-11-20T02-00-00Z"


def test_a_large_file_goes_in_parts(moving: Moving, s3_server: LoopbackS3) -> None:
    with WireServer([whole(LARGE)]) as server:
        assert moving.run(server).stored_bytes == len(LARGE) > 10 * MIB
    parts = [asked for asked in s3_server.asked if "partNumber=" in asked.target]
    assert len(parts) == 3


def test_csv_is_recognised(moving: Moving) -> None:
    with WireServer([whole(b"id,identifier\ni-1,acme\n")]) as server:
        moved = moving.run(server)
    assert (moved.format, moved.rows, moved.seen.names) == ("csv", 1, {"i-1", "acme"})


def test_j07_a_download_that_breaks_is_glued_and_stored_once(moving: Moving, shelf: Shelf) -> None:
    at = 6 * MIB
    ranged = f"bytes {at}-{len(LARGE) - 1}/{len(LARGE)}"
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(LARGE)}\r\nETag: "a"\r\n\r\n'.encode()
    with WireServer(
        [
            raw(head + LARGE[:at]),
            answer(206, LARGE[at:], {"ETag": '"a"', "Content-Range": ranged}),
        ]
    ) as server:
        moved = moving.run(server)
    assert moved.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert shelf.get(KEY) == LARGE
    assert moving.links == 1


def test_j08_a_server_without_ranges_sends_the_file_again(moving: Moving, shelf: Shelf) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(SMALL)}\r\n\r\n".encode()
    with WireServer([raw(head + SMALL[:500]), whole(SMALL), whole(SMALL)]) as server:
        moved = moving.run(server)
        assert len(server.received) == 3
    assert moved.rows == 100
    assert len(moved.seen.names) == 200, "what was read before the second start is void"
    assert shelf.get(KEY) == SMALL


def test_j10_a_damaged_export_is_read_again(moving: Moving, shelf: Shelf) -> None:
    with WireServer([cut_off(SMALL, 900), whole(SMALL)]) as server:
        assert moving.run(server).rows == 100
    assert shelf.get(KEY) == SMALL


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_j10_an_export_that_is_always_damaged_leaves_nothing(
    moving: Moving, shelf: Shelf, content: bytes
) -> None:
    with WireServer([cut_off(content, len(content) - 1)]) as server:
        with pytest.raises(TransferFailed) as caught:
            moving.run(server)
        assert len(server.received) == ATTEMPTS
    assert str(caught.value).startswith(
        "The export of instruments was read 3 times from its first byte and never came whole: "
        "The export is cut off or damaged"
    )
    assert_nothing_left(shelf, moving.bucket)


def test_j11_a_page_instead_of_an_export_leaves_nothing(moving: Moving, shelf: Shelf) -> None:
    page = b"<html><title>Sign in</title>" + b" " * 20 * MIB
    with (
        WireServer([whole(page)]) as server,
        pytest.raises(TransferFailed, match="an HTML or XML page and no rows"),
    ):
        moving.run(server)
    assert_nothing_left(shelf, moving.bucket)


def test_s03_a_download_that_dies_leaves_nothing(moving: Moving, shelf: Shelf) -> None:
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(LARGE)}\r\nETag: "a"\r\n\r\n'.encode()
    with (
        WireServer([raw(head + LARGE[: 11 * MIB]), answer(503)]) as server,
        pytest.raises(TransferFailed, match="broke 5 times in a row at byte 11,534,336 of"),
    ):
        moving.run(server)
    assert_nothing_left(shelf, moving.bucket)


@pytest.mark.parametrize("error", [LeaseLost("The lease is lost."), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["stop", "progress"])
def test_whatever_ends_it_leaves_no_thread_and_no_upload(
    moving: Moving, shelf: Shelf, where: str, error: BaseException
) -> None:
    calls = 0

    def ends(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 18:
            raise error

    with WireServer([whole(LARGE)]) as server, pytest.raises(type(error)):
        moving.run(server, **{where: ends})
    assert_nothing_left(shelf, moving.bucket)


def test_a_slow_examiner_holds_the_download_back(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waiting is bounded: the rest stays in the connection."""
    monkeypatch.setattr(examiner_module, "WAITING", 1)
    ahead: list[int] = []
    feed = Examination.feed

    def slowly(examination: Examination, chunk: bytes) -> None:
        ahead.append(moving.told[-1][0] if moving.told else 0)
        time.sleep(0.05)
        feed(examination, chunk)

    monkeypatch.setattr(Examination, "feed", slowly)
    with WireServer([whole(LARGE)]) as server:
        moving.run(server)
    # One is looked at, one waits, one is about to; of half a MiB each.
    assert all(seen <= (number + 3) * MIB for number, seen in enumerate(ahead, start=1))
    assert len(ahead) > 20


def test_j14_memory_does_not_grow_with_the_file(moving: Moving) -> None:
    """100 MB in one line, made on the way."""
    row = b'{"id":"i-1","note":"%s"}' % (b"x" * 1000)
    chunk = b",".join([row] * 512)
    chunks = 100 * 10**6 // len(chunk)
    length = len(b"[]") + chunks * (len(chunk) + 1) + len(row)

    def send(exchange: Exchange) -> bool:
        out = exchange.socket.sendall
        out(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n[" % length)
        for _ in range(chunks):
            out(chunk + b",")
        out(row + b"]")
        return True

    tracemalloc.start()
    try:
        with WireServer([send]) as server:
            moved = moving.run(server, compression="zstd")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (moved.rows, moved.bytes) == (512 * chunks + 1, length)
    assert peak < 60 * MIB
