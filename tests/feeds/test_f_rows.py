"""Faults of a source, named after their ids in the catalogue of failures."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from decimal import Decimal
from io import BytesIO

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.errors import FeedRefused
from armillary.feeds import read_feed
from tests.feeds.vendor import DATA_TYPES, HEADER, Vendor, definition, identifiers, reasons

ROWS = b"A,xasx,Alpha,AU1,100\nB,xasx,Beta,AU2,100\n"


def test_f01_a_missing_file_is_not_delivered(vendor: Vendor) -> None:
    with pytest.raises(FeedRefused) as refused:
        read_feed(definition(url="tomorrow.csv"), DATA_TYPES)
    assert str(refused.value) == (
        "tomorrow.csv has not been delivered: there is no such file. Nothing was written. Start "
        "the sync again when the file is there, or mend the address in the feed definition."
    )


def test_f02_only_comments(vendor: Vendor) -> None:
    assert vendor.refusal(b"# nothing today\n") == (
        "asx.csv has a header (# nothing today) and not a single row."
    )


def test_f02_only_a_trailer(vendor: Vendor) -> None:
    assert vendor.refusal(HEADER + b"TRAILER,0\n") == (
        "asx.csv has 1 row and none can be used: row 2: 2 cells where the header has 5."
    )


def test_f02_empty_inside_its_packing(vendor: Vendor) -> None:
    assert vendor.refusal(gzip.compress(b""), "asx.csv.gz") == (
        "asx.csv.gz is empty: it has not a single byte inside its gzip packing."
    )


def zipped(**files: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    return buffer.getvalue()


def test_packed_files_read_as_plain_ones(vendor: Vendor) -> None:
    for url, content in {
        "asx.csv.gz": gzip.compress(HEADER) + gzip.compress(ROWS),
        "asx.csv.bz2": bz2.compress(HEADER + ROWS),
        "asx.csv.xz": lzma.compress(HEADER + ROWS),
        "asx.csv.zip": zipped(asx=HEADER + ROWS),
        "asx.csv.zst": zstandard.compress(HEADER) + zstandard.compress(ROWS),
    }.items():
        assert identifiers(vendor.read(content, url)) == ["A.xasx", "B.xasx"]


@pytest.mark.parametrize(
    ("url", "packed"),
    [
        ("asx.csv.gz", gzip.compress(HEADER + ROWS)),
        ("asx.csv.bz2", bz2.compress(HEADER + ROWS)),
        ("asx.csv.xz", lzma.compress(HEADER + ROWS)),
        ("asx.csv.zip", zipped(asx=HEADER + ROWS)),
        ("asx.csv.zst", zstandard.compress(HEADER + ROWS)),
    ],
    ids=["gzip", "bzip2", "xz", "zip", "zstd"],
)
def test_f04_a_packed_file_cut_at_any_byte_is_refused(
    vendor: Vendor, url: str, packed: bytes
) -> None:
    for length in range(len(packed)):
        said = vendor.refusal(packed[:length], url)
        assert "cut off" in said or "empty" in said


def test_f04_a_zip_by_a_method_nobody_here_knows_is_refused(vendor: Vendor) -> None:
    packed = bytearray(zipped(asx=HEADER + ROWS))
    packed[8] = packed[packed.index(b"PK\x01\x02") + 10] = 99  # the method, in both headers
    said = vendor.refusal(bytes(packed), "asx.csv.zip")
    assert said.startswith("asx.csv.zip cannot be unpacked: by its name it is zip")
    assert "compression method is not supported" in said


def test_f04_a_flipped_byte_in_a_gzip_is_refused(vendor: Vendor) -> None:
    packed = bytearray(gzip.compress(HEADER + ROWS))
    packed[-6] ^= 1
    assert vendor.refusal(bytes(packed), "asx.csv.gz").startswith(
        "asx.csv.gz cannot be unpacked: by its name it is gzip, its content looks like a "
        "damaged or cut off gzip archive (CRC check failed"
    )


def test_f04_a_last_line_without_an_end_but_whole_is_fine(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + ROWS.rstrip())
    assert identifiers(reading) == ["A.xasx", "B.xasx"]
    assert reading.warnings == (
        "The last row (3) has no line end: if the vendor usually writes one, the file is cut off "
        "within its last cell.",
    )


def test_f08_equal_duplicates_count_once(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + ROWS + b"A,xasx, Alpha ,AU1,100.0\n" + ROWS)
    assert identifiers(reading) == ["A.xasx", "B.xasx"]
    assert reading.records["row"].to_list() == [2, 3]
    assert (reading.rows_read, reading.repeated_rows, reading.rejects.height) == (5, 3, 0)


def test_f08_different_duplicates_are_all_rejected_with_their_identifier(vendor: Vendor) -> None:
    rows = b"".join(b"A,xasx,Alpha,AU%d,100\n" % n for n in range(7))
    reading = vendor.read(HEADER + b"B,xasx,Beta,AU2,100\n" + rows)
    assert identifiers(reading) == ["B.xasx"]
    assert set(reading.rejects["identifier"]) == {"A.xasx"}
    assert set(reasons(reading).values()) == {
        "the identifier 'A.xasx' stands in rows 3, 4, 5, 6, 7 and 2 more with different values"
    }


def test_f08_a_duplicate_of_a_rejected_row_is_rejected_too(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + ROWS + b"A,xasx,Alpha,AU1,many\n")
    assert reasons(reading)[2] == (
        "the identifier 'A.xasx' stands in rows 2, 4, and not all of them are usable"
    )
    assert reasons(reading)[4].startswith("lot_size: 'many' is not a number")


@pytest.mark.parametrize(
    ("one", "other"), [("A", "a"), ("STRASSE", "stra\u00dfe"), ("\u00c9", "\u00e9")]
)
def test_f08_identifiers_differing_only_in_case(vendor: Vendor, one: str, other: str) -> None:
    content = f"{one},xasx,Alpha,AU1,100\n{other},xasx,Alpha,AU1,100\nB,xasx,Beta,AU2,1\n"
    reading = vendor.read(HEADER + content.encode())
    why = f"identifiers that differ only in case: '{one}.xasx' (row 2), '{other}.xasx' (row 3)"
    assert reasons(reading) == {2: why, 3: why}
    assert identifiers(reading) == ["B.xasx"]


def test_f08_identifiers_differing_only_in_outer_spaces_are_one(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + ROWS + b" A ,xasx ,Alpha,AU1,100\n")
    assert (identifiers(reading), reading.repeated_rows) == (["A.xasx", "B.xasx"], 1)


def test_f08_case_by_rule(vendor: Vendor) -> None:
    content = HEADER + ROWS + b"a,xasx,Alpha,AU1,100\n"
    assert identifiers(vendor.read(content, identifier_case="lower")) == ["a.xasx", "b.xasx"]
    assert identifiers(vendor.read(content, identifier_case="upper")) == ["A.XASX", "B.XASX"]


@pytest.mark.parametrize(
    ("ticker", "reason"),
    [
        ("", "the identifier cannot be made: {ticker} is blank"),
        ("A\tB", "the identifier contains a control character or a line break"),
        ("A\u0085B", "the identifier contains a control character or a line break"),
        ('"A\nB"', "the identifier contains a control character or a line break"),
        ("A" * 300, "the identifier is 300 characters long; at most 255 are safe"),
        (
            "8C5D1E0A-0000-4000-8000-0123456789ab",
            "the identifier looks like a UUID, so Ptolemy would take it for an id of its own",
        ),
        (
            "8c5d1e0a00004000800000123456789a",
            "the identifier looks like a UUID, so Ptolemy would take it for an id of its own",
        ),
        ("..", "the identifier is only dots, which no address can carry"),
    ],
)
def test_f09_identifiers_that_cannot_be_used(vendor: Vendor, ticker: str, reason: str) -> None:
    content = HEADER + ROWS + f"{ticker},xasx,Gamma,AU3,100\n".encode()
    reading = vendor.read(content, identifier="{ticker}")
    assert reasons(reading) == {4: reason}
    readable = ticker.strip('"') or None
    assert reading.rejects["identifier"].to_list() == [readable]


@pytest.mark.parametrize("ticker", ["BRK/B", "WHAT?", "A#1", "100%", "BF.B", "AAIC^B", "🚀", "A B"])
def test_f09_odd_identifiers_are_kept(vendor: Vendor, ticker: str) -> None:
    reading = vendor.read(HEADER + f"{ticker},xasx,N,AU3,1\n".encode(), identifier="{ticker}")
    assert identifiers(reading) == [ticker]


TABLE = (HEADER + "A,xasx,Société Générale,AU1,100\n".encode()).decode()


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig"])
def test_f10_configured_encoding(vendor: Vendor, encoding: str) -> None:
    reading = vendor.read(TABLE.encode(encoding), encoding=encoding)
    assert reading.records["name"].to_list() == ["Société Générale"]


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16", "gb18030"])
def test_f10_encodings_of_the_east(vendor: Vendor, encoding: str) -> None:
    # In Shift JIS the second byte of a letter may be that of a backslash or a pipe.
    row = "7203,xtks,トヨタ自動車ソ表,JP1,100\n"
    reading = vendor.read(
        HEADER.decode().encode(encoding) + row.encode(encoding), encoding=encoding
    )
    assert reading.records["name"].to_list() == ["トヨタ自動車ソ表"]


def test_f10_a_utf8_mark_is_tolerated(vendor: Vendor) -> None:
    reading = vendor.read(b"\xef\xbb\xbf" + TABLE.encode())
    assert reading.columns == ("ticker", "mic", "name", "isin", "lot")


def test_f10_utf16_where_utf8_is_configured(vendor: Vendor) -> None:
    assert vendor.refusal(TABLE.encode("utf-16")) == (
        "asx.csv starts with the mark of utf-16, but the feed definition says `encoding: utf-8`. "
        "If the vendor changed it, write `encoding: utf-16`."
    )
    assert vendor.refusal(TABLE.encode("ascii", "replace").decode().encode("utf-16-le")) == (
        "asx.csv is full of NUL bytes: it looks like utf-16 text or binary data. If the vendor "
        "writes utf-16, name it in the feed definition: `encoding: utf-16`."
    )


def test_f10_utf8_where_latin1_is_configured_is_seen_by_its_mark(vendor: Vendor) -> None:
    assert vendor.refusal(TABLE.encode("utf-8-sig"), encoding="latin-1") == (
        "asx.csv starts with the mark of utf-8, but the feed definition says `encoding: latin-1`. "
        "If the vendor changed it, write `encoding: utf-8`."
    )


def test_f10_mixed_encodings_name_the_line_far_behind(vendor: Vendor) -> None:
    rows = "".join(f"T{n},xasx,Société {n},AU{n},100\n" for n in range(50_000))
    content = HEADER + rows.encode() + "U,xasx,Società,AU1,1\n".encode("cp1252")
    assert vendor.refusal(content) == (
        "asx.csv is not utf-8 text: line 50002 has the byte E0 after 'U,xasx,Societ'. If the "
        "vendor writes another encoding, name it in the feed definition, for example "
        "`encoding: cp1252`."
    )


def test_f10_a_character_cut_at_the_end(vendor: Vendor) -> None:
    assert "line 2 has the byte C3 after 'A,xasx,Soci'" in vendor.refusal(
        HEADER + "A,xasx,Socié".encode()[:-1]
    )


def test_f11_delimiter_changed(vendor: Vendor) -> None:
    assert vendor.refusal((HEADER + ROWS).replace(b",", b";")) == (
        "asx.csv has no column 'ticker', 'mic', 'name', 'isin', 'lot', which the feed definition "
        "needs. Its columns: ticker;mic;name;isin;lot. The header looks separated by another "
        'character: try `delimiter: ";"`.'
    )
    reading = vendor.read((HEADER + ROWS).replace(b",", b"\t"), delimiter="\t")
    assert identifiers(reading) == ["A.xasx", "B.xasx"]


def test_f11_columns_are_found_by_name(vendor: Vendor) -> None:
    reading = vendor.read(b"lot,new,isin, name ,mic,ticker\n100,x,AU1,Alpha,xasx,A\n")
    assert reading.records.rows() == [(2, "A.xasx", "Alpha", "AU1", "100")]


def test_f11_a_renamed_column_is_refused_with_the_closest(vendor: Vendor) -> None:
    assert vendor.refusal(
        HEADER.replace(b"isin", b"ISIN code").replace(b"lot", b"lots") + ROWS
    ) == (
        "asx.csv has no column 'isin' (did you mean 'ISIN code'?), 'lot' (did you mean 'lots'?), "
        "which the feed definition needs. Its columns: ticker, mic, name, ISIN code, lots."
    )


def test_f11_a_column_name_twice(vendor: Vendor) -> None:
    assert vendor.refusal(b"ticker,mic,name,isin,lot, mic\nA,xasx,Alpha,AU1,1,xasx\n") == (
        "asx.csv has the column 'mic' twice in its header, as columns 2 and 6: which one is meant "
        "cannot be told."
    )


def test_f11_a_column_without_a_name(vendor: Vendor) -> None:
    assert vendor.refusal(b"ticker,,name\nA,xasx,Alpha\n") == (
        "asx.csv has no name for column 2 in its header (ticker, , name)."
    )


def test_f11_the_header_twice(vendor: Vendor) -> None:
    assert reasons(vendor.read(HEADER + ROWS + HEADER)) == {4: "the row repeats the header"}


def test_f12_the_row_width_is_checked(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + b"A,xasx,Alpha, Inc,AU1,100\n" + ROWS)
    assert reasons(reading) == {2: "6 cells where the header has 5"}


def test_f13_quoted_line_breaks_and_doubled_quotes(vendor: Vendor) -> None:
    content = HEADER + b'A,xasx,"Alpha\r\n""the first""",AU1,100\nB,xasx\nC,xasx,Gamma,AU3,1\n'
    reading = vendor.read(content)
    assert reading.records["name"].to_list() == ['Alpha\r\n"the first"', "Gamma"]
    # A line break inside quotes begins no row.
    assert reading.records["row"].to_list() == [2, 4]
    assert reasons(reading) == {3: "2 cells where the header has 5"}


