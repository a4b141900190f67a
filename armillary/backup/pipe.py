"""Bytes from the thread that makes them to the thread that uploads them."""

from __future__ import annotations

import io
import queue
import threading

WAITING = 8
"""Pieces that may wait; then the maker waits for the upload."""

LOOK_SECONDS = 0.5


class UploadEnded(Exception):
    """Nobody reads any more."""


class _Broken(Exception):
    """The maker failed: the upload must not end as if it were whole."""


class Pipe(io.RawIOBase):
    """Written by one thread, read by another."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._rest = memoryview(b"")
        self._ended = False
        self._abandoned = threading.Event()
        self._broken = threading.Event()

    def put(self, piece: bytes) -> None:
        """Hand on a piece.

        Raises:
            UploadEnded: the reader is gone.
        """
        if piece:
            self._put(piece)

    def end(self) -> None:
        """That was all.

        Raises:
            UploadEnded: the reader is gone.
        """
        self._put(None)

    def break_off(self) -> None:
        """There is no more, and it is not whole: the reader gets an exception."""
        self._broken.set()

    def abandon(self) -> None:
        """The reader is gone: whoever writes hears it."""
        self._abandoned.set()

    def readable(self) -> bool:
        """For libraries that ask."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """As many bytes as asked; fewer only at the end."""
        left = -1 if size is None else size
        found: list[memoryview] = []
        while left and (self._rest or self._fetch()):
            taken = self._rest if left < 0 else self._rest[:left]
            self._rest = self._rest[len(taken) :]
            found.append(taken)
            left -= len(taken) if left > 0 else 0
        return b"".join(found)  # once: a part of an upload is some MiB

    def _put(self, piece: bytes | None) -> None:
        while not self._abandoned.is_set():
            try:
                self._pieces.put(piece, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            return
        raise UploadEnded

    def _fetch(self) -> bool:
        while not self._ended:
            if self._broken.is_set():
                raise _Broken
            try:
                piece = self._pieces.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            if piece is None:
                self._ended = True
                return False
            self._rest = memoryview(piece)
            return True
        return False
