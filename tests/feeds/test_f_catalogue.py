"""Rows of the catalogue beyond ``test_f_rows``, and that every row has a test somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from armillary.runs.record import rejects_csv
from tests.feeds.test_f_rows import ROWS
from tests.feeds.vendor import HEADER, Vendor, reasons

NOTHING = ["N/A", "N.A.", "#N/A N/A", "NULL", "-"]


@pytest.mark.parametrize("word", NOTHING)
def test_f17_words_for_nothing_are_blank_where_the_feed_says_so(vendor: Vendor, word: str) -> None:
    content = HEADER + f"A,xasx,Alpha, {word} ,100\nB,{word},Beta,AU2,{word}\n".encode()
    reading = vendor.read(content, blank_words=NOTHING, blank="clear")
    assert reading.records.rows() == [(2, "A.xasx", "Alpha", "", "100")]
    assert reasons(reading) == {3: "the identifier cannot be made: {mic} is blank"}
    reading = vendor.read(content.replace(b"B,", b"C,"))
    assert reading.records["field.isin"].to_list() == [word]
    assert list(reasons(reading)) == [3]


def test_f17_a_part_of_a_cell_or_another_case_is_no_word_for_nothing(vendor: Vendor) -> None:
    content = HEADER + b"NA,xasx,N/A Bank,n/a,1\n"
    reading = vendor.read(content, blank_words=["N/A"])
    assert reading.records.rows() == [(2, "NA.xasx", "N/A Bank", "n/a", "1")]


def test_f22_a_million_rows(vendor: Vendor) -> None:
    """Time and memory are measured by benchmarks/plan_million.py; here that it is right."""
    row = b"T%d,xasx,N,,1\n"
    content = HEADER + b"".join(row % number for number in range(1_000_000)) + b"T1,xasx,N,,2\n"
    reading = vendor.read(content, identifier="{ticker}", fields={"lot_size": "{lot}"})
    assert reading.records.height == 999_999
    assert list(reasons(reading)) == [3, 1_000_002]


def test_f23_a_rejected_formula_is_no_formula_in_our_file(vendor: Vendor) -> None:
    content = HEADER + ROWS + b"=cmd(),xasx,+x,@y,many\n"
    text = rejects_csv(vendor.read(content).rejects).decode()
    assert text.splitlines()[1].startswith("'=cmd(),xasx,'+x,'@y,many,4,")


def test_every_row_of_the_catalogue_has_a_test() -> None:
    tests = Path(__file__).parents[1]
    text = "".join(path.read_text(encoding="utf-8") for path in tests.rglob("test_*.py"))
    named = set(re.findall(r"_f(\d\d)_", "\n".join(re.findall(r"def (test_\w+)", text))))
    assert [f"F{n:02}" for n in range(1, 27) if f"{n:02}" not in named] == []
