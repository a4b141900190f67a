"""The values of a query as text: one text for each value, the same from every driver (R06)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from armillary.errors import FeedRefused
from armillary.feeds.sql_definition import SqlDefinition
from armillary.feeds.sql_failures import NEXT


def _float(value: float) -> str:
    """The shortest digits that mean it, without an exponent and without a needless ``.0``."""
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def _moment(value: dt.datetime) -> str:
    """Without a zone midnight is a date; with one it is a moment, told in UTC."""
    if value.tzinfo is not None:
        return value.astimezone(dt.UTC).isoformat()
    return value.date().isoformat() if value.time() == dt.time() else value.isoformat()


_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: lambda value: format(value, "f"),
    float: _float,
    dt.datetime: _moment,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    uuid.UUID: str,
    ipaddress.IPv4Address: str,
    ipaddress.IPv6Address: str,
}

_NO_TEXT: dict[type, str] = {bytes: "bytes", memoryview: "bytes", list: "lists", dict: "objects"}


@dataclass
class Column:
    """One column of a query, and what its values were.

    Attributes:
        name: As the query names it.
        numbers: Some values were numbers, not text.
        floats: Some were binary fractions, which have forgotten the digits that were entered.
        padded: Some texts end in a blank, as CHAR(n) gives them.
        no_text: What some values were that no text can be made of; blank: none was.
    """

    name: str
    numbers: bool = field(default=False)
    floats: bool = field(default=False)
    padded: bool = field(default=False)
    no_text: str = field(default="")

    def texts(self, values: Sequence[Any]) -> list[str | None]:
        """The values as text; what has none says what it is, as ``(bytes)`` does."""
        kinds = set(map(type, values)) - {type(None)}
        self.numbers |= bool(kinds & {int, float, Decimal})
        self.floats |= float in kinds
        # Most columns hold one kind, and one look-up of how it is written is enough.
        written = self._text if len(kinds) > 1 else _WRITTEN.get(next(iter(kinds), str), self._text)
        texts = (
            list(values)
            if kinds == {str}
            else [None if value is None else written(value) for value in values]
        )
        if str in kinds and not self.padded:
            self.padded = any(text is not None and text.endswith(" ") for text in texts)
        return texts

    def _text(self, value: Any) -> str:
        written = _WRITTEN.get(type(value))
        if written is not None:
            return written(value)
        self.no_text = _NO_TEXT.get(type(value), f"values of type {type(value).__name__}")
        return f"({self.no_text})"


def columns_of(names: list[str], definition: SqlDefinition, source: str) -> list[Column]:
    """The columns of a query.

    Args:
        names: As the database tells them.
        definition: Says which of them freshness looks at.
        source: What messages call the query.

    Raises:
        FeedRefused: One stands there twice, or the one of freshness does not.
    """
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise FeedRefused(
            f"{source} has the column '{twice[0]}' twice.",
            next_step=f"{NEXT}Name the columns one by one, with AS where two are alike.",
        )
    fresh = definition.freshness
    if fresh and fresh.column not in names:
        raise FeedRefused(
            f"{source} has no column '{fresh.column}', which freshness looks at. Its "
            f"columns: {', '.join(names)}.",
            next_step=f"{NEXT}Add it to the query, or mend freshness.",
        )
    return [Column(name) for name in names]
