"""Bytes from one thread to another, in the sizes that an upload asks for."""

from __future__ import annotations

import threading

import pytest

from armillary.backup.pipe import WAITING, Pipe, UploadEnded

PIECES = [b"abc", b"", b"defgh", b"i", b"jklmnop"]
ALL = b"".join(PIECES)


def filled() -> Pipe:
    pipe = Pipe()
    for piece in PIECES:
        pipe.put(piece)
    pipe.end()
    return pipe


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 15, 16, 17, 1000])
def test_as_many_bytes_come_as_are_asked_for(size: int) -> None:
    pipe = filled()
    found = []
    while part := pipe.read(size):
        found.append(part)
    assert found == [ALL[start : start + size] for start in range(0, len(ALL), size)]
    assert pipe.read(size) == b""


@pytest.mark.parametrize("asked", [-1, None])
def test_all_that_is_left_comes_at_once(asked: int | None) -> None:
    pipe = filled()
    assert pipe.read(0) == b""
    assert pipe.read(4) == ALL[:4]
    assert pipe.read(asked) == ALL[4:]
    assert pipe.read(asked) == b""


def test_a_reader_waits_for_the_rest_and_gets_it_whole() -> None:
    pipe = Pipe()
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read(6)))
    reader.start()
    for number in range(3):
        pipe.put(bytes([number]) * 2)
    reader.join(10)
    assert found == [b"\0\0\1\1\2\2"]


def test_what_is_broken_off_does_not_end_as_if_it_were_whole() -> None:
    pipe = Pipe()
    pipe.put(b"abc")
    assert pipe.read(2) == b"ab"
    pipe.break_off()
    with pytest.raises(Exception, match=r"^$") as caught:
        pipe.read(2)
    assert type(caught.value).__name__ == "_Broken"


def test_a_writer_hears_that_nobody_reads() -> None:
    pipe = Pipe()
    for _ in range(WAITING):
        pipe.put(b"abc")
    pipe.abandon()
    with pytest.raises(UploadEnded):
        pipe.put(b"abc")
    with pytest.raises(UploadEnded):
        pipe.end()
