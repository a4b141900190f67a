"""Windows on the rows of an export: a quarter of a MiB of whole rows at a time, in order.

A window has the bytes of its rows and the rows as they were decoded, whichever shape and format the
export has. A file of any size is held no further than one window and a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from armillary.backup.beginning import (
    LONGEST_HEAD_BYTES,
    SNIFFED_BYTES,
    format_of,
    no_list,
    rows_begin,
    without_mark,
)
from armillary.backup.cuts import UNREADABLE, Cuts, end_of_lines
from armillary.backup.rows import LONGEST_ROW_BYTES
from armillary.errors import ExportDamaged
from armillary.restore.decoding import RAW, ROWS, Decoding, Row, csv_names

__all__ = ["ROWS", "Decoding", "Row", "Unreadable", "Window", "Windows", "open_windows"]

WINDOW_BYTES = 256 * 1024
"""So much is decoded at a time: the decoder holds the interpreter, and a thread waits with more."""

Unreadable = Callable[[int, bytes, str], None]
"""Told of a row that cannot be decoded: its number from 1, its bytes, and why."""


class _Wrapped(msgspec.Struct):
    data: msgspec.Raw


_read_wrapped = msgspec.json.Decoder(_Wrapped).decode


@dataclass(frozen=True, slots=True)
class Window:
    """Some whole rows, at least one."""

    text: bytes
    """The rows as they were exported: a JSON list, or lines of a CSV."""
    rows: list[Any]
    """As they were decoded; those that could not be are not among them."""
    brackets: int = 0
    """So many characters at either end of ``text`` are no rows."""

    @property
    def view(self) -> memoryview:
        """The text without brackets; not a copy."""
        return memoryview(self.text)[self.brackets : len(self.text) - self.brackets]

    @property
    def content(self) -> bytes:
        """The text without brackets."""
        return bytes(self.view)


class _Format(Protocol):
    header: bytes
    rows: int

    def feed(self, piece: bytes) -> Iterator[Window]: ...

    def close(self) -> Iterator[Window]: ...


class Windows:
    """Takes the bytes of one export, in order, and gives its rows.

    ``feed`` and ``close`` raise ``ExportDamaged`` for a file that is no export or not all of it.
    """

    def __init__(self, decoding: Decoding = ROWS, *, unreadable: Unreadable | None = None) -> None:
        """Nothing has come yet.

        Args:
            decoding: what becomes of the rows.
            unreadable: told of each row that is whole and cannot be decoded (J15); the others go
                on. Without it such a row is a damaged export.
        """
        self._decoding = decoding
        self._unreadable = unreadable
        self._start = b""
        self._reader: _Format | None = None
        self.format: Literal["json", "csv"] = "json"

    @property
    def rows(self) -> int:
        """How many rows came so far, those that could not be decoded too."""
        return self._reader.rows if self._reader else 0

    @property
    def header(self) -> bytes:
        """The first line of a CSV, with its end; blank for JSON."""
        return self._reader.header if self._reader else b""

    def feed(self, chunk: bytes) -> Iterator[Window]:
        """The rows that are whole by now."""
        reader = self._reader
        if reader is None:
            self._start = without_mark(self._start + chunk)
            if len(self._start) < SNIFFED_BYTES:
                return
            reader, chunk = self._begin()
        yield from _pieces(reader, chunk)

    def close(self) -> Iterator[Window]:
        """The last rows."""
        reader = self._reader
        if reader is None:
            reader, rest = self._begin()
            yield from _pieces(reader, rest)
        yield from reader.close()

    def _begin(self) -> tuple[_Format, bytes]:
        start, self._start = self._start, b""
        self.format = format_of(start)
        kind = _JsonWindows if self.format == "json" else _CsvWindows
        self._reader = kind(self._decoding, self._unreadable)
        return self._reader, start


def open_windows(decoding: Decoding = ROWS, *, unreadable: Unreadable | None = None) -> Windows:
    """Windows on an export of which nothing has come yet."""
    return Windows(decoding, unreadable=unreadable)


def _pieces(reader: _Format, chunk: bytes) -> Iterator[Window]:
    """However large a chunk is, no window is."""
    if len(chunk) <= WINDOW_BYTES:
        yield from reader.feed(chunk)
        return
    for at in range(0, len(chunk), WINDOW_BYTES):
        yield from reader.feed(chunk[at : at + WINDOW_BYTES])


class _JsonWindows:
    """A JSON array of objects, or one wrapped in an object under ``data`` (contract N12)."""

    header = b""

    def __init__(self, decoding: Decoding, unreadable: Unreadable | None) -> None:
        self.rows = 0
        self._decoding = decoding
        self._unreadable = unreadable
        self._head: bytes | None = None
        self._buffer = bytearray()
        self._cuts = Cuts(self._decode)
        self._passed_over = 0
        self._try_at = WINDOW_BYTES

    def feed(self, piece: bytes) -> Iterator[Window]:
        self._buffer += piece
        if self._head is None and not self._found_head():
            return
        while len(self._buffer) >= self._try_at:
            self._passed_over = 0
            try:
                cut = self._cuts.cut(self._buffer)
            except ExportDamaged as error:
                raise ExportDamaged(f"{error.message} They come after row {self.rows:,}.") from None
            if cut is not None:
                self._try_at = WINDOW_BYTES
                yield from self._window(cut.text, cut.rows)
            elif self._try_at >= LONGEST_ROW_BYTES:
                raise ExportDamaged(
                    f"In {LONGEST_ROW_BYTES // 1024**2} MiB of the export after row "
                    f"{self.rows:,} no end of a row could be found: it is no list of records, or "
                    "damaged."
                )
            else:
                self._try_at *= 2

    def close(self) -> Iterator[Window]:
        if self._head is None and not self._found_head():
            raise no_list(self._buffer)
        assert self._head is not None  # noqa: S101 - found above
        self._passed_over = 0
        text = self._head + bytes(self._buffer)
        try:
            if text[:1] == b"{":
                text = bytes(_read_wrapped(text).data)
            rows = self._decode(text)
        except UNREADABLE as error:
            raise ExportDamaged(
                "The export is cut off or damaged: its end, after row "
                f"{self.rows:,}, cannot be read as JSON ({error})."
            ) from None
        yield from self._window(text.strip(), rows)

    def _window(self, text: bytes, rows: list[Any]) -> Iterator[Window]:
        self.rows += len(rows) + self._passed_over
        if rows:
            yield Window(text, rows, brackets=1)

    def _found_head(self) -> bool:
        end = rows_begin(self._buffer)
        if end is None:
            if len(self._buffer) >= LONGEST_HEAD_BYTES:
                raise no_list(self._buffer)
            return False
        self._head = bytes(self._buffer[:end])
        del self._buffer[:end]
        return True

    def _decode(self, text: bytes) -> list[Any]:
        try:
            return self._decoding.json(text)
        except UNREADABLE:
            if self._unreadable is None:
                raise
            rows = RAW.json(text)  # fails as well where it was cut in a wrong place
        found = []
        for number, row in enumerate(rows, self.rows + 1):
            content = bytes(row)
            try:
                found += self._decoding.json(b"[" + content + b"]")
            except UNREADABLE as error:
                self._passed_over += 1
                self._unreadable(number, content, str(error))
        return found


class _CsvWindows:
    """CSV with a header (contract section 14)."""

    def __init__(self, decoding: Decoding, unreadable: Unreadable | None) -> None:
        self.rows = 0
        self.header = b""
        self._names: list[str] = []
        self._decoding = decoding
        self._unreadable = unreadable
        self._buffer = bytearray()
        self._try_at = WINDOW_BYTES

    def feed(self, piece: bytes) -> Iterator[Window]:
        self._buffer += piece
        if len(self._buffer) < self._try_at:
            return
        end = end_of_lines(self._buffer)
        if end:
            self._try_at = WINDOW_BYTES
            content = bytes(self._buffer[:end])
            del self._buffer[:end]
            yield from self._window(content)
        elif self._try_at >= LONGEST_ROW_BYTES:
            raise ExportDamaged(
                f"The export has a quote that is opened and never closed, after row {self.rows:,}."
            )
        else:
            self._try_at *= 2

    def close(self) -> Iterator[Window]:
        if self._buffer.count(b'"') % 2:
            raise ExportDamaged(
                f"The export is cut off: its last quote, after row {self.rows:,}, is never closed."
            )
        yield from self._window(bytes(self._buffer))

    def _window(self, content: bytes) -> Iterator[Window]:
        if not self.header and content:
            self.header = RAW.csv((), content)[0]
            self._names = csv_names(self.header)
            content = content[len(self.header) :]
        rows = self._decode(content)
        if rows:
            yield Window(content, rows)

    def _decode(self, content: bytes) -> list[Any]:
        try:
            rows = self._decoding.csv(self._names, content)
        except ExportDamaged as error:
            if self._unreadable is None:
                raise ExportDamaged(
                    f"{error.message} It is one of the rows after row {self.rows:,}."
                ) from None
        else:
            self.rows += len(rows)
            return rows
        found = []
        for line in RAW.csv((), content):
            self.rows += 1
            try:
                found += self._decoding.csv(self._names, line)
            except ExportDamaged as error:
                self._unreadable(self.rows, line, error.message)
        return found
