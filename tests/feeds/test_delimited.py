"""Cutting delimited text into columns: what Python's own csv writer wrote reads back exactly."""

from __future__ import annotations

import csv
import io
import string
from contextlib import suppress

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from armillary.errors import FeedRefused
from armillary.feeds.delimited import read_delimited
from armillary.feeds.quotes import BrokenQuote, broken_quotes
from tests.feeds.vendor import HEADER, Vendor, identifiers, reasons

cells = st.text(st.sampled_from(string.ascii_letters[:6] + "01.,;|\t\"\r\n 'é€🚀"), max_size=8)
widths = st.integers(1, 5)
tables = widths.flatmap(
    lambda width: st.lists(
        st.lists(cells, min_size=width, max_size=width).filter(lambda row: "".join(row).strip()),
        min_size=1,
        max_size=8,
    )
)


@given(
    tables,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.booleans(),
)
@example([["\r", "a"]], ",", "\n", csv.QUOTE_MINIMAL, False)
@settings(deadline=None, max_examples=200)
def test_any_written_table_reads_back_exactly(
    table: list[list[str]], delimiter: str, end: str, quoting: int, ended: bool
) -> None:
    names = [f"c{number}" for number in range(len(table[0]))]
    assume(names not in table)  # a header that comes again is told as a fault
    text = io.StringIO(newline="")
    # Before Python 3.13 the writer leaves a lone CR unquoted unless its line end contains one.
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([names, *table])
    content = text.getvalue()
    if end == "\n" and not any("\r" in cell or "\n" in cell for row in table for cell in row):
        content = content.replace("\r\n", "\n")
    content = content if ended else content.rstrip("\r\n") if not content.endswith('"') else content
    read = read_delimited(content.encode(), delimiter, "any.csv")
    assert [list(row[1:]) for row in read.cells.iter_rows()] == table
    assert read.cells["row"].to_list() == list(range(2, len(table) + 2))
    assert (read.broken.height, read.faults.height, read.blank_rows) == (0, 0, 0)


soup = st.lists(st.sampled_from(['"', '""', ",", "\n", "a", "\r\n"]), max_size=30).map("".join)


@given(soup)
@example('"a""b",c\n"d')
@example('a"b,"c"\n')
@settings(max_examples=1000)
def test_pairing_of_quotes_agrees_with_pythons_strict_reader(text: str) -> None:
    found = list(broken_quotes(text.encode(), 0, ","))
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        assert found
    else:
        assert not found


def test_where_quotes_break() -> None:
    content = b'h,i\n"a\n1",b\n"c"x,"d"\ne,5"\n"f,g\nh,"i\n'
    assert list(broken_quotes(content, 4, ",")) == [
        BrokenQuote(row=1, closed=True),
        BrokenQuote(row=3, closed=False),
    ]


def test_row_numbers_count_blank_rows_and_leading_blank_lines() -> None:
    table = read_delimited(b"\n \na,b\n1,2\n\n ,\n3\n   \n4,5\n,,,\n6,7\n", ",", "any.csv")
    assert table.cells.rows() == [(4, "1", "2"), (9, "4", "5"), (11, "6", "7")]
    assert table.broken.rows() == [(7, "3", "1 cell where the header has 2")]
    assert table.blank_rows == 4


def test_text_stays_text(vendor: Vendor) -> None:
    table = read_delimited(b"a,b,c,d,e\n007,1.10,NAN,TRUE,1e5\nnull,N/A,,-,#N/A\n", ",", "any.csv")
    assert table.cells.rows() == [
        (2, "007", "1.10", "NAN", "TRUE", "1e5"),
        (3, "null", "N/A", "", "-", "#N/A"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b,\n1,2,\n3,4,\n",
        b"a,b,,\n1,2,,\n3,4, ,\n",
        b"a,b,\n1,2\n3,4\n",
        b'"a", b ,""\n1,2,\n3,4,""\n',
    ],
)
def test_a_delimiter_at_the_end_of_the_header(content: bytes) -> None:
    table = read_delimited(content, ",", "any.csv")
    assert table.columns == ("a", "b")
    assert table.cells.rows() == [(2, "1", "2"), (3, "3", "4")]
    assert table.faults.is_empty()


def test_text_under_a_column_without_a_name() -> None:
    table = read_delimited(b"a,b,\n1,2,\n3,4,5\n", ",", "any.csv")
    assert table.faults.rows() == [(3, "text beyond the last of the 2 columns the header names")]


def test_a_quoted_header_with_a_line_break() -> None:
    table = read_delimited(b'"a\nb","c ""d"""\n1,2\n3\n', ",", "any.csv")
    assert table.columns == ("a\nb", 'c "d"')
    assert table.broken["row"].to_list() == [3]


def test_a_header_whose_quote_is_never_closed() -> None:
    with pytest.raises(FeedRefused, match=r"any\.csv has a quote in its header that is never"):
        read_delimited(b'a,"b\n1,2\n', ",", "any.csv")


def test_columns_of_our_own_names_do_not_clash(vendor: Vendor) -> None:
    content = b"row,identifier,name,cell.row,bad\n9,A,Alpha,x,y\n8,B,Beta,x,many\n"
    fields = {"isin": "{row}", "exchange": "{cell.row}"}
    reading = vendor.read(content, identifier="{identifier}", fields=fields)
    assert reading.records.rows() == [(2, "A", "Alpha", "9", "x"), (3, "B", "Beta", "8", "x")]
    assert reading.columns == ("row", "identifier", "name", "cell.row", "bad")


@given(st.binary(max_size=60))
@example(b'a\n"')
@settings(deadline=None, max_examples=200)
def test_no_bytes_at_all_make_anything_but_a_reading_or_a_refusal(
    shared_vendor: Vendor, content: bytes
) -> None:
    for url in ("a.csv", "a.json", "a.ndjson", "a.parquet", "a.csv.gz", "a.csv.zip"):
        with suppress(FeedRefused):
            assert shared_vendor.read(content, url).records.height > 0


ODD_ROWS = """\
A,xasx,Alpha,1,1
A,xasx,Alpha,1,1.0
a,xasx,B,1,1
B,xasx,Beta,2,x
B,xasx,Beta,2,2
C,,Gamma,3,3
D,xasx

,,,,
E,xasx,E,1,1,1
F,xasx,"F" x,1,1
G,xasx,G,4,4
ticker,mic,name,isin,lot
"""
lines = st.lists(st.sampled_from(ODD_ROWS.splitlines()), max_size=12)


@given(lines)
@settings(deadline=None, max_examples=100)
def test_every_row_is_accounted_for(shared_vendor: Vendor, rows: list[str]) -> None:
    content = HEADER + "".join(f"{row}\n" for row in [*rows, "Z,xasx,Zeta,9,9"]).encode()
    reading = shared_vendor.read(content)
    rejected = set(reading.rejects["row"])
    assert len(rejected) == reading.rejects.height
    assert not rejected & set(reading.records["row"])
    assert reading.rows_read == reading.records.height + len(rejected) + reading.repeated_rows
    assert reading.rows_read + reading.blank_rows == len(rows) + 1
    assert len(set(identifiers(reading))) == reading.records.height
    # No identifier is both written and rejected: its record is held.
    assert not set(identifiers(reading)) & set(reading.rejects["identifier"])
    assert all(reasons(reading).values())
