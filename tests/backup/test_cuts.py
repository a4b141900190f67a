"""Where an export begins and can be cut."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.backup.beginning import format_of, no_list, rows_begin, without_mark
from armillary.backup.cuts import Cuts, end_of_lines
from armillary.errors import ExportDamaged

RAW = msgspec.json.Decoder(list[msgspec.Raw]).decode


def test_a_cut_has_its_rows_as_a_list_of_their_own() -> None:
    buffer = bytearray(b'{"id": 1} , {"id": 2},{"id": "half')
    cut = Cuts(RAW).cut(buffer)
    assert cut
    assert json.loads(cut.text) == [{"id": 1}, {"id": 2}]
    assert [bytes(row) for row in cut.rows] == [b'{"id": 1}', b'{"id": 2}']
    assert buffer == b'{"id": "half'
    assert Cuts(RAW).cut(buffer) is None
    assert buffer == b'{"id": "half'


@given(st.lists(st.lists(st.text('a",\n\r é', max_size=6), min_size=2, max_size=2), max_size=8))
def test_lines_are_cut_outside_of_quotes_only(rows: list[list[str]]) -> None:
    ends, text = [0], io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        ends.append(len(text.getvalue().encode()))
    content = bytearray(text.getvalue().encode())
    for size in range(len(content) + 1):
        assert end_of_lines(content[:size]) == max(end for end in ends if end <= size)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('[{"id": 1}]', 1),
        ("[", 1),
        ('{"data": [{"id": 1}]}', 10),
        ('{"meta": {"data": [1]}, "data" : [2]}', 34),
        ('{"meta": [{"data": [1]}], "data":[2]}', 34),
        ('{"note": "\\"data\\": [", "data":[2]}', 32),
        ('{"data": {"data": [1]}}', None),
        ('{"dat', None),
        ('{"data": ', None),
        ('{"note": "\\"data\\": [', None),
    ],
)
def test_rows_begin_behind_the_bracket_of_the_outer_list(text: str, end: int | None) -> None:
    assert rows_begin(text.encode()) == end
    assert rows_begin(bytearray(text.encode())) == end


def test_what_stands_before_the_rows_is_not_searched_for_ever() -> None:
    assert rows_begin(b'{"note": "' + b"x" * 70_000 + b'", "data": [') is None


def test_j11_the_beginning_tells_what_a_file_is() -> None:
    assert format_of(without_mark(b'\xef\xbb\xbf\r\n {"data": []}')) == "json"
    assert format_of(b"id,name\n") == "csv"
    with pytest.raises(ExportDamaged, match="an HTML or XML page and no rows"):
        format_of(b"<html>")
    assert 'it begins with \'{"message"' in no_list(b'{"message": "Forbidden"}').message
