"""The bad feeds of issue 2: the whole message a person sees, word by word."""

from __future__ import annotations

import gzip

from tests.feeds.vendor import HEADER, Vendor, identifiers, reasons

GOOD = HEADER + b"".join(b"T%d,xasx,Company %d,AU%010d,100\n" % (n, n, n) for n in range(50))


def test_empty(vendor: Vendor) -> None:
    assert vendor.refusal(b"") == "asx.csv is empty: it has not a single byte."


def test_only_blanks(vendor: Vendor) -> None:
    assert vendor.refusal(b"\n  \r\n\n") == "asx.csv is empty: it holds nothing but blanks."


def test_header_only(vendor: Vendor) -> None:
    assert vendor.refusal(HEADER + b"\n") == (
        "asx.csv has a header (ticker, mic, name, isin, lot) and not a single row."
    )


def test_half_the_file_cut_in_a_row(vendor: Vendor) -> None:
    half = GOOD[: GOOD.index(b"T25,xasx,") + 12]
    assert vendor.refusal(half) == (
        "asx.csv ends in the middle of row 27: it is cut off there, after 3 cells of 5, without a "
        "line end."
    )


def test_half_the_file_cut_in_a_quoted_cell(vendor: Vendor) -> None:
    assert vendor.refusal(GOOD + b'U1,xasx,"Umbrella, ') == (
        "asx.csv has a quote that opens in row 52 and is never closed, so the rows behind it "
        "cannot be told apart: a quote is missing there, or the file is cut off."
    )


def test_half_a_gzip(vendor: Vendor) -> None:
    packed = gzip.compress(GOOD)
    assert vendor.refusal(packed[: len(packed) // 2], "asx.csv.gz") == (
        "asx.csv.gz is cut off: its gzip packing ends before its end mark."
    )


def test_one_column_shifted_by_an_unquoted_delimiter(vendor: Vendor) -> None:
    reading = vendor.read(GOOD + b"U1,xasx,Umbrella, Inc.,AU0000000099,100\n")
    assert reading.rejects.rows() == [
        (
            52,
            None,
            "6 cells where the header has 5",
            '{"line":"U1,xasx,Umbrella, Inc.,AU0000000099,100"}',
        )
    ]
    assert reading.records.height == 50


def test_one_column_shifted_in_every_row(vendor: Vendor) -> None:
    shifted = GOOD.replace(b",xasx,", b",xasx,,")
    assert vendor.refusal(shifted) == (
        "asx.csv has 50 rows and none can be used: 50 rows from row 2: 6 cells where the header "
        "has 5."
    )


def test_one_column_shifted_within_the_width_is_seen_by_type_and_scope(vendor: Vendor) -> None:
    fields = {"exchange": "{mic}", "lot_size": "{lot}"}
    reading = vendor.read(
        GOOD + b"U1,Umbrella,AU0000000099,100,xasx\n", fields=fields, scope={"exchange": ["xasx"]}
    )
    assert reasons(reading) == {
        52: "exchange: 'Umbrella' is outside the scope (xasx); lot_size: 'xasx' is not a number "
        "such as 1234.5 (no thousands separator, at most 100 characters)"
    }
    assert reading.rejects["identifier"].to_list() == ["U1.Umbrella"]


def test_f18_one_column_blank(vendor: Vendor) -> None:
    blank = HEADER + b"A,xasx,Alpha,,100\nB,xasx,Beta, ,100\n"
    reading = vendor.read(blank)
    assert reading.warnings == (
        "The column 'isin' is blank in every row: isin is left alone everywhere.",
    )
    assert reading.records["field.isin"].to_list() == [None, None]
    assert vendor.read(blank, blank="clear").warnings == (
        "The column 'isin' is blank in every row: isin is emptied everywhere.",
    )


def test_the_column_of_the_identifier_blank(vendor: Vendor) -> None:
    assert vendor.refusal(HEADER + b"A,,Alpha,1,100\nB, ,Beta,2,100\n") == (
        "asx.csv has 2 rows and none can be used: 2 rows from row 2: the identifier cannot be "
        "made: {mic} is blank."
    )


def test_duplicated_identifiers(vendor: Vendor) -> None:
    reading = vendor.read(GOOD + b"T1,xasx,Other,AU1,1\nT2,xasx,Company 2,AU0000000002,100.0\n")
    why = "the identifier 'T1.xasx' stands in rows 3, 52 with different values"
    assert reasons(reading) == {3: why, 52: why}
    assert reading.rejects["identifier"].to_list() == ["T1.xasx", "T1.xasx"]
    assert reading.repeated_rows == 1
    assert identifiers(reading).count("T2.xasx") == 1


def test_identifiers_differing_only_in_case(vendor: Vendor) -> None:
    reading = vendor.read(GOOD + b"t7,XASX,Company 7,AU0000000007,100\n")
    why = "identifiers that differ only in case: 'T7.xasx' (row 9), 't7.XASX' (row 52)"
    assert reasons(reading) == {9: why, 52: why}


def test_wrong_encoding(vendor: Vendor) -> None:
    assert vendor.refusal(GOOD + "U1,xasx,Société,AU1,1\n".encode("latin-1")) == (
        "asx.csv is not utf-8 text: line 52 has the byte E9 after 'U1,xasx,Soci'. If the vendor "
        "writes another encoding, name it in the feed definition, for example `encoding: cp1252`."
    )


def test_too_few_and_too_many_cells(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + b"A,xasx\nB,xasx,Beta,1,1\nC,xasx,Gamma,2,2,2,2\nD\n")
    assert reasons(reading) == {
        2: "2 cells where the header has 5",
        4: "7 cells where the header has 5",
        5: "1 cell where the header has 5",
    }
    assert reading.records["row"].to_list() == [3]
    assert reading.rejects["identifier"].to_list() == [None, None, None]


def test_quote_never_closed(vendor: Vendor) -> None:
    said = (
        "asx.csv has a quote that opens in row {} and is never closed, so the rows behind it "
        "cannot be told apart: a quote is missing there, or the file is cut off."
    )
    assert vendor.refusal(HEADER + b'A,xasx,"Alpha,1,100\nB,xasx,Beta,2,100\n') == said.format(2)
    # Two of them cancel out in number, and a csv reader alone would see nothing wrong.
    swallowed = HEADER + b'A,xasx,Alpha,1,100\nB,xasx,"Beta,2,1\nC,xasx,"Gamma,3,1\n'
    assert vendor.refusal(swallowed) == said.format(3)
    # The swallowed rest fits the last column: the row even has the right width.
    assert vendor.refusal(HEADER + b'A,xasx,Alpha,1,"100\nB,xasx,Beta,2,100\n') == said.format(2)


def test_file_of_another_format(vendor: Vendor) -> None:
    said = (
        "asx.csv is no csv file: its content looks like {}. If that is what the vendor delivers "
        "now, set `format:` (for an archive, the end of the file's name) accordingly."
    )
    for content, looks_like in {
        b"PAR1\x15\x04\x15": "a parquet file",
        b"PK\x03\x04\x14\x00": "a zip archive or an Excel workbook",
        gzip.compress(GOOD): "a gzip archive",
        b'[{"ticker": "A"}]': "a JSON array",
        b'{"ticker": "A"}\n{"ticker": "B"}\n': "JSON objects",
        b"<!DOCTYPE html><html><body>Log in</body></html>": "an HTML page",
        b'<?xml version="1.0"?><rows/>': "an XML document",
        b"%PDF-1.7": "a PDF document",
    }.items():
        assert vendor.refusal(content) == said.format(looks_like)
