"""Finding cells whose quotes do not pair up.

A csv reader that meets an unclosed quote swallows rows until some later quote happens to end the
cell, and may still hand out rows of the right width. So the pairing is proven first, on the raw
bytes: one regular expression walks the whole content, and whatever it cannot walk past is a cell
that opens with a quote and does not end with one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_QUOTED = rb'"[^"]*+(?:""[^"]*+)*+"'


@dataclass(frozen=True)
class BrokenQuote:
    """A cell that opens with a quote and does not end with one.

    Attributes:
        row: Number of the record in the data, the first being 0.
        closed: Whether a quote on the same line closes it, with text after that quote. Such a
            cell spoils its own row only; any other may have swallowed the rows behind it.
    """

    row: int
    closed: bool


def broken_quotes(content: bytes, start: int, delimiter: str) -> Iterator[BrokenQuote]:
    """The broken quotes of the data that begins at byte ``start``, up to the first unclosed one.

    A quote inside a cell that does not open with one (``5" pipe``) is an ordinary character.
    """
    if content.find(b'"', start) < 0:
        return
    ends = re.escape(delimiter.encode()) + rb"\r\n"
    opening = rb"(?:(?<=[" + ends + rb"])|\A)"
    sound = re.compile(
        rb'(?:[^"]*+(?:(?<=[^'
        + ends
        + rb'])"|'
        + opening
        + _QUOTED
        + rb"(?=["
        + ends
        + rb"]|\Z)))*+"
    )
    inside = re.compile(opening + _QUOTED)
    first = re.compile(_QUOTED)
    position, row = start, 0
    while True:
        walked = sound.match(content, position)
        quote = content.find(b'"', walked.end() if walked else position)
        if quote < 0:
            return
        row += _line_ends(inside.sub(b"", content[position:quote]))
        cell = first.match(content, quote)
        closed = cell is not None and _LINE_END.search(cell.group()) is None
        yield BrokenQuote(row=row, closed=closed)
        if cell is None or not closed:
            return
        position = cell.end()


def _line_ends(data: bytes) -> int:
    return len(_LINE_END.findall(data))
