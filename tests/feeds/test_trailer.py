from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from armillary.errors import FeedRefused
from armillary.feeds import read_feed
from tests.feeds.vendor import DATA_TYPES, HEADER, Vendor, definition, identifiers

ROWS = b"A,xasx,Alpha,AU1,100\nB,xasx,Beta,AU2,100\n"
BY_CELLS = {"starts_with": "TRAILER", "rows_column": 2, "date_column": 3}
BY_PATTERN = {"pattern": r"EOF\|(?P<rows>\d+)\|(?P<date>\d{8})"}


@pytest.mark.parametrize(
    ("trailer", "line"),
    [
        (BY_CELLS, b"TRAILER,2,20261125"),
        (BY_CELLS, b'"TRAILER","2","20261125"\r\n\r\n'),
        (BY_PATTERN, b"EOF|2|20261125\n"),
    ],
)
def test_the_trailer_is_no_row_and_says_the_business_date(
    vendor: Vendor, trailer: dict[str, Any], line: bytes
) -> None:
    reading = vendor.read(HEADER + ROWS + line, trailer=trailer)
    assert identifiers(reading) == ["A.xasx", "B.xasx"]
    assert reading.rejects.is_empty()
    assert reading.business_date == date(2026, 11, 25)
    assert reading.warnings == ()


def test_f02_a_header_and_a_trailer_and_nothing_between(vendor: Vendor) -> None:
    assert vendor.refusal(HEADER + b"TRAILER,0,20261125\n", trailer=BY_CELLS) == (
        "asx.csv has a header (ticker, mic, name, isin, lot) and not a single row."
    )


def test_f02_only_a_trailer_is_told_as_such(vendor: Vendor) -> None:
    assert vendor.refusal(b"TRAILER,0,20261125\n", trailer=BY_CELLS) == (
        "asx.csv is empty: it holds nothing but blanks."
    )


def test_f04_a_missing_trailer(vendor: Vendor) -> None:
    assert vendor.refusal(HEADER + ROWS, trailer=BY_CELLS) == (
        "asx.csv does not end with its trailer (a line that starts with TRAILER) but with "
        "'B,xasx,Beta,AU2,100': it is cut off, or still being written."
    )
    assert vendor.refusal(HEADER + ROWS + b"EOF|2|2026", trailer=BY_PATTERN) == (
        r"asx.csv does not end with its trailer (a line like EOF\|(?P<rows>\d+)\|(?P<date>\d{8})) "
        "but with 'EOF|2|2026': it is cut off, or still being written."
    )


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (3, "3: some are missing, so it is not whole."),
        (1, "1: there are too many, so it is not whole."),
    ],
)
def test_f04_another_number_of_rows(vendor: Vendor, declared: int, said: str) -> None:
    content = HEADER + ROWS + f"TRAILER,{declared},20261125\n".encode()
    assert vendor.refusal(content, trailer=BY_CELLS) == (
        f"asx.csv has 2 rows, and its trailer declares {said}"
    )


def test_rejected_rows_count_and_blank_ones_do_not(vendor: Vendor) -> None:
    content = HEADER + ROWS + b"C,xasx\n,,,,\nTRAILER,3,20261125\n"
    reading = vendor.read(content, trailer=BY_CELLS)
    assert (reading.rows_read, reading.rejects.height, reading.blank_rows) == (3, 1, 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("TRAILER,two,20261125", "in which 'two' is no number of rows."),
        ("TRAILER", "in which '' is no number of rows."),
        ("TRAILER,2,25/11/2026", "in which '25/11/2026' is no date written %Y%m%d."),
    ],
)
def test_what_a_trailer_may_not_say(vendor: Vendor, line: str, said: str) -> None:
    assert vendor.refusal(HEADER + ROWS + line.encode(), trailer=BY_CELLS) == (
        f"asx.csv ends with its trailer ({line}), {said}"
    )


def test_name_and_trailer_have_to_agree(vendor: Vendor) -> None:
    content = HEADER + ROWS + b"TRAILER,2,20251125\n"
    vendor.delivers(content, "a_20251124.csv")
    with pytest.raises(FeedRefused, match="by its name and of 2025-11-25 by its trailer"):
        read_feed(definition(url="a_{date:%Y%m%d}.csv", trailer=BY_CELLS), DATA_TYPES)


def test_lines_above_the_header_are_skipped_and_rows_keep_their_numbers(vendor: Vendor) -> None:
    content = b'# vendor\r\n# "of today\r\n' + HEADER + ROWS
    reading = vendor.read(content, skip_lines=2)
    assert reading.records["row"].to_list() == [4, 5]
    assert vendor.refusal(b"# all\n", skip_lines=3) == (
        "asx.csv is empty: it holds nothing but blanks."
    )


def test_a_trailer_of_lines_of_json(vendor: Vendor) -> None:
    content = b'{"ticker": "A", "mic": "xasx", "name": "N", "isin": "I", "lot": 1}\nEND 1\n'
    reading = vendor.read(content, "asx.ndjson", trailer={"pattern": r"END (?P<rows>\d+)"})
    assert identifiers(reading) == ["A.xasx"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"trailer": {}}, "a trailer is known by starts_with or by pattern: write one of them"),
        (
            {"trailer": {"pattern": "x", "rows_column": 1}},
            "with a pattern, rows and date are groups of it, not columns",
        ),
        ({"trailer": {"pattern": "(?P<count>x)"}}, "the groups of a trailer are rows and date"),
        ({"trailer": {"pattern": "("}}, "'(' is no regular expression"),
        (
            {"trailer": BY_CELLS, "format": "parquet"},
            "trailer is for csv and ndjson; this file is parquet",
        ),
        (
            {"skip_lines": 1, "format": "json"},
            "skip_lines is for csv, ndjson and xlsx; this file is json",
        ),
        ({"sheet": "A"}, "sheet is for xlsx; this file is csv"),
    ],
)
def test_keys_that_do_not_fit(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"(?s).") as error:
        definition(**settings)
    assert said in str(error.value)
