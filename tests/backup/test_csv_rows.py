"""Rows of an export in CSV, counted while its bytes pass."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.backup import rows as rows_module
from armillary.backup.beginning import BOM
from armillary.errors import ExportDamaged
from tests.backup.test_rows import cut, read

HEADER = ["id", "identifier", "name", "archived_at"]


def table(count: int, line_end: str = "\r\n") -> bytes:
    """Rows with whatever looks like the end of one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(HEADER)
    for number in range(count):
        note = f'größe 株式, "so"\r\n{number}\n\n,"\n' * (number % 9)
        writer.writerow([f"i-{number}", f"acme{number}", note, "" if number % 3 else "2026-01-01"])
    return text.getvalue().encode()


def expected(count: int) -> dict[str, list[str | None]]:
    return {
        "id": [f"i-{number}" for number in range(count)],
        "identifier": [f"acme{number}" for number in range(count)],
        "archived_at": [None if number % 3 else "2026-01-01" for number in range(count)],
    }


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PIECE_BYTES", 256)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", BOM], ids=["plain", "marked"])
def test_quoted_line_ends_and_marks(small_pieces: None, line_end: str, start: bytes) -> None:
    content = start + table(60, line_end)
    for size in (1, 13, 400, len(content)):
        pieces = (content[at : at + size] for at in range(0, len(content), size))
        assert read(pieces) == (60, expected(60))


CONTENT = table(60)


@given(st.lists(st.integers(0, len(CONTENT)), max_size=12), st.sampled_from([64, 256, 2048]))
def test_chunks_may_end_anywhere(places: list[int], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "PIECE_BYTES", piece)
        assert read(cut(CONTENT, places)) == (60, expected(60))


def test_a_header_alone_is_an_empty_export() -> None:
    nothing: dict[str, list[str | None]] = {"id": [], "identifier": [], "archived_at": []}
    for content in (b"id,identifier,name,archived_at", b"id,identifier,name,archived_at\r\n"):
        assert read([content]) == (0, nothing)


def test_columns_that_are_not_there_are_not_told() -> None:
    assert read([b"name,isin\nAcme,AU1\nBeta,AU2\n"]) == (2, {})


def test_a_row_may_be_larger_than_a_piece() -> None:
    large = "line, one\n" * 600_000
    content = f'id,name,archived_at\na,"{large}",\nb,x,\nc,"{large}",\n'.encode()
    assert len(content) > 2 * rows_module.PIECE_BYTES
    size = 512 * 1024
    count, columns = read(content[at : at + size] for at in range(0, len(content), size))
    assert (count, columns["id"]) == (3, ["a", "b", "c"])


def test_j10_a_quote_that_is_never_closed_is_a_file_cut_off(small_pieces: None) -> None:
    content = b'id,name\na,"Acme"\nb,"Be'
    with pytest.raises(ExportDamaged, match="is cut off: its last quote is never closed"):
        read([content])
    with pytest.raises(ExportDamaged, match="cut off"):
        read([content + b"x" * 5000])


def test_a_quote_without_end_is_not_gathered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PIECE_BYTES", 1024)
    monkeypatch.setattr(rows_module, "LONGEST_ROW_BYTES", 4096)
    with pytest.raises(ExportDamaged, match="a quote that is opened and never closed"):
        read([b'id,name\na,"', *[b"x\n" * 1024] * 3])


def test_j10_a_last_row_that_lacks_columns_is_damaged() -> None:
    with pytest.raises(ExportDamaged, match=r"cannot be read as CSV: .*Expected 3 columns, got 2"):
        read([b"id,identifier,name\ni-1,acme,Acme\ni-2,be"])