def test_f13_a_lone_quote_inside_a_cell_is_a_character(vendor: Vendor) -> None:
    reading = vendor.read(HEADER + b'A,xasx,5" pipe,AU1,100\nB,xasx,"5"" pipe, 6""",AU2,1\n')
    assert reading.records["name"].to_list() == ['5" pipe', '5" pipe, 6"']


def test_f13_text_behind_a_closing_quote_rejects_its_row_alone(vendor: Vendor) -> None:
    broken = b'B,xasx,"Foo" Inc "of, Bar",AU2,1\nC,xasx,"Gamma" ,AU3,1\n'
    reading = vendor.read(HEADER + b'"A",xasx,"Alpha\n1",AU1,100\n\n' + broken + ROWS[-21:])
    why = "text follows a closing quote; a quote inside a quoted cell is doubled"
    assert reasons(reading) == {4: "6 cells where the header has 5", 5: why}
    assert reading.rejects["identifier"].to_list() == [None, "C.xasx"]
    assert identifiers(reading) == ["A.xasx", "B.xasx"]


def test_f13_nul_bytes(vendor: Vendor) -> None:
    reading = vendor.read(
        HEADER + ROWS + b"C,xasx,Gam\0ma,AU3,1\nD,xasx,Delta,\0,1\nE\0,xasx,E,,1\n"
    )
    assert reasons(reading) == {
        4: "name: the text holds a NUL byte",
        5: "isin: the text holds a NUL byte",
        6: "the identifier contains a control character or a line break",
    }


