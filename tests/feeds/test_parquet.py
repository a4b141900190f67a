from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import polars as pl

from tests.feeds.vendor import Vendor


def parquet(**columns: Any) -> bytes:
    buffer = BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def test_values_are_rendered_canonically(vendor: Vendor) -> None:
    content = parquet(
        ticker=["A", " B "],
        lot=[100.0, None],
        small=pl.Series([0.1, 2.5], dtype=pl.Float32),
        exact=[Decimal("1.10"), Decimal("-0.00")],
        whole=[7, None],
        etf=[True, None],
        day=[date(2026, 1, 31), None],
        midnight=[datetime.fromisoformat(text) for text in ("2026-01-31", "2026-01-31T22:05")],
        zoned=[datetime(2026, 1, 31, 9, tzinfo=UTC), None],
        kind=pl.Series(["x", "y"], dtype=pl.Categorical),
        nothing=[None, None],
    )
    texts = {}
    for column in (
        "lot",
        "small",
        "exact",
        "whole",
        "etf",
        "day",
        "midnight",
        "zoned",
        "kind",
        "nothing",
    ):
        reading = vendor.read(
            content,
            "asx.parquet",
            identifier="{ticker}",
            name_template=None,
            fields={"isin": f"{{{column}}}"},
        )
        assert reading.records["identifier"].to_list() == ["A", "B"]
        texts[column] = reading.records["field.isin"].to_list()
    assert texts == {
        "lot": ["100", None],
        "small": ["0.1", "2.5"],
        "exact": ["1.1", "0"],
        "whole": ["7", None],
        "etf": ["true", None],
        "day": ["2026-01-31", None],
        "midnight": ["2026-01-31", "2026-01-31T22:05:00"],
        "zoned": ["2026-01-31T09:00:00+00:00", None],
        "kind": ["x", "y"],
        "nothing": [None, None],
    }


def test_a_number_in_a_text_field_is_warned_of(vendor: Vendor) -> None:
    content = parquet(ticker=[7], mic=["xasx"], name=["Seven"], isin=[263494], lot=[1])
    reading = vendor.read(content, "asx.parquet")
    assert reading.records.rows() == [(1, "7.xasx", "Seven", "263494", "1")]
    assert reading.warnings == (
        "The column 'ticker' holds numbers, not text, and makes the identifier: leading zeros, if "
        "it ever had any, are lost.",
        "The column 'isin' holds numbers, not text, and makes the text field isin: leading zeros, "
        "if it ever had any, are lost.",
    )


def test_a_list_where_a_value_is_needed(vendor: Vendor) -> None:
    content = parquet(ticker=["A"], mic=["x"], name=["n"], isin=[["a"]], lot=[1])
    assert vendor.refusal(content, "asx.parquet") == (
        "asx.parquet has values of type List(String) in the column 'isin', where the feed "
        "definition needs text, numbers, dates or booleans."
    )
    reading = vendor.read(content, "asx.parquet", fields={})
    assert reading.columns == ("ticker", "mic", "name", "isin", "lot")


def test_cut_off_at_any_byte_or_damaged(vendor: Vendor) -> None:
    content = parquet(ticker=["A"], mic=["xasx"], name=["n"], isin=["AU1"], lot=[1])
    for length in range(4, len(content), 7):
        assert vendor.refusal(content[:length], "asx.parquet") == (
            "asx.parquet is cut off: a parquet file ends with the mark PAR1, this does not."
        )
    damaged = content[: len(content) // 2] + b"\xff" * 40 + content[len(content) // 2 + 40 :]
    assert vendor.refusal(damaged, "asx.parquet").startswith(
        "asx.parquet is a damaged parquet file"
    )


def test_no_rows(vendor: Vendor) -> None:
    empty = pl.Series([], dtype=pl.String)
    content = parquet(ticker=empty, mic=empty, name=empty, isin=empty, lot=empty)
    assert vendor.refusal(content, "asx.parquet") == "asx.parquet holds not a single record."


def test_another_format_under_its_name(vendor: Vendor) -> None:
    assert vendor.refusal(b'[{"ticker":"A"}]', "asx.parquet").startswith(
        "asx.parquet is no parquet file: its content looks like a JSON array."
    )
