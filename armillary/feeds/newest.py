"""A pattern in place of a name: which of the files that match is the delivery to be read (F06)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from armillary.errors import FeedRefused

_DATE = re.compile(r"\{date:([^{}]+)\}")
_DIRECTIVES = {
    "%Y": r"\d{4}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%y": r"\d{2}",
    "%j": r"\d{3}",
    "%b": r"[A-Za-z]{3}",
}
_PARTS = re.compile(r"(%.|\*)")
_NUMBER = re.compile(r"\d+")
_NAMED = 3
_EARLIEST_ZONE = timedelta(hours=14)
"""So far ahead of UTC a day begins first."""

_NEXT = (
    "Nothing was written. Make the pattern in the feed definition narrower, or have the vendor "
    "mend the drop."
)


@dataclass(frozen=True)
class Newest:
    """The delivery to be read.

    Attributes:
        name: Of the file.
        business_date: As its name says; None where the pattern names no date.
        note: Which others match; blank where none does.
    """

    name: str
    business_date: date | None = None
    note: str = ""


def is_pattern(name: str) -> bool:
    """Whether the last part of an address stands for many names."""
    return "*" in name or _DATE.search(name) is not None


class Pattern:
    """``*`` for anything, and at most one ``{date:%Y%m%d}`` for the business date.

    Raises:
        ValueError: the date cannot be read as it is written; says how.
    """

    def __init__(self, written: str) -> None:
        self.written = written
        found = _DATE.findall(written)
        if len(found) > 1:
            raise ValueError("a pattern names one date, as in equities_{date:%Y%m%d}*.csv")
        self._date_format = found[0] if found else ""
        before, _, after = (
            (written, "", "") if not found else written.partition(f"{{date:{found[0]}}}")
        )
        dated = f"(?P<date>{_date_expression(found[0])})" if found else ""
        self._expression = re.compile(_wild(before) + dated + _wild(after))
        self.prefix = re.split(r"\*", before)[0]
        """How every name that matches begins."""

    def newest(self, names: Iterable[str], now: datetime, where: str) -> Newest | None:
        """The newest by business date, then by the numbers in what ``*`` stands for.

        Args:
            names: of the files that are there.
            now: in UTC.
            where: what messages call the place.

        Returns:
            None where no file matches.

        Raises:
            FeedRefused: the newest is of a day that has not begun anywhere, or which one is the
                newest cannot be told.
        """
        found = sorted(
            filter(None, map(self._candidate, names)),
            key=lambda each: (each.business_date or date.min, each.numbers, each.name),
            reverse=True,
        )
        if not found:
            return None
        first = found[0]
        rivals = [each for each in found if each.business_date == first.business_date]
        if first.business_date and first.business_date > (now + _EARLIEST_ZONE).date():
            raise FeedRefused(
                f"{where} holds {first.name}, whose business date {first.business_date} has not "
                "begun anywhere: the name or the clock of this machine is wrong.",
                next_step=_NEXT,
            )
        _refuse_ties(rivals, where)
        return Newest(first.name, first.business_date, self._note(found))

    def _candidate(self, name: str) -> _Candidate | None:
        match = self._expression.fullmatch(name)
        if match is None:
            return None
        day = None
        if self._date_format:
            try:
                day = datetime.strptime(match["date"], self._date_format).date()  # noqa: DTZ007
            except ValueError:
                return None
        dated = self._expression.groupindex.get("date")
        texts = [text for number, text in enumerate(match.groups(), 1) if number != dated]
        wild = "\0".join(texts)
        numbers = tuple(int(number) for number in _NUMBER.findall(wild))
        return _Candidate(name, day, numbers, _NUMBER.sub("#", wild))

    def _note(self, found: list[_Candidate]) -> str:
        others = [each.name for each in found[1:]]
        if not others:
            return ""
        rest = len(others) - _NAMED
        more = f" and {rest:,} more" if rest > 0 else ""
        return (
            f"{found[0].name} was read, the newest of {len(found):,} files that match "
            f"{self.written}; not read: {', '.join(others[:_NAMED])}{more}."
        )


@dataclass(frozen=True)
class _Candidate:
    name: str
    business_date: date | None
    numbers: tuple[int, ...]
    words: str
    """What the stars stand for, without its numbers."""


def _refuse_ties(rivals: list[_Candidate], where: str) -> None:
    """Numbers tell which is newer; words do not, and neither do equal numbers."""
    first = rivals[0]
    for other in rivals[1:]:
        # A name without any sequence is the first of its day: x.csv, then x_v2.csv.
        ordered = not other.words.strip("\0") or other.words == first.words
        if not ordered or other.numbers == first.numbers:
            raise FeedRefused(
                f"{where} holds {first.name} and {other.name}: which of them is newer cannot be "
                "told from their names.",
                next_step=_NEXT,
            )


def _wild(text: str) -> str:
    return "(.*)".join(re.escape(part) for part in text.split("*"))


def _date_expression(written: str) -> str:
    expression = ""
    for part in _PARTS.split(written):
        if part == "*" or (part.startswith("%") and part not in _DIRECTIVES):
            raise ValueError(
                f"the date '{written}' cannot be read in a name; known are "
                f"{', '.join(_DIRECTIVES)}, as in {{date:%Y%m%d}}"
            )
        expression += _DIRECTIVES.get(part) or re.escape(part)
    if not {"%d", "%j"} & set(_PARTS.findall(written)):
        raise ValueError(f"the date '{written}' names no day; write it as in {{date:%Y%m%d}}")
    return expression