def test_f13_a_cell_of_10_mb(vendor: Vendor) -> None:
    huge = b"C,xasx," + b"x" * 10_000_000 + b",AU3,1\n"
    reading = vendor.read(HEADER + ROWS + huge + b"D,xasx,Delta,AU4,1\n")
    assert reasons(reading) == {
        4: "name: the text is 10000000 characters long; at most 100000 are carried"
    }
    assert identifiers(reading) == ["A.xasx", "B.xasx", "D.xasx"]


def test_f13_a_row_beyond_any_sense(vendor: Vendor) -> None:
    huge = b'C,xasx,"' + b"x\n" * 20_000_000 + b'",AU3,1\n'
    assert vendor.refusal(HEADER + ROWS + huge) == (
        "asx.csv has a row of more than 16 MiB, which no instrument needs: the file is damaged."
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_of_every_kind(vendor: Vendor, end: bytes) -> None:
    reading = vendor.read((HEADER + b"A,xasx\n\n" + ROWS).replace(b"\n", end))
    assert reading.records["row"].to_list() == [4, 5]
    assert (reading.blank_rows, reasons(reading)) == (1, {2: "2 cells where the header has 5"})


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1E+05", "100000"),
        (".5", "0.5"),
        ("-0", "0"),
        ("0012.340", "12.34"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
def test_f14_numbers_without_floats(vendor: Vendor, written: str, number: str) -> None:
    reading = vendor.read(HEADER + f"A,xasx,Alpha,AU1,{written}\n".encode())
    assert reading.records["field.lot_size"].to_list() == [number]


@pytest.mark.parametrize("written", ["1,234.5", "1.234,5", "1e400", "NaN", "1 000", "12%", "½"])
def test_f14_ambiguous_numbers_are_rejected(vendor: Vendor, written: str) -> None:
    reading = vendor.read(HEADER + ROWS + f'C,xasx,Gamma,AU1,"{written}"\n'.encode())
    assert reasons(reading) == {
        4: f"lot_size: '{written}' is not a number such as 1234.5 (no thousands separator, at most "
        "100 characters)"
    }


decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, max_value=10**20)


@given(st.lists(decimals, min_size=1, max_size=200))
@settings(deadline=None, max_examples=30)
def test_f14_any_decimal_keeps_its_value(shared_vendor: Vendor, numbers: list[Decimal]) -> None:
    rows = "".join(f"T{n},xasx,Alpha,AU1,{number}\n" for n, number in enumerate(numbers))
    reading = shared_vendor.read(HEADER + rows.encode())
    assert [Decimal(text) for text in reading.records["field.lot_size"]] == numbers


@pytest.mark.parametrize(
    "written", ["03/04/2026", "26-04-03", "0000-00-00", "2026-02-30", "20260403"]
)
def test_f16_dates_of_another_form_are_rejected(vendor: Vendor, written: str) -> None:
    content = HEADER + f"A,xasx,Alpha,{written},1\nB,xasx,Beta,2026-04-03,1\n".encode()
    reading = vendor.read(content, fields={"listed_on": "{isin}"})
    assert reasons(reading) == {2: f"listed_on: '{written}' is not a date written YYYY-MM-DD"}


def test_f16_midnight_is_a_date_and_another_time_is_not(vendor: Vendor) -> None:
    content = HEADER + b"A,xasx,A,2026-04-03T00:00:00Z,1\nB,xasx,B,2026-04-03T22:00:00+10:00,1\n"
    reading = vendor.read(content, fields={"listed_on": "{isin}"})
    assert reading.records["field.listed_on"].to_list() == ["2026-04-03"]
    assert list(reasons(reading)) == [3]
