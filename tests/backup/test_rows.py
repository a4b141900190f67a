"""Rows of an export in JSON, counted while its bytes pass."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.backup import rows as rows_module
from armillary.backup.beginning import BOM
from armillary.backup.rows import RowReader, wanted_columns
from armillary.errors import ExportDamaged

MIB = 1024**2

Columns = dict[str, list[str | None]]


def read(chunks: Iterable[bytes], resource_type: str = "instruments") -> tuple[int, Columns]:
    """How many rows there are, and their columns."""
    reader = RowReader(resource_type)
    found: Columns = {}
    for batch in [*(batch for chunk in chunks for batch in reader.feed(chunk)), *reader.close()]:
        for name, cells in batch.columns.items():
            found.setdefault(name, []).extend(cells)
    return reader.rows, found


def cut(content: bytes, places: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for place in sorted(place % (len(content) + 1) for place in places):
        yield content[start:place]
        start = place
    yield content[start:]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts every few rows, as a file of many MiB is cut."""
    monkeypatch.setattr(rows_module, "PIECE_BYTES", 256)


def awkward(number: int) -> dict[str, Any]:
    """A row that holds whatever looks like the end of one."""
    return {
        "id": f"i-{number}",
        "identifier": f"größe {number} 株式 \U0001f600",
        "name": 'ACME },{"id":"x"} ],[ \\" \\\\',
        "extras": {"lists": [{"id": "nested"}, {"id": "},{"}, [[{}, {}]]] * (number % 7)},
        "archived_at": "2026-01-01T00:00:00Z" if number % 3 else None,
    }


ROWS = [awkward(number) for number in range(60)]
IDS = [row["id"] for row in ROWS]


@pytest.mark.parametrize(
    "write",
    [
        json.dumps,
        lambda rows: json.dumps(rows, separators=(",", ":"), ensure_ascii=False),
        lambda rows: json.dumps(rows, indent=2),
        lambda rows: json.dumps({"data": rows}),
        lambda rows: json.dumps({"meta": {"rows": [{"a": 1}, {"a": 2}]}, "data": rows}),
        lambda rows: json.dumps({"data": rows, "meta": [{"a": 1}, {"a": 2}]}),
    ],
    ids=["array", "dense", "indented", "wrapped", "meta first", "meta last"],
)
def test_both_shapes_however_they_are_written(small_pieces: None, write: Any) -> None:
    content = write(ROWS).encode()
    for size in (1, 7, 300, len(content)):
        count, columns = read(content[at : at + size] for at in range(0, len(content), size))
        assert count == len(ROWS)
        assert columns["id"] == IDS
        assert columns["identifier"] == [row["identifier"] for row in ROWS]
        assert columns["archived_at"] == [row["archived_at"] for row in ROWS]


JSON = json.dumps(ROWS, ensure_ascii=False).encode()
WRAPPED = json.dumps({"data": ROWS[:20]}).encode()


@given(st.lists(st.integers(0, len(JSON)), max_size=12), st.sampled_from([64, 256, 2048]))
def test_chunks_may_end_anywhere(places: list[int], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "PIECE_BYTES", piece)
        count, columns = read(cut(JSON, places))
    assert (count, columns["id"]) == (len(ROWS), IDS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet='{}[],:"\\ aé\U0001f600'),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text('{"},a'), inner, max_size=4)
        ),
        max_leaves=20,
    )
    .map(lambda value: {"extras": value, "id": "x"})
    .map(lambda row: dict(reversed(row.items()))),
    st.integers(2, 40),
    st.integers(1, 64),
)
def test_whatever_a_row_holds_rows_are_counted(row: dict[str, Any], count: int, size: int) -> None:
    content = json.dumps([row] * count).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "PIECE_BYTES", 32)
        found, columns = read(content[at : at + size] for at in range(0, len(content), size))
    assert (found, columns["id"]) == (count, ["x"] * count)


@pytest.mark.parametrize("content", [JSON, WRAPPED], ids=["array", "wrapped"])
def test_j10_an_export_that_breaks_off_anywhere_is_damaged(
    small_pieces: None, content: bytes
) -> None:
    for end in range(0, len(content), 11):
        with pytest.raises(ExportDamaged):
            read([content[:end]])
    with pytest.raises(ExportDamaged, match="cut off or damaged: its end cannot be read as JSON"):
        read([content[:-1]])


def test_rows_that_begin_unlike_the_first_are_found_by_their_brackets(small_pieces: None) -> None:
    rows: list[dict[str, Any]] = [{"id": "0"}]
    rows += [{f"k{number}": [{"id": 1}] * 9, "id": str(number)} for number in range(1, 50)]
    content = json.dumps(rows).encode()
    count, columns = read(content[at : at + 50] for at in range(0, len(content), 50))
    assert count == 50
    assert columns["id"] == [str(number) for number in range(50)]


def test_many_nested_objects_do_not_hide_where_a_row_ends() -> None:
    """Composite values of a hundred items, with keys as their rows have."""
    items = [{"id": f"item-{number}", "value": "1.10"} for number in range(100)]
    row = json.dumps({"id": "c", "instrument_id": "acme", "items": items})
    content = f"[{','.join([row] * 3000)}]".encode()
    assert len(content) > 2 * rows_module.PIECE_BYTES
    count, columns = read(
        (content[at : at + MIB] for at in range(0, len(content), MIB)),
        "composite_time_series_values",
    )
    assert count == 3000
    assert set(columns["instrument_id"]) == {"acme"}


