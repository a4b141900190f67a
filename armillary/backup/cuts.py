"""Where the rows of an export can be cut, while only its beginning has come.

Rows of a JSON list, written by one program, begin with the same key, so the last place that looks
like the start of such a row nearly always is one; decoding up to there proves it. Where that fails,
each bracket and each text is looked at: slower, and never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from armillary.errors import ExportDamaged

GUESSES = 4
"""So many places that look like the start of a row are tried before the brackets are counted."""

_FIRST_KEY = re.compile(rb'\s*\{\s*("(?:[^"\\]++|\\.)*+")', re.DOTALL)
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_QUOTE, _CLOSING = b'"'[0], b"}]"

Decode = Callable[[bytes], list[Any]]


UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What a decoder raises on bytes that are no JSON; the last one where a text is not UTF-8."""


class Cut(NamedTuple):
    """Rows that were taken."""

    rows: list[Any]
    """As the decoder gives them."""
    text: bytes
    """The same rows as a JSON list of their own, with its brackets."""


class Cuts:
    """Takes whole rows from the beginning of what has come, and leaves the rest."""

    def __init__(self, decode: Decode) -> None:
        """Nothing has come yet.

        Args:
            decode: reads a JSON list; raises ``msgspec.DecodeError`` for anything else.
        """
        self._decode = decode
        self._between: re.Pattern[bytes] | None = None
        self._guesses = True

    def take(self, buffer: bytearray) -> list[Any] | None:
        """Decode the rows that are whole and followed by another, and remove them.

        Args:
            buffer: begins with a row; the bracket of the list is gone.

        Returns:
            The rows; None if not one of them is whole.

        Raises:
            ExportDamaged: it is no JSON, whatever may follow.
        """
        found = self.cut(buffer)
        return None if found is None else found.rows

    def cut(self, buffer: bytearray) -> Cut | None:
        """The same as ``take``, with the bytes of the rows."""
        found = self._guessed(buffer) if self._guesses else None
        if found is None:
            found = self._counted(buffer)
            # A guess that missed what was there would miss it again, at a price.
            self._guesses = self._guesses and found is None
        if found is None:
            return None
        taken, next_row = found
        del buffer[:next_row]
        return taken

    def _guessed(self, buffer: bytearray) -> tuple[Cut, int] | None:
        between = self._between = self._between or _between_rows(buffer)
        end = len(buffer)
        for _ in range(GUESSES if between else 0):
            place = _last(between, buffer, end) if between else None
            if place is None:
                return None
            try:
                return self._rows(buffer, place.start() + 1), place.start("start")
            except UNREADABLE:
                end = place.start()
        return None

    def _counted(self, buffer: bytearray) -> tuple[Cut, int] | None:
        start = _last_start(buffer)
        if not start:
            return None
        before = bytes(buffer[:start]).rstrip()
        try:
            return self._rows(buffer, len(before) - before.endswith(b",")), start
        except UNREADABLE as error:
            raise ExportDamaged(
                f"The export is damaged: some of its rows cannot be read as JSON ({error})."
            ) from None

    def _rows(self, buffer: bytearray, end: int) -> Cut:
        with memoryview(buffer) as whole:
            text = b"".join((b"[", whole[:end], b"]"))
        return Cut(self._decode(text), text)


def end_of_lines(buffer: bytearray) -> int:
    """Behind the last line end of a CSV that is not within quotes; 0 if there is none.

    Args:
        buffer: begins with a row.
    """
    end = buffer.rfind(b"\n")
    within = buffer.count(b'"', 0, max(end, 0)) % 2
    while end >= 0 and within:
        # No line end after the quote that stands before this one ends a row either.
        quote = buffer.rfind(b'"', 0, end)
        before = buffer.rfind(b"\n", 0, quote)
        within = (within - buffer.count(b'"', max(before, 0), end)) % 2
        end = before
    return end + 1


def _between_rows(buffer: bytearray) -> re.Pattern[bytes] | None:
    """What stands between two rows, by the first key of the first of them."""
    first = _FIRST_KEY.match(buffer)
    if first is None:
        return None
    return re.compile(rb"\}\s*,\s*(?P<start>\{)\s*" + re.escape(first[1]) + rb"\s*:")


def _last(pattern: re.Pattern[bytes], buffer: bytearray, end: int) -> re.Match[bytes] | None:
    """The last match that ends before ``end``; what lies far from it is not looked at."""
    size = 4096
    while True:
        start = max(0, end - size)
        found = None
        for found in pattern.finditer(buffer, start, end):  # noqa: B007 - the last one
            pass
        if found is not None or start == 0:
            return found
        size *= 8


def _last_start(buffer: bytearray) -> int:
    """Where the last row begins that is not the first; 0 if there is none."""
    depth = last = 0
    for token in _TOKENS.finditer(buffer):
        mark = buffer[token.start()]
        if mark == _QUOTE:
            continue
        if mark in _CLOSING:
            depth -= 1
            if depth < 0:  # the list has ended
                return last
        else:
            if depth == 0:
                last = token.start()
            depth += 1
    return last
