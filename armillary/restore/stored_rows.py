"""The rows of a stored file, for whoever brings them back: decoded, streamed, and verified.

A row is given before the last byte of its file is hashed: whatever cannot be taken back must wait
for the end, or follow a reading that came to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from armillary.backup.bucket import Bucket, Stored
from armillary.backup.manifest import FileEntry
from armillary.backup.stored import UNREAD, StoredFile, open_stored, why_unread
from armillary.restore.ahead import read_ahead
from armillary.restore.windows import ROWS, Row, Unreadable, Window, Windows


def _ignore(_: object) -> None:
    """Nobody wants to know."""


def read_rows(
    bucket: Bucket,
    folder: str,
    entry: FileEntry,
    *,
    current: Stored | None = None,
    passed: Callable[[int], None] = _ignore,
    unreadable: Unreadable | None = None,
) -> Iterator[list[Row]]:
    """Read a stored file to its end, never whole in memory, and compare it with the manifest.

    Where the bucket keeps versions, the file that is there now is read to its end, whatever is
    written meanwhile.

    Args:
        bucket: where it lies.
        folder: of its backup.
        entry: what the manifest says of it.
        current: the object to read, if the store was asked already.
        passed: given the number of stored bytes, chunk by chunk; what it raises ends the reading.
        unreadable: told of rows that are no JSON or UTF-8 in themselves (J15), which count as rows
            and are in no batch. Without it the file is damaged by one of them.

    Yields:
        Rows in the order of the file, some thousands at a time, none of the batches empty. Numbers
        with a fraction are ``Decimal``; cells of a CSV are text, or None where they are blank.

    Raises:
        FileDamaged: it is gone, or it is not what was written; the message says which. Raised at
            the end too, after rows were given: only when the last batch has come and nothing was
            raised, they are those of the backup.
        StoreFailed, ConfigurationError: the bucket cannot be read.
    """
    with open_stored(bucket, folder, entry, current=current) as file:
        windows = Windows(ROWS, unreadable=unreadable)
        told = _Told(file, passed)
        broken = ""
        try:
            with closing(_windows(file, windows, told)) as found:
                for window in found:
                    yield window.rows
        except UNREAD as error:
            broken = why_unread(error)
        file.judge(windows.rows, broken)
        told.go_on()


class _Told:
    """Tells how much has come in the thread of whoever uses the rows, not in that which reads."""

    def __init__(self, file: StoredFile, passed: Callable[[int], None]) -> None:
        self._file = file
        self._passed = passed
        self._bytes = 0

    def go_on(self) -> None:
        new = self._file.stored_bytes - self._bytes
        self._bytes += new
        self._passed(new)


def _windows(file: StoredFile, windows: Windows, told: _Told) -> Generator[Window]:
    with closing(read_ahead(file.read)) as chunks:
        for chunk in chunks:
            told.go_on()
            yield from windows.feed(chunk)
    yield from windows.close()
