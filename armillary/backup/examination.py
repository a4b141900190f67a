"""Looking at an export while it passes: its length, its SHA-256, and what its rows tell.

Run as a module it does so in a process of its own, for ``armillary.backup.examiner``: chunks come
on standard input, the answer goes to standard output when they end.
"""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from typing import BinaryIO, Literal

import msgspec

from armillary.backup.rows import RowReader
from armillary.backup.seen import Seen
from armillary.errors import ExportDamaged

READ_BYTES = 512 * 1024


class Examined(msgspec.Struct, frozen=True):
    """What a whole export showed."""

    format: Literal["json", "csv"]
    bytes: int
    sha256: str
    seen: Seen


class Answer(msgspec.Struct, frozen=True):
    """One of the two is there."""

    examined: Examined | None = None
    damaged: str = ""
    """Why it is no whole export."""


class Examination:
    """Takes chunks in order.

    ``feed`` and ``close`` raise ``ExportDamaged`` for what is no export or not all of it.
    """

    def __init__(self, resource_type: str) -> None:
        self._reader = RowReader(resource_type)
        self._seen = Seen(resource_type)
        self._hash = hashlib.sha256()
        self._bytes = 0

    def feed(self, chunk: bytes) -> None:
        """The next chunk."""
        self._hash.update(chunk)
        self._bytes += len(chunk)
        for batch in self._reader.feed(chunk):
            self._seen.take(batch)

    def close(self) -> Examined:
        """That was all."""
        for batch in self._reader.close():
            self._seen.take(batch)
        return Examined(self._reader.format, self._bytes, self._hash.hexdigest(), self._seen)


def main() -> None:
    """Examine what comes on standard input, as the resource type that the command line names."""
    answer = msgspec.msgpack.encode(_answer(sys.argv[1], sys.stdin.buffer))
    # Nobody may be there to hear it: the backup was cancelled or killed.
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _answer(resource_type: str, source: BinaryIO) -> Answer:
    examination = Examination(resource_type)
    try:
        while chunk := source.read(READ_BYTES):
            examination.feed(chunk)
        return Answer(examined=examination.close())
    except ExportDamaged as error:
        return Answer(damaged=error.message)


if __name__ == "__main__":
    main()
