"""The canonical text of a value, by the data type of its field (contract section 6).

Two values are the same exactly when their canonical texts are: ``1.10``, ``1.1`` and ``+1.1`` are
one number, ``TRUE`` and ``true`` one boolean. A server that normalises what it stores therefore
causes no update, tonight or any night (contract N6).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import StrEnum

import polars as pl

from armillary.repeated import distinct, spread

CLEAR = ""
"""What a record wants of a field that is to be emptied; null means "leave it alone"."""

_SAMPLE = 10_000
_MANY = 2
"""A column whose sample has over one distinct value in so many cells is converted cell by cell."""

MAX_NUMBER_CHARS = 100
"""A longer number is a damaged cell; ``1e999999999`` must not become a gigabyte of zeros."""

_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_SCIENTIFIC = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]{1,3}$"


class DataType(StrEnum):
    """The data types a Ptolemy field can have (contract section 6)."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"


EXPECTED = {
    DataType.TEXT: "text",
    DataType.NUMBER: "a number such as 1234.5 (no thousands separator, at most 100 characters)",
    DataType.DATE: "a date written YYYY-MM-DD",
    DataType.BOOLEAN: "true or false",
}
"""How a message tells a person what a field of a data type accepts."""


def canonical(column: pl.Expr, data_type: DataType) -> pl.Expr:
    """The canonical text of a text column; null where a value is not of ``data_type``.

    Null and blank stay what they are: null for null, ``""`` for blank.
    """
    if data_type is DataType.TEXT:
        return column.str.strip_chars()
    return _by_distinct(column, functools.partial(_canonical, data_type=data_type))


def canonical_or_as_found(column: pl.Expr, data_type: DataType) -> pl.Expr:
    """Canonical text; what the workspace holds against its own data type stays as it is."""
    if data_type is DataType.TEXT:
        return column.str.strip_chars().fill_null(CLEAR)
    return _by_distinct(column, functools.partial(_or_as_found, data_type=data_type))


def canonical_value(value: str, data_type: DataType) -> str | None:
    """The canonical text of one value, by the same rules as :func:`canonical`."""
    frame = pl.DataFrame({"value": [value]}, schema={"value": pl.String})
    result: str | None = frame.select(canonical(pl.col("value"), data_type)).item()
    return result


def _by_distinct(column: pl.Expr, convert: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """Convert each distinct value once: a million lot sizes are seldom more than a few dozen."""
    return column.map_batches(
        functools.partial(_distinct_converted, convert=convert),
        return_dtype=pl.String,
    )


def _distinct_converted(values: pl.Series, convert: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    if values.head(_SAMPLE).n_unique() * _MANY > min(_SAMPLE, values.len()):
        return _converted(values, convert)
    texts, positions = distinct(values.cast(pl.Categorical))
    meant = spread(_converted(texts, convert), positions)
    if not values.null_count():
        return meant
    nothing = _converted(pl.Series(values.name, [None], pl.String), convert)[0]
    return meant.zip_with(values.is_not_null(), pl.Series([nothing], dtype=pl.String))


def _converted(values: pl.Series, convert: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    return values.to_frame().select(convert(pl.col(values.name))).to_series()


def _or_as_found(column: pl.Expr, data_type: DataType) -> pl.Expr:
    return pl.coalesce(_canonical(column, data_type), column.str.strip_chars(), pl.lit(CLEAR))


def _canonical(column: pl.Expr, data_type: DataType) -> pl.Expr:
    text = column.str.strip_chars()
    by_type = {
        DataType.NUMBER: _number,
        DataType.DATE: _date,
        DataType.BOOLEAN: _boolean,
    }[data_type]
    return pl.when(text == CLEAR).then(pl.lit(CLEAR)).otherwise(by_type(text))


def _number(text: pl.Expr) -> pl.Expr:
    """Plain decimals by string work alone; the rare scientific form through ``Decimal``."""
    short = text.str.len_chars() <= MAX_NUMBER_CHARS
    plain = pl.when(short & text.str.contains(_PLAIN)).then(text)
    scientific = (
        pl.when(short & text.str.contains(_SCIENTIFIC))
        .then(text)
        .map_elements(_expand, return_dtype=pl.String, skip_nulls=True)
    )
    return _shortest(pl.coalesce(plain, scientific))


def _expand(text: str) -> str | None:
    try:
        expanded = format(Decimal(text), "f")
    except InvalidOperation:
        return None
    return expanded if len(expanded) <= MAX_NUMBER_CHARS else None


def _shortest(text: pl.Expr) -> pl.Expr:
    """No plus sign, no needless zeros on either side, no trailing point, no negative zero."""
    return (
        text.str.replace(r"^\+?(-?)0*([0-9]*)(?:\.([0-9]*?)0*)?$", "$1$2.$3")
        .str.strip_suffix(".")
        .str.replace(r"^(-?)(\.|$)", "${1}0$2")
        .str.replace(r"^-0$", "0")
    )


def _date(text: pl.Expr) -> pl.Expr:
    """``YYYY-MM-DD``; midnight appended by a server is dropped, any other time is no date."""
    day = text.str.replace(rf"^({_DAY})[T ]00:00(:00(\.0+)?)?(Z|\+00:00)?$", "${1}")
    shaped = pl.when(day.str.contains(rf"^{_DAY}$")).then(day)
    return shaped.str.to_date("%Y-%m-%d", strict=False).dt.strftime("%Y-%m-%d")


def _boolean(text: pl.Expr) -> pl.Expr:
    lowered = text.str.to_lowercase()
    return pl.when(lowered.is_in(["true", "false"])).then(lowered)
