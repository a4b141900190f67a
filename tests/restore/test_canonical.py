"""Canonical texts of single values: the rules of the sync, one cell at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.restore.canonical import EXTRAS, TIMESTAMP, UNKNOWN, canonical, plain
from armillary.sync.canonical import DataType, canonical_value

WRITTEN = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789.eE+- \u00a0\x1f", max_size=12),
    st.from_regex(r"[+-]?0{0,3}[0-9]{0,4}(\.[0-9]{0,4})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(
        r"(0000|19[0-9]{2}|20[0-9]{2})-(0[0-9]|1[0-3])-[0-3][0-9]"
        r"([T ]0[01]:00(:00(\.0)?)?(Z|\+00:00)?)?",
        fullmatch=True,
    ),
    st.sampled_from(
        ["TRUE", "False", " true\n", "fal\u017fe", "İ", "9" * 101, "0e999", "-0.0", "-0"]
    ),
)


@pytest.mark.parametrize("data_type", list(DataType))
@given(written=WRITTEN)
def test_one_value_is_what_it_is_in_a_column(data_type: DataType, written: str) -> None:
    in_a_column = canonical_value(written, data_type)
    if in_a_column is None:  # not of its data type: the text as it was found
        in_a_column = canonical_value(written, DataType.TEXT)
    assert canonical(written, data_type.value) == (in_a_column or None)


@pytest.mark.parametrize(
    ("value", "data_type", "text"),
    [
        (None, "number", None), ("", "text", None), (" \t", "number", None), (None, EXTRAS, None),
        (Decimal("1.10"), "number", "1.1"), (Decimal("1E+2"), "number", "100"), (7, "number", "7"),
        (Decimal("1E-7"), "number", "0.0000001"), (1.5, "number", "1.5"),
        (True, "boolean", "true"), (False, "boolean", "false"), (True, "text", "true"),
        (1, "text", "1"), (Decimal("1.10"), "text", "1.10"), ("007", "text", "007"),
        ("1.10", UNKNOWN, "1.1"), ("AU01 ", UNKNOWN, "AU01"), ("1.10", "money", "1.1"),
        ("ten", "number", "ten"), (["a", None], "text", '["a",null]'),
    ],
)  # fmt: skip
def test_values_as_rows_hold_them(value: Any, data_type: str, text: str | None) -> None:
    assert canonical(value, data_type) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("2026-04-15T09:00:00Z", "2026-04-15T09:00:00Z"),
        ("2026-04-15T19:00:00+10:00", "2026-04-15T09:00:00Z"),
        ("2026-04-15T19:00:00+1000", "2026-04-15T09:00:00Z"),
        ("2026-04-15T04:30-04:30", "2026-04-15T09:00:00Z"),
        ("2026-04-15 09:00:00.000", "2026-04-15T09:00:00Z"),
        ("2026-04-15t09:00:00z", "2026-04-15T09:00:00Z"),
        ("2026-04-15T09:00:00.120Z", "2026-04-15T09:00:00.12Z"),
        ("2026-04-15T19:00:00.000000001+10:00", "2026-04-15T09:00:00.000000001Z"),
        ("2026-04-15", "2026-04-15T00:00:00Z"),
        ("2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00+01:00"),
        ("2026-02-30T00:00:00Z", "2026-02-30T00:00:00Z"),
        ("tomorrow", "tomorrow"), ("", None),
    ],
)  # fmt: skip
def test_a_moment_has_one_text_whatever_its_offset(written: str, text: str | None) -> None:
    assert canonical(written, TIMESTAMP) == text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": Decimal("2.50")}, {"b": Decimal("2.5"), "a": Decimal("1.0")}),
        ({"a": [1, {"b": None}]}, '{"a": [1.0, {}]}'),
        ({"a": None}, None), ({}, ""), ("{}", None), ({"n": 10**30}, '{"n": 1e30}'),
        ({"x": "é"}, '{"x":"\\u00e9"}'),
    ],
)  # fmt: skip
def test_extras_are_the_same_however_they_are_written(one: Any, other: Any) -> None:
    assert canonical(one, EXTRAS) == canonical(other, EXTRAS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}), ({"a": True}, {"a": "true"}), ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": " x"}, {"a": "x"}), ({"a": {}}, {}), ({"a": 1}, {"A": 1}), ("{broken", None),
        ({"a": 10**20}, {"a": 10**20 + 1}), ({"a": True}, {"a": 1}),
    ],
)  # fmt: skip
def test_other_extras_are_not_the_same(one: Any, other: Any) -> None:
    assert canonical(one, EXTRAS) != canonical(other, EXTRAS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.10", "1.10"), (Decimal("1.10"), "1.10"), (Decimal("1E+5"), "100000"), (3, "3"),
        (Decimal("1E+999999999"), "1E+999999999"), (True, "true"), ({"a": 1}, '{"a":1}'),
    ],
)  # fmt: skip
def test_what_is_sent_is_plain_text(value: Any, text: str) -> None:
    assert plain(value) == text
