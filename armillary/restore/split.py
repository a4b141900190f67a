"""Rows as files that an import takes: whole rows, in order, below the size it refuses (J22).

A file of a part has no name on the disk: whatever becomes of the process, nothing is left of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self

from armillary.errors import ConfigurationError, ExportDamaged
from armillary.restore.decoding import COUNTED, RAW
from armillary.restore.windows import Window, Windows

MOST_BYTES = 95_000_000
"""Of a part. An import takes 100 MB, and the form around the file counts (contract section 13)."""


File = IO[bytes]


@dataclass(frozen=True)
class Part(AbstractContextManager[File]):
    """A file of whole rows: a JSON list, or a CSV with its header.

    As a context it gives the file at its beginning, and has done with it at the end.
    """

    number: int
    """From 1."""
    first_row: int
    """How many rows the parts before it hold."""
    rows: int
    bytes: int
    format: Literal["json", "csv"]
    folder: Path
    """Where the file takes its room."""
    file: File

    def __enter__(self) -> File:
        self.file.seek(0)
        return self.file

    def __exit__(self, *_: object) -> None:
        self.file.close()


class PartWriter:
    """Packs encoded rows into parts, each as full as it may be.

    As a context it lets go of the part that was begun and never ended.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, *, header: bytes = b"") -> None:
        """Nothing is written yet.

        Args:
            folder: where parts take their room.
            most_bytes: of a part.
            header: of a CSV, with its line end; blank for JSON.
        """
        self.folder = folder
        self.most_bytes = most_bytes
        self.rows = 0
        self.parts = 0
        self.format: Literal["json", "csv"] = "csv" if header else "json"
        self._head, self._between, self._tail = (header, b"", b"") if header else (b"[", b",", b"]")
        self._file: File | None = None
        self._bytes = 0
        self._first_row = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk is told already
                self._file.close()

    def add(self, encoded_row: bytes) -> Part | None:
        """Add a row.

        Returns:
            The part before, if the row did not fit into it.

        Raises:
            ExportDamaged: the row alone is larger than a part.
            ConfigurationError: the disk is full, or cannot be written to.
        """
        alone = len(self._head) + len(encoded_row) + len(self._tail)
        if alone > self.most_bytes:
            raise ExportDamaged(
                f"Row {self.rows + 1:,} takes {alone:,} bytes, and a file to import holds "
                f"{self.most_bytes:,} at most: no import can take it.",
                next_step="Leave it out and write it by hand; no other row is at fault.",
            )
        full = None if self._fits(encoded_row) else self.end()
        self._write(encoded_row, 1)
        return full

    def add_many(self, encoded_rows: Sequence[bytes]) -> Iterator[Part]:
        """Add rows; the parts that are full by now."""
        content = self._between.join(encoded_rows)
        if encoded_rows and self._fits(content):
            self._write(content, len(encoded_rows))
            return
        for row in encoded_rows:
            part = self.add(row)
            if part is not None:
                yield part

    def add_window(self, window: Window) -> Iterator[Part]:
        """Add the rows of a window as they were exported; the parts that are full by now."""
        if self._fits(window.view):
            self._write(window.view, len(window.rows))
            return
        is_csv = self.format == "csv"
        for row in RAW.csv((), window.text) if is_csv else RAW.json(window.text):
            part = self.add(bytes(row))
            if part is not None:
                yield part

    def end(self) -> Part | None:
        """The part that was begun; None when there is none."""
        file = self._file
        if file is None:
            return None
        self._put(file, self._tail, last=True)
        self.parts += 1
        part = Part(
            number=self.parts,
            first_row=self._first_row,
            rows=self.rows - self._first_row,
            bytes=self._bytes,
            format=self.format,
            folder=self.folder,
            file=file,
        )
        self._file = None
        return part

    def _fits(self, content: bytes | memoryview) -> bool:
        before = self._bytes + len(self._between) if self._file else len(self._head)
        return before + len(content) + len(self._tail) <= self.most_bytes

    def _write(self, content: bytes | memoryview, rows: int) -> None:
        file = self._file
        if file is None:
            file = self._file = self._opened()
            self._bytes = 0
            self._first_row = self.rows
            self._put(file, self._head)
        else:
            self._put(file, self._between)
        self._put(file, content)
        self.rows += rows

    def _opened(self) -> File:
        try:
            return tempfile.TemporaryFile(dir=self.folder)
        except OSError as error:
            raise self._no_room(error) from None

    def _put(self, file: File, content: bytes | memoryview, *, last: bool = False) -> None:
        try:
            file.write(content)
            if last:
                file.flush()
        except OSError as error:
            raise self._no_room(error) from None
        self._bytes += len(content)

    def _no_room(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"A file for an import cannot be written to {self.folder}: {error.strerror or error}.",
            next_step=(
                f"Each takes up to {self.most_bytes / 1e6:,.0f} MB there while it is sent: make "
                "room, or have TMPDIR name another folder, and start again."
            ),
        )


def split(
    chunks: Iterable[bytes], *, most_bytes: int = MOST_BYTES, folder: Path
) -> Generator[Part]:
    """Cut an export into parts, while its bytes pass.

    Args:
        chunks: of the export, of any size.
        most_bytes: of a part.
        folder: where parts take their room; one at a time, if each is done with before the next.

    Yields:
        Parts of the export's own format, with all its rows in order; none if it has no rows.

    Raises:
        ExportDamaged: it is no export, not all of it, or has a row that fits into no part.
        ConfigurationError: the disk is full, or cannot be written to.
    """
    windows = Windows(COUNTED)
    writer: PartWriter | None = None
    try:
        for window in _windows(windows, chunks):
            writer = writer or PartWriter(folder, most_bytes, header=windows.header)
            yield from writer.add_window(window)
        last = writer.end() if writer else None
        if last is not None:
            yield last
    finally:
        if writer:
            writer.__exit__()


def _windows(windows: Windows, chunks: Iterable[bytes]) -> Iterator[Window]:
    for chunk in chunks:
        yield from windows.feed(chunk)
    yield from windows.close()
