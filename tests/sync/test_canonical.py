"""Canonical texts: equal values have one, and only equal values share one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.sync.canonical import DataType, canonical_value


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1.10", "1.1"), ("+1.1", "1.1"), ("-0.00", "0"), ("007", "7"), ("1e5", "100000"),
        ("1E-3", "0.001"), (".5", "0.5"), ("5.", "5"), ("100.0", "100"), ("", ""), (" 2 ", "2"),
        ("1,234", None), ("NaN", None), ("1e400", None), ("1e999999999", None), ("0x10", None),
        ("1_000", None), ("९", None), ("--1", None), (".", None), ("9" * 101, None),
    ],
)  # fmt: skip
def test_numbers(written: str, canonical: str | None) -> None:
    assert canonical_value(written, DataType.NUMBER) == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2026-01-02", "2026-01-02"), ("2026-01-02T00:00:00Z", "2026-01-02"),
        ("2026-01-02T10:00:00Z", None), ("2026-13-02", None), ("02/01/2026", None),
        ("20260102", None), ("0000-00-00", None), ("", ""),
    ],
)  # fmt: skip
def test_dates(written: str, canonical: str | None) -> None:
    assert canonical_value(written, DataType.DATE) == canonical


@pytest.mark.parametrize(
    ("written", "canonical"), [("TRUE", "true"), ("False", "false"), ("Y", None), ("1", None)]
)
def test_booleans(written: str, canonical: str | None) -> None:
    assert canonical_value(written, DataType.BOOLEAN) == canonical


@pytest.mark.parametrize("written", ["007", "1.10", "NAN", "TRUE", "1e5", "ﬁ", "A  B"])
def test_text_stays_text(written: str) -> None:
    assert canonical_value(f" {written}\n", DataType.TEXT) == written


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_number_keeps_its_value(number: Decimal) -> None:
    canonical = canonical_value(format(number, "f"), DataType.NUMBER)
    assert canonical is not None
    assert Decimal(canonical) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_every_way_of_writing_a_number_has_one_text(number: Decimal) -> None:
    text = format(number, "f")
    ways = {text, text + ("0" if "." in text else ".0"), text.rstrip("0") if "." in text else text}
    texts = {canonical_value(way, DataType.NUMBER) for way in ways if len(way) <= 100}
    assert len(texts) <= 1
