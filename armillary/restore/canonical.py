"""The canonical text of one value of an exported row, by the data type of its field.

The rules are those of ``armillary/sync/canonical.py``, which works on columns of a million cells.
A restore looks at rows one by one, of which it holds no two at a time: here the same rules work on
single values, and what has been converted a moment ago is not converted again.
"""

from __future__ import annotations

import calendar
import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from armillary.sync.canonical import MAX_NUMBER_CHARS, DataType

TIMESTAMP = "timestamp"
EXTRAS = "extras"
UNKNOWN = ""
"""The data type of a field nobody has told of: a number by its value, else the text (N5)."""

_BLANKS = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""White space as Unicode has it, which is what polars strips; Python's own has four more."""

_REMEMBERED = 2**16

_NUMBER = DataType.NUMBER.value

_IS_SHORTEST = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?").fullmatch
_IS_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?P<exponent>[eE][+-]?[0-9]{1,3})?"
).fullmatch
_DAY = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?"
).fullmatch
_MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<minute>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(?:[.,](?P<fraction>[0-9]+))?)?"
    r"(?:[Zz]|(?P<offset>[+-][0-9]{2}:?(?:[0-9]{2})?))?)?"
).fullmatch

_LEAP_YEAR = 2000
_MONTHS = 12

_read_json = msgspec.json.Decoder(float_hook=Decimal).decode
_write_json = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


def canonical(value: Any, data_type: str) -> str | None:
    """The text by which two values are the same exactly when they are equal.

    Args:
        value: of a row: text, number, boolean, None; for :data:`EXTRAS` any JSON value.
        data_type: of ``armillary.sync.canonical.DataType``, or :data:`TIMESTAMP`,
            :data:`EXTRAS`; anything else compares numbers by value and the rest as text.

    Returns:
        The text; None for null and blank. What is not of its data type is kept as trimmed text.
    """
    if type(value) is not str:
        if value is None:
            return None
        if data_type == EXTRAS:
            return _extras(value)
        value = plain(value)
    if data_type == _NUMBER:
        # Two million values are seldom the same: to remember them would cost more than it saves.
        return value if _IS_SHORTEST(value) and value != "-0" else _number_of(value)
    return _extras(value) if data_type == EXTRAS else _remembered(value, data_type)


def plain(value: Any) -> str:
    """A value of a row as text, numbers without exponent: how the service takes it (D16)."""
    if type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, Decimal | float):
        text = str(value)
        return (_expanded(text) or text) if "E" in text or "e" in text else text
    if isinstance(value, dict | list):
        return _extras(value) or ""
    return str(value)


def opened(extras: Any) -> Any:
    """Extras as a JSON value, where a CSV has them as JSON text; other text stays what it is."""
    if not isinstance(extras, str):
        return extras
    try:
        return _read_json(extras)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return extras


@functools.lru_cache(_REMEMBERED)
def _remembered(text: str, data_type: str) -> str | None:
    text = text.strip(_BLANKS)
    return _BY_TYPE.get(data_type, _number)(text) if text else None


def _number_of(text: str) -> str | None:
    text = text.strip(_BLANKS)
    return _number(text) if text else None


def _number(text: str) -> str:
    if len(text) > MAX_NUMBER_CHARS:
        return text
    found = _IS_NUMBER(text)
    if found is None:
        return text
    whole = _expanded(text) if found["exponent"] else text
    return text if whole is None else _shortest(whole)


def _expanded(text: str) -> str | None:
    """Without exponent; None where that is no number, or one of more digits than any value has."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    # 1e999999999 must not become a gigabyte of zeros.
    if not number.is_finite() or abs(number.adjusted()) > 10 * MAX_NUMBER_CHARS:
        return None
    expanded = format(number, "f")
    return expanded if len(expanded) <= MAX_NUMBER_CHARS else None


def _shortest(text: str) -> str:
    """No plus sign, no needless zeros on either side, no trailing point, no negative zero."""
    sign = "-" if text[0] == "-" else ""
    before, _, after = text.lstrip("+-").partition(".")
    before, after = before.lstrip("0") or "0", after.rstrip("0")
    digits = f"{before}.{after}" if after else before
    return digits if digits == "0" else sign + digits


def _date(text: str) -> str:
    found = _DAY(text)
    if found is None:
        return text
    year, month, day = map(int, found.groups())
    # There was no year 0, and polars has one: it is a leap year like 2000.
    if not (
        1 <= month <= _MONTHS and 1 <= day <= calendar.monthrange(year or _LEAP_YEAR, month)[1]
    ):
        return text
    return text[:10]


def _boolean(text: str) -> str:
    lowered = text.lower()
    return lowered if lowered in ("true", "false") else text


def _timestamp(text: str) -> str:
    """In UTC, as in ``2026-04-15T09:00:00Z``; a day alone is its midnight (contract section 6)."""
    found = _MOMENT(text)
    if found is None:
        return text
    second = (found["second"] or ":00")[:3].replace(",", ".")
    offset = found["offset"] or "+00:00"
    written = f"{found['day']}T{found['minute'] or '00:00'}{second}{offset}"
    try:
        moment = datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    # A fraction of any length, which no time zone changes.
    fraction = (found["fraction"] or "").rstrip("0")
    return f"{moment.isoformat()[:19]}{'.' if fraction else ''}{fraction}Z"


def _extras(value: Any) -> str | None:
    """Nested JSON as one text: numbers by value, keys sorted, members that are null left out.

    Whether a PATCH with null removes a member or stores the null is not told (N6): both are the
    same here. Without any member left there are no extras.
    """
    if isinstance(value, str):
        value = opened(value.strip(_BLANKS))
        if isinstance(value, str):
            return value or None
    if value is None:
        return None
    meant = _meant(value)
    return None if meant in ({}, []) else _write_json(meant).decode()


def _meant(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _meant(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_meant(member) for member in value]
    if isinstance(value, Decimal | float) or type(value) is int:
        text = _number(str(value))
        return Decimal(text) if _IS_SHORTEST(text) else text
    return value


_BY_TYPE: dict[str, Callable[[str], str]] = {
    DataType.TEXT.value: str,
    DataType.DATE.value: _date,
    DataType.BOOLEAN.value: _boolean,
    TIMESTAMP: _timestamp,
}
