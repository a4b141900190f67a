"""What an identifier must look like, and when two of them are too alike."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

MAX_CHARS = 255
"""No rule is documented (contract N3); what fits a common database column is taken."""

_CONTROL = r"[\p{Cc}\p{Zl}\p{Zp}]"
_UUID = r"(?i)^(urn:uuid:)?\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$"


def unusable(identifier: pl.Expr) -> pl.Expr:
    """Whether an identifier cannot be used: as :func:`problem`, without the words."""
    return pl.any_horizontal(condition for condition, _ in _problems(identifier))


def problem(identifier: pl.Expr) -> pl.Expr:
    """Why an identifier cannot be used, in words; null when it can.

    The words are made for every row, also where nothing is wrong: for the few that are.
    """
    return pl.coalesce(pl.when(wrong).then(words) for wrong, words in _problems(identifier))


def _problems(identifier: pl.Expr) -> Iterator[tuple[pl.Expr, pl.Expr]]:
    """What can be wrong, and how it is said."""
    length = identifier.str.len_chars()
    yield (
        length > MAX_CHARS,
        pl.format("the identifier is {} characters long; at most {} are safe", length, MAX_CHARS),
    )
    yield (
        identifier.str.contains(_CONTROL),
        pl.lit("the identifier contains a control character or a line break"),
    )
    yield (
        identifier.str.contains(_UUID),
        pl.lit("the identifier looks like a UUID, so Ptolemy would take it for an id of its own"),
    )
    yield (
        identifier.is_in([".", ".."]),
        pl.lit("the identifier is only dots, which no address can carry"),
    )


def folded(identifier: pl.Expr) -> pl.Expr:
    """What two identifiers share that differ only in case or outer blanks."""
    return identifier.map_batches(_folded, return_dtype=pl.String, is_elementwise=True)


def _folded(identifiers: pl.Series) -> pl.Series:
    text = identifiers.str.strip_chars()
    lowered = text.str.to_lowercase()
    beyond_ascii = text.str.len_bytes() != text.str.len_chars()
    if not beyond_ascii.any():
        return lowered
    rare = text.filter(beyond_ascii)
    cased = rare.map_elements(str.casefold, return_dtype=pl.String)
    return lowered.scatter(beyond_ascii.arg_true(), cased)
