"""Columns in which a few values repeat: done by value, and as if done cell by cell."""

from __future__ import annotations

import functools

import polars as pl
import pytest

from armillary.repeated import as_text, converted, distinct, is_repeated, rows_where, spread
from armillary.sync import canonical
from armillary.sync.canonical import DataType

CELLS = ["1.0", "+1", None, "x", " 2.50 ", "TRUE", "2026-01-02T00:00:00Z", "", "1e3"] * 30


def in_pieces(cells: list[str | None]) -> pl.Series:
    first, second = pl.Series("a", cells[:100], pl.String), pl.Series("a", cells[100:], pl.String)
    return pl.concat([first, second], rechunk=False)


@pytest.mark.parametrize("cells", [CELLS, [None] * 200, [""] * 200, []])
def test_texts_and_positions_give_the_column_again(cells: list[str | None]) -> None:
    column = in_pieces(cells)
    texts, positions = distinct(column.cast(pl.Categorical))
    assert texts.n_unique() == texts.len()
    assert spread(texts, positions).to_list() == cells


@pytest.mark.parametrize("data_type", [DataType.NUMBER, DataType.DATE, DataType.BOOLEAN])
@pytest.mark.parametrize("rule", ["canonical", "canonical_or_as_found"])
def test_canonical_by_value_is_canonical_by_cell(
    data_type: DataType, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = functools.partial(getattr(canonical, rule), pl.col("a"), data_type)
    frame = in_pieces(CELLS).to_frame()
    by_value = frame.select(made())
    monkeypatch.setattr(canonical, "_MANY", 1000)
    assert by_value.equals(frame.select(made()))


def test_what_is_converted_to_itself_is_the_same_column() -> None:
    column = pl.Series("a", [" x", "y", " x"]).cast(pl.Categorical)
    trimmed = converted(column, lambda text: text.str.strip_chars())
    assert trimmed.cast(pl.String).to_list() == ["x", "y", "x"]
    assert converted(trimmed, lambda text: text.str.strip_chars()) is trimmed


def test_rows_are_found_by_text_and_by_value_alike() -> None:
    cells = pl.DataFrame({"a": ["", "x", " ", ""], "b": ["", "", "", "y"]})
    kept = cells.with_columns(pl.col("b").cast(pl.Categorical))
    assert [is_repeated(kept, name) for name in kept.columns] == [False, True]
    for frame in (cells, kept):
        blank = rows_where(frame, ["a", "b"], lambda text, _: text.str.strip_chars() == "")
        assert as_text(blank).rows() == [("", ""), (" ", "")]
        assert rows_where(frame, ["b"], lambda text, _: text == "z").is_empty()
