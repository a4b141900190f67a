"""Templates over the columns of a source row: ``{ticker}.{mic}`` as polars expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce

import polars as pl

from armillary.feeds.table import cell

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True)
class Template:
    """A parsed template.

    Attributes:
        text: The template as written.
        parts: Pairs of (literal text, "") or ("", column), in order.
    """

    text: str
    parts: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, each once, in order."""
        return tuple(dict.fromkeys(column for _, column in self.parts if column))

    @property
    def constant(self) -> str:
        """Its literal text: the whole value when it names no column."""
        return "".join(literal for literal, _ in self.parts)

    def rendered(self) -> pl.Expr:
        """The trimmed text over trimmed cells.

        ``""`` when every column it names is blank; null when only some are, for half a value
        is worse than none.
        """
        if not self.columns:
            return pl.lit(self.constant.strip())
        cells = [pl.col(cell(column)) for column in self.columns]
        if len(self.parts) == 1:
            return cells[0]
        whole = pl.concat_str(
            [pl.col(cell(column)) if column else pl.lit(literal) for literal, column in self.parts]
        ).str.strip_chars()
        blanks = [each == "" for each in cells]
        return (
            pl.when(reduce(lambda some, blank: some & blank, blanks))
            .then(pl.lit(""))
            .when(~reduce(lambda some, blank: some | blank, blanks))
            .then(whole)
        )


def parse(text: str) -> Template:
    """Parse a template. ``{{`` and ``}}`` stand for the braces themselves.

    Raises:
        ValueError: A brace is not paired, or no column is named between two.
    """
    parts: list[tuple[str, str]] = []
    for token in _TOKEN.finditer(text):
        written = token.group()
        if token.group(1) is not None:
            column = token.group(1).strip()
            if not column:
                raise ValueError(f"'{text}' names no column between its braces")
            parts.append(("", column))
        elif written in {"{{", "}}"}:
            parts.append((written[0], ""))
        elif written in {"{", "}"}:
            raise ValueError(
                f"'{text}' has a brace without its partner; a brace itself is written {written * 2}"
            )
        else:
            parts.append((written, ""))
    return Template(text=text, parts=tuple(parts))
