from __future__ import annotations

import random
import zipfile
from datetime import date, datetime
from io import BytesIO
from typing import Any

import pytest

from tests.feeds.vendor import Vendor, identifiers, reasons
from tests.feeds.workbooks import Formula, Wrong, workbook

HEADER: list[Any] = ["ticker", "mic", "name", "isin", "lot"]
ROWS: list[list[Any]] = [["A", "xasx", "Alpha", "AU1", 100], ["B", "xasx", "Beta", "AU2", None]]


def test_values_are_rendered_canonically(vendor: Vendor) -> None:
    values: list[Any] = [
        1, 1.5, 0.1, -0.0, 1e20, True, False, date(2026, 1, 31),
        datetime.fromisoformat("2026-01-31T09:30"), " 007 ", "1.10", None,
    ]  # fmt: skip
    rows = [[f"T{number:02}", value] for number, value in enumerate(values)]
    reading = vendor.read(
        workbook({"S": [["ticker", "value"], *rows]}),
        "asx.xlsx",
        identifier="{ticker}",
        name_template=None,
        fields={"isin": "{value}"},
    )
    assert reading.records["field.isin"].to_list() == [
        "1", "1.5", "0.1", "0", "100000000000000000000", "true", "false", "2026-01-31",
        "2026-01-31T09:30:00", "007", "1.10", None,
    ]  # fmt: skip


def test_rows_have_the_numbers_that_excel_shows(vendor: Vendor) -> None:
    sheet = [["As of today"], [], HEADER, ROWS[0], [], [*ROWS[1], None, "!"], ["C", "xasx", "X"]]
    reading = vendor.read(workbook({"S": sheet}), "asx.xlsx", skip_lines=1)
    assert reading.columns == tuple(HEADER)
    assert reading.records["row"].to_list() == [4, 7]
    assert reasons(reading)[6] == "text beyond the last of the 5 columns the header names"
    assert reading.blank_rows == 1


def test_f15_a_number_in_a_text_field_is_warned_of(vendor: Vendor) -> None:
    sheet = [HEADER, ["A", "xasx", "Alpha", 20178, 100]]
    reading = vendor.read(workbook({"S": sheet}), "asx.xlsx")
    assert reading.warnings == (
        "The column 'isin' holds numbers, not text, and makes the text field isin: leading zeros, "
        "if it ever had any, are lost.",
    )
    assert reading.records["field.isin"].to_list() == ["20178"]


def test_f15_a_code_that_excel_took_for_a_date_makes_no_identifier(vendor: Vendor) -> None:
    sheet = [HEADER, *ROWS, [date(2026, 3, 1), "xasx", "March 1", "AU3", 1]]
    reading = vendor.read(workbook({"S": sheet}), "asx.xlsx")
    assert reading.warnings == (
        "The column 'ticker' holds dates among its texts (rows 4): Excel makes a date of a code "
        "such as MAR1.",
    )
    assert identifiers(reading) == ["A.xasx", "B.xasx"]
    assert reasons(reading) == {4: "ticker: a date, which Excel makes of a code such as MAR1"}
    assert reading.rejects["identifier"].to_list() == [None], "so nothing missing is archived"


def test_a_date_that_is_one_makes_an_identifier(vendor: Vendor) -> None:
    expiries = [["D", "xasx", "D", "AU3", 1], [date(2026, 3, 1), "xasx", "E", "AU4", 1]]
    expiries += [[date(2026, 3, day), "xasx", "E", "AU5", 1] for day in (2, 3)]
    reading = vendor.read(workbook({"S": [HEADER, *expiries]}), "asx.xlsx")
    assert identifiers(reading)[1] == "2026-03-01.xasx", "most of the column are dates"


def test_f15_numbers_among_the_texts_of_an_identifier_are_no_ground_for_renames(
    vendor: Vendor,
) -> None:
    mixed = vendor.read(workbook({"S": [HEADER, *ROWS, [700, "xhkg", "T", "K", 1]]}), "asx.xlsx")
    assert mixed.doubt_of_identifiers == (
        "the column 'ticker' holds numbers among its texts, so leading zeros may be lost"
    )
    for column in ([700, 701], ["A", "B"]):
        rows = [[each, "xhkg", "T", "K", 1] for each in column]
        reading = vendor.read(workbook({"S": [HEADER, *rows]}), "asx.xlsx")
        assert reading.doubt_of_identifiers == ""


def test_f15_a_formula_that_nobody_calculated_rejects_its_row(vendor: Vendor) -> None:
    """Else it would be a blank, and a blank may empty the field."""
    sheet = [
        HEADER,
        ROWS[0],
        ["B", "xasx", "Beta", "AU2", Formula("10*10")],
        ["C", "xasx", "Gamma", Formula('""', ""), Formula("10*10", 100)],
        [None, "xasx", "Delta", "AU4", Formula("1", 1), Formula("beyond")],
        [Formula("A2"), Formula("B2"), Formula("C2")],
    ]
    content = workbook({"Other": [], "S & T": sheet})
    reading = vendor.read(content, "asx.xlsx", sheet="S & T", blank="clear")
    assert identifiers(reading) == ["A.xasx", "C.xasx"]
    assert reading.records["field.lot_size"].to_list() == ["100", "100"]
    assert reasons(reading) == {
        3: "lot: a formula that nobody calculated, so the file does not tell its value",
        5: "the identifier cannot be made: {ticker} is blank",
        6: "holds nothing but formulas that nobody calculated",
    }
    assert reading.blank_rows == 0
    assert vendor.read(content, "asx.xlsx", sheet="S & T", fields={}).rejects.height == 2, (
        "what the feed does not use does no harm"
    )


