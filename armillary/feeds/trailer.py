"""What stands around the rows of a text file: comments above them, a trailer below."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from typing import Annotated, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from armillary.errors import FeedRefused
from armillary.feeds.definition import CLOSED

_LINE_END = re.compile(rb"\r\n|\n|\r")
_SHOWN_CHARS = 60
_TAIL_BYTES = 64 * 1024
"""Where a trailer is looked for."""


class Trailer(BaseModel):
    """How the last line of a file proves that the file is whole."""

    model_config = CLOSED | {"frozen": True}

    starts_with: str | None = Field(
        None,
        title="Starts with",
        min_length=1,
        description="How the last line begins, such as TRAILER.",
    )
    rows_column: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        None,
        title="Column of the number of rows",
        description="Which cell of it says how many rows there are, counted from 1.",
    )
    date_column: Annotated[int, Field(ge=1, strict=True)] | None = Field(
        None,
        title="Column of the business date",
        description="Which cell of it says the business date, counted from 1.",
    )
    pattern: str | None = Field(
        None,
        title="Pattern",
        min_length=1,
        description="Instead: a regular expression for the whole line, with groups named rows and "
        "date.",
    )
    date_format: str = Field(
        "%Y%m%d", title="Format of the date", description="As Python writes it, such as %Y%m%d."
    )

    @field_validator("pattern")
    @classmethod
    def _expression(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern or "").groupindex
        except re.error as error:
            raise ValueError(f"'{pattern}' is no regular expression: {error}") from None
        if other := set(groups) - {"rows", "date"}:
            raise ValueError(f"the groups of a trailer are rows and date, not {min(other)}")
        return pattern

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.starts_with is None) == (self.pattern is None):
            raise ValueError("a trailer is known by starts_with or by pattern: write one of them")
        if self.pattern is not None and (self.rows_column or self.date_column):
            raise ValueError("with a pattern, rows and date are groups of it, not columns")
        return self

    @property
    def described(self) -> str:
        """For messages."""
        if self.starts_with is not None:
            return f"a line that starts with {self.starts_with}"
        return f"a line like {self.pattern}"


@dataclass(frozen=True)
class Declared:
    """What a trailer says; None where it says nothing."""

    rows: int | None = None
    business_date: date | None = None


def without_skipped(content: bytes, lines: int) -> bytes:
    """The content with its first lines made blank, so that all others keep their numbers."""
    end = 0
    for _ in range(lines):
        found = _LINE_END.search(content, end)
        if found is None:
            return b"\n" * lines
        end = found.end()
    return b"\n" * lines + content[end:]


def without_trailer(
    content: bytes, trailer: Trailer, delimiter: str, name: str
) -> tuple[bytes, Declared]:
    """The content without its last line, and what that says.

    Raises:
        FeedRefused: the last line is no trailer, or its number or date cannot be read.
    """
    end = max(len(content) - _TAIL_BYTES, 0)
    rest = content[end:].rstrip()
    start = max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
    line = rest[start:].decode("utf-8", "replace").strip()
    return content[: end + start], _declared(line, trailer, delimiter, name)


def refuse_other_count(declared: Declared, rows: int, name: str) -> None:
    """Refuse a file that has other than the declared number of rows.

    Raises:
        FeedRefused: says both numbers.
    """
    if declared.rows is None or declared.rows == rows:
        return
    raise FeedRefused(
        f"{name} has {rows:,} rows, and its trailer declares {declared.rows:,}: "
        f"{'some are missing' if rows < declared.rows else 'there are too many'}, so it is not "
        "whole."
    )


def _declared(line: str, trailer: Trailer, delimiter: str, name: str) -> Declared:
    if trailer.pattern is not None:
        match = re.fullmatch(trailer.pattern, line)
        if match is None:
            raise _missing(line, trailer, name)
        groups = match.groupdict()
        rows, day = groups.get("rows"), groups.get("date")
    else:
        cells = next(csv.reader(StringIO(line), delimiter=delimiter), [])
        if not cells or not cells[0].strip().startswith(str(trailer.starts_with)):
            raise _missing(line, trailer, name)
        rows = _cell(cells, trailer.rows_column)
        day = _cell(cells, trailer.date_column)
    return Declared(
        None if rows is None else _number(rows, line, name),
        None if day is None else _date(day, trailer.date_format, line, name),
    )


def _cell(cells: list[str], number: int | None) -> str | None:
    if number is None:
        return None
    return cells[number - 1] if number <= len(cells) else ""


def _number(text: str, line: str, name: str) -> int:
    if not text.strip().isdecimal():
        raise FeedRefused(
            f"{name} ends with its trailer ({_short(line)}), in which '{text}' is no number of "
            "rows."
        )
    return int(text)


def _date(text: str, written: str, line: str, name: str) -> date:
    try:
        return datetime.strptime(text.strip(), written).date()  # noqa: DTZ007 -- a day has no zone
    except ValueError:
        raise FeedRefused(
            f"{name} ends with its trailer ({_short(line)}), in which '{text}' is no date written "
            f"{written}."
        ) from None


def _missing(line: str, trailer: Trailer, name: str) -> FeedRefused:
    return FeedRefused(
        f"{name} does not end with its trailer ({trailer.described}) but with "
        f"'{_short(line)}': it is cut off, or still being written."
    )


def _short(line: str) -> str:
    return line if len(line) <= _SHOWN_CHARS else f"{line[:_SHOWN_CHARS]}…"