def test_a_row_may_be_larger_than_a_piece() -> None:
    large = {"id": "large", "name": "},{" * (2 * MIB)}
    content = json.dumps([{"id": "a"}, large, {"id": "b"}, large]).encode()
    count, columns = read(content[at : at + MIB] for at in range(0, len(content), MIB))
    assert (count, columns["id"]) == (4, ["a", "large", "b", "large"])


def test_a_row_without_end_is_not_gathered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PIECE_BYTES", MIB)
    monkeypatch.setattr(rows_module, "LONGEST_ROW_BYTES", 4 * MIB)
    reader = RowReader("instruments")
    list(reader.feed(b'[{"id": "' + b"x" * 128))
    for _ in range(3):
        assert list(reader.feed(b"x" * MIB)) == []
    with pytest.raises(ExportDamaged, match="In 4 MiB of the export no end of a row could be"):
        list(reader.feed(b"x" * MIB))


def test_a_fault_in_the_middle_is_told_at_once(small_pieces: None) -> None:
    content = json.dumps([{"id": "a"}] * 1000).encode().replace(b'"a"', b"oops", 1)
    reader = RowReader("instruments")
    with pytest.raises(ExportDamaged, match="some of its rows cannot be read as JSON"):
        list(reader.feed(content[:2000]))


def test_j14_memory_does_not_grow_with_the_file() -> None:
    """200 MB of rows in one line, made on the way."""
    row = json.dumps(
        {"id": "0192", "instrument_id": "acme", "value": "1.10", "note": "x" * 900}
    ).encode()
    chunk = b",".join([row] * 512)

    def content() -> Iterator[bytes]:
        yield b"[" + row
        for _ in range(200 * 10**6 // len(chunk)):
            yield b"," + chunk
        yield b"]"

    reader = RowReader("time_series_values")
    tracemalloc.start()
    try:
        for piece in content():
            for batch in reader.feed(piece):
                assert set(batch.columns) == {"instrument_id"}
        list(reader.close())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reader.rows > 190_000
    assert peak < 40 * MIB


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty: it has not a single character"),
        (BOM + b" \n" * 100, "empty: it has not a single character"),
        (b"<!DOCTYPE html><title>Sign in</title>" + b" " * 90, "an HTML or XML page and no rows"),
        (b'<?xml version="1.0"?><Error/>', r"it begins with '<\?xml version"),
        (b"PK\x03\x04" + b"\0" * 90, "a packed file, and no rows"),
        (b"\x1f\x8b\x08" + b"\0" * 90, "a packed file, and no rows"),
        (b'{"message": "Forbidden"}', 'JSON but no list of records; it begins with \'{"message"'),
        (b'{"message": "' + b"x" * 100_000, "JSON but no list of records"),
        (b"[1, 2]", "cannot be read as JSON"),
        (b'[{"id": "a"}] and more', "cannot be read as JSON"),
    ],
)
def test_j11_what_is_no_list_of_records_is_named(content: bytes, message: str) -> None:
    with pytest.raises(ExportDamaged, match=message):
        read(cut(content, [1, 3, 10, 63, 64, 65, 50_000]))


def test_j15_a_byte_order_mark_and_line_ends_do_no_harm() -> None:
    content = BOM + b'\r\n[\r\n{"id": "a"},\r\n{"id": "b"}\r\n]\r\n'
    for size in (1, len(content)):
        count, columns = read(content[at : at + size] for at in range(0, len(content), size))
        assert (count, columns["id"]) == (2, ["a", "b"])


@pytest.mark.parametrize("content", [b"[]", b" [ ] ", b'{"data": []}'])
def test_j12_an_empty_export_has_no_rows_and_all_columns(content: bytes) -> None:
    assert read([content]) == (0, {"id": [], "identifier": [], "archived_at": []})


def test_only_types_that_others_refer_to_tell_their_names() -> None:
    assert wanted_columns("instruments") == ("id", "identifier", "archived_at")
    assert wanted_columns("markets") == ("id", "identifier", "archived_at")
    assert wanted_columns("time_series_values") == ("archived_at", "instrument_id")
    names = ("id", "identifier", "archived_at", "instrument_id", "market_id")
    assert wanted_columns("market_listings") == names
    rows = [{"id": "v", "identifier": "v", "instrument_id": "acme", "value": "1"}]
    assert read([json.dumps(rows).encode()], "time_series_values") == (
        1,
        {"instrument_id": ["acme"]},
    )


def test_a_reference_may_be_an_object() -> None:
    rows = [
        {"instrument": {"id": "i-1", "identifier": "acme"}},
        {"instrument": {"identifier": "beta"}},
        {"instrument_id": {"id": "i-3"}},
        {"instrument_id": "i-4", "instrument": {"id": "not asked"}},
        {"instrument": None},
        {},
    ]
    _, columns = read([json.dumps(rows).encode()], "time_series_values")
    assert columns["instrument_id"] == ["i-1", "beta", "i-3", "i-4", None, None]
