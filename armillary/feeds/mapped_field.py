"""One field of a record: its value out of the cells, and what can be wrong with that value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from armillary.feeds.template import Template
from armillary.sync.canonical import CLEAR, EXPECTED, DataType, canonical

MAX_TEXT_CHARS = 100_000
"""A longer name or text value is a damaged cell, and would not fit a request of usual size."""

_SHOWN_CHARS = 60
_SHOWN_VALUES = 10


@dataclass(frozen=True)
class MappedField:
    """A mapped field, ready to become expressions over trimmed cells.

    Attributes:
        key: Field key in the workspace.
        template: What it is made of.
        data_type: Of the field in the workspace.
        clears: Whether a blank empties the field; otherwise it is left alone.
        translation: Whole values and what replaces them; other values are wrong.
        scope: The values the feed owns, when the feed's scope names this field.
    """

    key: str
    template: Template
    data_type: DataType
    clears: bool
    translation: Mapping[str, str] | None = None
    scope: tuple[str, ...] | None = None

    @property
    def column(self) -> str:
        """The column of the records that holds it."""
        return f"field.{self.key}"

    def given(self) -> pl.Expr:
        """Whether the cells give it a value, be it blank."""
        return self.template.rendered().is_not_null()

    def canonical(self) -> pl.Expr:
        """The canonical text out of the cells; null where not given and where wrong."""
        text = self._translated()
        if self.data_type is DataType.TEXT:
            return text  # what a template gives is trimmed already, and text asks for nothing else
        if self.template.columns:
            return canonical(text, self.data_type)
        constant = pl.select(canonical(text, self.data_type)).item()
        return pl.lit(constant, dtype=pl.String)

    def settled(self) -> pl.Expr:
        """What a record says, out of the canonical text in ``column``: null leaves alone."""
        value = pl.col(self.column)
        return value if self.clears else pl.when(value != CLEAR).then(value)

    def wrong(self, given: pl.Expr) -> pl.Expr:
        """Whether the canonical text in ``column`` means that the row has to be rejected."""
        value = pl.col(self.column)
        wrong = given & value.is_null()
        if self.data_type is DataType.TEXT:
            wrong |= unusable(value).fill_null(value=False)
        if self.scope is not None:
            wrong |= ~self._in_scope(value)
        return wrong

    def problem(self) -> pl.Expr:
        """What is wrong, in words; null where nothing is."""
        text, value = self.template.rendered(), self.canonical()
        problems = [self._untranslated(text)] if self.translation is not None else []
        problems.append(
            pl.when(text.is_not_null() & value.is_null()).then(
                self._says("'{}' is not " + EXPECTED[self.data_type], text)
            )
        )
        problems += [problem_of_text(value, self.key)] if self.data_type is DataType.TEXT else []
        problems += [self._outside(value)] if self.scope is not None else []
        return pl.coalesce(problems)

    def _untranslated(self, text: pl.Expr) -> pl.Expr:
        known = _plain(", ".join(list(self.translation or ())[:_SHOWN_VALUES]))
        return pl.when(text.is_not_null() & self._translated().is_null()).then(
            self._says("'{}' is not in its map (" + known + ")", text)
        )

    def _outside(self, value: pl.Expr) -> pl.Expr:
        owned = _plain(", ".join((self.scope or ())[:_SHOWN_VALUES]))
        blank = pl.lit(f"{self.key} is blank, so whether the feed owns the record is unknown")
        return (
            pl.when(value.fill_null(CLEAR) == CLEAR)
            .then(blank)
            .when(~self._in_scope(value))
            .then(self._says("'{}' is outside the scope (" + owned + ")", value))
        )

    def _translated(self) -> pl.Expr:
        text = self.template.rendered()
        if self.translation is None:
            return text
        known = text.replace_strict(
            list(self.translation), list(self.translation.values()), default=None
        )
        if CLEAR in self.translation:
            return known
        return pl.when(text == CLEAR).then(pl.lit(CLEAR)).otherwise(known)

    def _in_scope(self, value: pl.Expr) -> pl.Expr:
        return value.is_in(list(self.scope or ())).fill_null(value=False)

    def _says(self, pattern: str, value: pl.Expr) -> pl.Expr:
        return pl.format(f"{_plain(self.key)}: {pattern}", shown_value(value))


def unusable(text: pl.Expr) -> pl.Expr:
    """Whether a text can be no value of a record."""
    return text.str.contains("\0", literal=True) | (text.str.len_chars() > MAX_TEXT_CHARS)


def problem_of_text(text: pl.Expr, key: str) -> pl.Expr:
    """Why a text can be no value of a record; null where it can."""
    length = text.str.len_chars()
    return (
        pl.when(length > MAX_TEXT_CHARS)
        .then(
            pl.format(
                f"{_plain(key)}: the text is {{}} characters long; at most {MAX_TEXT_CHARS} are "
                "carried",
                length,
            )
        )
        .when(text.str.contains("\0", literal=True))
        .then(pl.lit(f"{key}: the text holds a NUL byte"))
    )


def shown_value(value: pl.Expr) -> pl.Expr:
    """A value as a message shows it: short, on one line."""
    short = pl.when(value.str.len_chars() > _SHOWN_CHARS).then(
        value.str.slice(0, _SHOWN_CHARS) + "..."
    )
    return short.otherwise(value).str.replace_all(r"\p{Cc}", "?")


def _plain(text: str) -> str:
    """Text inside a ``pl.format`` pattern: a brace of its own would be taken for a place."""
    return text.replace("{", "(").replace("}", ")")