def test_formulas_are_found_across_the_pieces_a_sheet_is_read_in(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[f"T{n}", "xasx", "Alpha", "AU1", Formula("1") if n % 3 else 7] for n in range(30)]
    content = workbook({"S": [HEADER, *rows]})
    for piece in (64, 65, 1000):
        monkeypatch.setattr("armillary.feeds.workbook_formulas._CHUNK_BYTES", piece)
        assert list(reasons(vendor.read(content, "asx.xlsx"))) == [
            n + 2 for n in range(30) if n % 3
        ]


def test_formulas_that_failed_are_warned_of(vendor: Vendor) -> None:
    sheet = [HEADER, ["A", "xasx", "Alpha", Wrong("#N/A"), 100]]
    reading = vendor.read(workbook({"S": sheet}), "asx.xlsx")
    assert reading.records["field.isin"].to_list() == [None]
    assert reading.warnings[0] == (
        "The workbook holds formulas that failed, such as #N/A or #REF!; their cells are read as "
        "blank."
    )


def test_which_sheet(vendor: Vendor) -> None:
    two: dict[str, list[list[Any]]] = {"Disclaimer": [["No warranty"]], "Equities": [HEADER, *ROWS]}
    assert vendor.refusal(workbook(two), "asx.xlsx") == (
        "asx.xlsx has 2 sheets (Disclaimer, Equities): which one is meant, the feed definition has "
        "to say, as in `sheet: Sheet1`."
    )
    assert vendor.refusal(workbook(two), "asx.xlsx", sheet="Equity") == (
        "asx.xlsx has no sheet 'Equity', which the feed definition names. Its sheets: Disclaimer, "
        "Equities."
    )
    assert identifiers(vendor.read(workbook(two), "asx.xlsx", sheet="Equities"))
    assert identifiers(vendor.read(workbook(two, hidden=["Disclaimer"]), "asx.xlsx"))


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        ([], "asx.xlsx is empty: the sheet holds nothing but blanks."),
        (
            [HEADER],
            "asx.xlsx has a header (ticker, mic, name, isin, lot) and not a single row.",
        ),
        (
            [["ticker", None, "name"], ["A", "B", "C"]],
            "asx.xlsx has no name for column 2 in its header (ticker, , name).",
        ),
        (
            [["ticker", "ticker"], ["A", "B"]],
            "asx.xlsx has the column 'ticker' twice in its header, as columns 1 and 2: which one "
            "is meant cannot be told.",
        ),
        (
            [["ticker", "mic", "name", "isin"], ["A", "x", "N", "I"]],
            "asx.xlsx has no column 'lot', which the feed definition needs. Its columns: ticker, "
            "mic, name, isin.",
        ),
    ],
)
def test_f02_f11_sheets_that_are_refused(vendor: Vendor, sheet: list[list[Any]], said: str) -> None:
    assert vendor.refusal(workbook({"S": sheet}), "asx.xlsx") == said


def test_f04_a_workbook_cut_anywhere_is_refused(vendor: Vendor) -> None:
    content = workbook({"S": [HEADER, *ROWS]})
    for length in random.Random(4).sample(range(len(content)), 40):
        said = vendor.refusal(content[:length], "asx.xlsx")
        assert "is cut off or damaged" in said or "is empty" in said


def test_f04_a_flipped_byte_in_a_sheet_is_refused(vendor: Vendor) -> None:
    content = bytearray(workbook({"S": [HEADER, *ROWS]}))
    content[content.index(b"xl/worksheets/sheet1.xml") + 60] ^= 1
    assert vendor.refusal(bytes(content), "asx.xlsx") == (
        "asx.xlsx is a damaged workbook: its part xl/worksheets/sheet1.xml cannot be unpacked."
    )


def test_f24_a_workbook_made_to_fill_a_memory(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("armillary.feeds.remote.place.MAX_BYTES", 20_000)
    rows = [["A", "xasx", "N" * 30_000, "AU1", 1]]
    assert vendor.refusal(workbook({"S": [HEADER, *rows]}), "asx.xlsx").startswith(
        "asx.xlsx holds more than 0 MiB: it is damaged"
    )


@pytest.mark.parametrize("quote", [b'"', b"'"])
def test_f24_a_stray_cell_at_the_far_end_is_refused_before_it_takes_memory(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, quote: bytes
) -> None:
    """A sheet is a rectangle for its reader: this one would have 17,179,869,184 cells."""

    def read(*_: object) -> None:
        raise AssertionError("the sheet was read")

    monkeypatch.setattr("armillary.feeds.workbook._rows", read)
    plain = workbook({"S": [HEADER, *ROWS, ["stray"]]})
    far = b"".join((b"r=", quote, b"XFD1048576", quote))
    stray = rewritten(plain, "xl/worksheets/sheet1.xml", b'r="A4"', far)
    assert vendor.refusal(stray, "asx.xlsx") == (
        "asx.xlsx has cells as far as row 1,048,576 and column 16,384: a stray one, far from the "
        "table. Have the vendor delete it."
    )


def rewritten(content: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """The same archive with other bytes in one of its files."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            target.writestr(name, part.replace(old, new) if name == member else part)
    return buffer.getvalue()


def test_what_is_no_workbook(vendor: Vendor) -> None:
    assert "its content looks like an old Excel workbook" in vendor.refusal(
        b"\xd0\xcf\x11\xe0" + bytes(600), "asx.xlsx"
    )
