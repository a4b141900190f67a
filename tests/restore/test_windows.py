"""Rows of an export in windows: those of the whole, whatever it holds and wherever it is cut."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.errors import ExportDamaged
from armillary.restore import windows as windows_module
from armillary.restore.decoding import COUNTED, RAW, ROWS, Decoding, csv_lines
from armillary.restore.windows import Window, Windows, open_windows

MIB = 1024**2
BOM = b"\xef\xbb\xbf"

NASTY = '{}[],:"\\ aé株\U0001f600\n\r'

inner = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(NASTY, max_size=12),
    lambda deeper: (
        st.lists(deeper, max_size=3) | st.dictionaries(st.text('{"},aé\\', max_size=4), deeper)
    ),
    max_leaves=8,
)
json_rows = st.lists(
    st.fixed_dictionaries({"id": st.text(NASTY, max_size=6)}, optional={"a": inner, "}": inner})
    | st.dictionaries(st.text(NASTY, max_size=4), inner, max_size=3),
    max_size=20,
)
cells = st.text(alphabet='ab ,";é株\U0001f600\n\r', max_size=8)


def cut(content: bytes, places: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for place in sorted(place % (len(content) + 1) for place in places):
        yield content[start:place]
        start = place
    yield content[start:]


def sliced(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def look(
    chunks: Iterable[bytes], decoding: Decoding = ROWS, **more: Any
) -> tuple[list[Window], Windows]:
    opened = open_windows(decoding, **more)
    found = [*(window for chunk in chunks for window in opened.feed(chunk)), *opened.close()]
    return found, opened


def rows_of(found: Iterable[Window]) -> list[Any]:
    return [row for window in found for row in window.rows]


def joined(found: Iterable[Window]) -> Any:
    """What the bytes of the windows say when they are put together again."""
    text = b"[" + b",".join(window.content for window in found) + b"]"
    return json.loads(text, parse_float=Decimal)


@contextmanager
def windows_of(size: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows_module, "WINDOW_BYTES", size)
        yield


@pytest.fixture
def small_windows() -> Iterator[None]:
    with windows_of(256):
        yield


# JSON


@given(
    json_rows,
    st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]),
    st.sampled_from(["array", "wrapped", "first", "last"]),
    st.lists(st.integers(0, 10_000), max_size=10),
    st.sampled_from([16, 64, 1024]),
)
@settings(deadline=None)
def test_json_gives_the_rows_of_the_whole(
    rows: list[Any], style: dict[str, Any], shape: str, places: list[int], size: int
) -> None:
    meta = {"data": [{"id": "no row"}, {"id": "no row"}], "s": '"data": ['}
    whole: Any = {
        "array": rows,
        "wrapped": {"data": rows},
        "first": {"meta": meta, "data": rows},
        "last": {"data": rows, "meta": meta},
    }[shape]
    content = json.dumps(whole, **style).encode()
    expected = json.loads(json.dumps(rows), parse_float=Decimal)
    with windows_of(size):
        found, opened = look(cut(content, places))
        counted, _ = look(cut(content, places), COUNTED)
        raw, _ = look(cut(content, places), RAW)
    assert rows_of(found) == expected
    assert joined(found) == joined(counted) == expected
    assert [json.loads(bytes(row), parse_float=Decimal) for row in rows_of(raw)] == expected
    assert opened.rows == len(rows_of(counted)) == len(rows)
    assert all(window.rows for window in found)
    assert (opened.format, opened.header) == ("json", b"")


def test_numbers_keep_their_digits() -> None:
    content = b'[{"a": 1.10, "b": 1e400, "c": 123456789012345678901234567890, "d": -0.0, "e": 7}]'
    (row,) = rows_of(look([content])[0])
    assert {name: str(value) for name, value in row.items()} == {
        "a": "1.10",
        "b": "1E+400",
        "c": "123456789012345678901234567890",
        "d": "-0.0",
        "e": "7",
    }
    assert type(row["e"]) is int


def test_a_chunk_of_many_windows_is_cut_as_well() -> None:
    rows = [{"id": f"row {number}", "note": "x" * 1000} for number in range(5000)]
    found, _ = look([json.dumps(rows).encode()])
    assert rows_of(found) == rows
    assert len(found) >= 4
    assert max(len(window.content) for window in found) < 2.1 * MIB


def test_j22_a_row_may_be_larger_than_a_window() -> None:
    large = {"id": "large", "name": "},{é" * (2 * MIB // 5)}
    rows = [{"id": "a"}, large, {"id": "b"}, large]
    found, _ = look(sliced(json.dumps(rows, ensure_ascii=False).encode(), MIB // 2))
    assert rows_of(found) == rows


@pytest.mark.parametrize("shape", ["array", "wrapped"])
def test_j10_an_export_that_breaks_off_anywhere_is_damaged(small_windows: None, shape: str) -> None:
    rows = [{"id": f"i-{number}", "extras": {"a": [1, {"b": "},{"}]}} for number in range(40)]
    content = json.dumps(rows if shape == "array" else {"data": rows}).encode()
    for end in range(0, len(content), 7):
        with pytest.raises(ExportDamaged):
            look(sliced(content[:end], 100))
    with pytest.raises(
        ExportDamaged, match=r"cut off or damaged: its end, after row 3\d, cannot be read as JSON"
    ):
        look(sliced(content[:-1], 100))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty: it has not a single character"),
        (BOM + b" \n" * 100, "empty: it has not a single character"),
        (b"<!DOCTYPE html><title>Sign in</title>" + b" " * 90, "an HTML or XML page and no rows"),
        (b"PK\x03\x04" + b"\0" * 90, "a packed file, and no rows"),
        (b"\x1f\x8b\x08" + b"\0" * 90, "a packed file, and no rows"),
        (b'{"message": "Forbidden"}', 'JSON but no list of records; it begins with \'{"message"'),
        (b'{"message": "\\"data\\": ["}', "JSON but no list of records"),
        (b'{"meta": {"data": [{"a": 1}]}}', "JSON but no list of records"),
        (b'{"message": "' + b"x" * 100_000, "JSON but no list of records"),
        (b"[1, 2]", "cannot be read as JSON"),
        (b'[{"id": "a"}, 2]', "cannot be read as JSON"),
        (b'[{"id": "a"}] and more', "cannot be read as JSON"),
        (b'[{"id": NaN}]', "cannot be read as JSON"),
    ],
)
@pytest.mark.parametrize("decoding", [ROWS, COUNTED], ids=["rows", "counted"])
def test_j11_what_is_no_list_of_records_is_named(
    content: bytes, message: str, decoding: Decoding
) -> None:
    with pytest.raises(ExportDamaged, match=message):
        look(cut(content, [1, 3, 10, 63, 64, 65, 50_000]), decoding)


def test_a_fault_in_the_middle_says_after_which_row(small_windows: None) -> None:
    content = json.dumps([{"id": "a"}] * 1000).encode()
    harmed = content[:5000] + content[5000:].replace(b'"a"', b"oops", 1)
    opened = open_windows()
    with pytest.raises(
        ExportDamaged, match=r"some of its rows cannot be read as JSON .* come after row 3\d\d\."
    ):
        list(opened.feed(harmed))


def test_a_row_without_end_is_not_gathered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "LONGEST_ROW_BYTES", 4 * MIB)
    with pytest.raises(
        ExportDamaged, match="In 4 MiB of the export after row 0 no end of a row could be found"
    ):
        look([b'[{"id": "' + b"x" * 128, *[b"x" * MIB] * 9])
    with pytest.raises(ExportDamaged, match="a quote that is opened and never closed, after row 1"):
        look([b'id,name\na,b\n"', *[b"x" * MIB] * 9])


# Rows that are whole and cannot be decoded


@pytest.mark.parametrize("size", [100, 100_000])
def test_j15_rows_that_are_no_utf8_are_told_and_the_others_go_on(
    small_windows: None, size: int
) -> None:
    rows = [{"id": f"i-{number}", "name": "Größe"} for number in range(200)]
    rows[57]["name"] = rows[120]["name"] = "harmed"
    content = json.dumps(rows, ensure_ascii=False).encode().replace(b"harmed", b"h\xfcrt")
    told: list[tuple[int, bytes, str]] = []
    found, opened = look(sliced(content, size), unreadable=lambda *bad: told.append(bad))
    assert rows_of(found) == [row for row in rows if row["name"] != "harmed"]
    assert opened.rows == 200
    assert [(number, row) for number, row, _ in told] == [
        (58, b'{"id": "i-57", "name": "h\xfcrt"}'),
        (121, b'{"id": "i-120", "name": "h\xfcrt"}'),
    ]
    assert all("utf-8" in why.lower() for *_, why in told)
    with pytest.raises(ExportDamaged, match="cannot be read as JSON"):
        look(sliced(content, size))


@pytest.mark.parametrize("size", [100, 100_000])
def test_j15_rows_of_a_csv_that_cannot_be_read_are_told(small_windows: None, size: int) -> None:
    lines = [b"id,name", *(f"i-{number},Größe".encode() for number in range(200))]
    lines[58], lines[121] = b"i-57,h\xfcrt", b"i-120"
    content = b"\n".join(lines)
    told: list[tuple[int, bytes, str]] = []
    found, opened = look(sliced(content, size), unreadable=lambda *bad: told.append(bad))
    assert len(rows_of(found)) == 198
    assert opened.rows == 200
    assert [(number, row) for number, row, _ in told] == [
        (58, b"i-57,h\xfcrt\n"),
        (121, b"i-120\n"),
    ]
    with pytest.raises(ExportDamaged, match=r"read as CSV: .* is one of the rows after row \d+\."):
        look(sliced(content, size))


# CSV


@given(
    st.lists(st.tuples(cells, cells, cells), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.lists(st.integers(0, 3000), max_size=10),
    st.sampled_from([16, 64, 1024]),
)
@settings(deadline=None)
def test_csv_gives_the_rows_of_the_whole(
    rows: list[tuple[str, ...]], line_end: str, marked: bool, places: list[int], size: int
) -> None:
    names = ["id", 'a "name",\nover two lines', "größe"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    content = BOM * marked + text.getvalue().encode()
    with windows_of(size):
        found, opened = look(cut(content, places))
        counted, _ = look(cut(content, places), COUNTED)
    expected = [dict(zip(names, (cell or None for cell in row), strict=True)) for row in rows]
    assert rows_of(found) == expected
    assert opened.rows == len(rows_of(counted)) == len(rows)
    assert opened.format == "csv"
    again = opened.header + b"".join(window.content for window in found)
    assert again == content.removeprefix(BOM)


def test_csv_as_the_service_writes_it() -> None:
    content = BOM + b"instrument_id,type_id,value\r\nACME,close,1.10\r\n\r\nBETA,,\r\n"
    found, opened = look(sliced(content, 5))
    assert rows_of(found) == [
        {"instrument_id": "ACME", "type_id": "close", "value": "1.10"},
        {"instrument_id": "BETA", "type_id": None, "value": None},
    ]
    assert opened.header == b"instrument_id,type_id,value\r\n"


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=12))
def test_lines_are_the_rows_that_a_csv_reader_finds(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    lines = csv_lines(text.getvalue().encode())
    assert [next(csv.reader(io.StringIO(line.decode(), newline=""))) for line in lines] == rows


@pytest.mark.parametrize("content", [b"[]", b" [ ] ", b'{"data": []}', b"id,name", b"id\r\n"])
def test_j12_an_empty_export_has_no_windows(content: bytes) -> None:
    found, opened = look([content])
    assert (found, opened.rows) == ([], 0)


def test_j10_a_quote_that_is_never_closed_is_a_file_cut_off() -> None:
    with pytest.raises(ExportDamaged, match="is cut off: its last quote, after row 0, is never"):
        look([b'id,name\na,"Acme"\nb,"Be'])


def test_j14_memory_does_not_grow_with_the_file() -> None:
    """60 MB of rows in one line, made on the way."""
    row = json.dumps({"id": "0192", "value": "1.10", "note": "x" * 900}).encode()
    chunk = b",".join([row] * 512)

    def content() -> Iterator[bytes]:
        yield b"[" + row
        for _ in range(60 * 10**6 // len(chunk)):
            yield b"," + chunk
        yield b"]"

    opened = Windows()
    tracemalloc.start()
    try:
        for piece in content():
            for window in opened.feed(piece):
                assert window.rows[0]["value"] == "1.10"
        list(opened.close())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert opened.rows > 60_000
    assert peak < 24 * MIB
