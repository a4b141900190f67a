"""Parts of an export: whole rows, in order, none lost, none above the size."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armillary.errors import ConfigurationError, ExportDamaged
from armillary.restore.split import MOST_BYTES, Part, PartWriter, split
from tests.restore.test_windows import cells, cut, json_rows, windows_of

in_one_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def contents(parts: Iterable[Part]) -> list[bytes]:
    """What each part holds; each is done with before the next is asked for."""
    found: list[bytes] = []
    for part in parts:
        with part as file:
            content = file.read()
        assert file.closed
        assert part.bytes == len(content)
        assert part.number == len(found) + 1
        found.append(content)
    return found


def least(rows: Iterable[Any]) -> int:
    """Room for the largest row alone, however it was written."""
    return max((len(json.dumps(row, indent=2).encode()) for row in rows), default=0) + 10


@given(
    json_rows,
    st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]),
    st.booleans(),
    st.lists(st.integers(0, 10_000), max_size=10),
    st.integers(0, 400),
    st.sampled_from([16, 64, 1024]),
)
@in_one_folder
def test_parts_of_json_hold_the_rows_in_order(
    tmp_path: Path,
    rows: list[Any],
    style: dict[str, Any],
    wrapped: bool,
    places: list[int],
    more: int,
    size: int,
) -> None:
    content = json.dumps({"data": rows} if wrapped else rows, **style).encode()
    most = 2 * least(rows) + more
    with windows_of(size):
        found = contents(split(cut(content, places), most_bytes=most, folder=tmp_path))
    assert [row for part in found for row in json.loads(part)] == rows
    assert all(len(part) <= most for part in found)
    assert all(json.loads(part) for part in found)


@given(
    st.lists(st.tuples(cells, cells), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.lists(st.integers(0, 3000), max_size=10),
    st.integers(100, 400),
    st.sampled_from([16, 64, 1024]),
)
@in_one_folder
def test_parts_of_a_csv_hold_the_rows_in_order_each_with_the_header(
    tmp_path: Path,
    rows: list[tuple[str, str]],
    line_end: str,
    marked: bool,
    places: list[int],
    most: int,
    size: int,
) -> None:
    names = ("id", 'a "name",\nover two lines')
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    content = b"\xef\xbb\xbf" * marked + text.getvalue().encode()
    with windows_of(size):
        found = contents(split(cut(content, places), most_bytes=most, folder=tmp_path))
    tables = [list(csv.reader(io.StringIO(part.decode(), newline=""))) for part in found]
    assert [tuple(row) for table in tables for row in table[1:]] == rows
    assert all(tuple(table[0]) == names and len(table) > 1 for table in tables)
    assert all(len(part) <= most for part in found)


@given(st.lists(json_rows, max_size=5), st.integers(0, 300))
@settings(in_one_folder, max_examples=60)
def test_rewritten_rows_are_packed_in_order(
    tmp_path: Path, batches: list[list[Any]], more: int
) -> None:
    rows = [row for batch in batches for row in batch]
    parts: list[Part] = []
    with PartWriter(tmp_path, least(rows) + more) as writer:
        for number, batch in enumerate(batches):
            encoded = [json.dumps(row).encode() for row in batch]
            if number % 2:
                parts += writer.add_many(encoded)
            else:
                parts += [part for row in encoded if (part := writer.add(row))]
        last = writer.end()
        parts += [last] if last else []
        assert writer.end() is None
    starts = [part.first_row for part in parts]
    counts = [part.rows for part in parts]
    assert [row for part in contents(parts) for row in json.loads(part)] == rows
    assert starts == [sum(counts[:number]) for number in range(len(counts))]
    assert (sum(counts), writer.rows, writer.parts) == (len(rows), len(rows), len(parts))


# Sizes


@pytest.mark.parametrize("by", ["split", "writer"])
def test_j22_a_file_just_under_at_and_over_the_limit(tmp_path: Path, by: str) -> None:
    rows = [json.dumps({"id": number, "name": "é" * 20}).encode() for number in range(10, 20)]
    whole = b"[" + b",".join(rows) + b"]"

    def parts(most: int) -> list[bytes]:
        if by == "split":
            return contents(split([whole], most_bytes=most, folder=tmp_path))
        with PartWriter(tmp_path, most) as writer:
            found = [*writer.add_many(rows), writer.end()]
        return contents(part for part in found if part)

    assert parts(len(whole) + 1) == [whole]
    assert parts(len(whole)) == [whole]
    first, second = parts(len(whole) - 1)
    assert (len(json.loads(first)), len(json.loads(second))) == (9, 1)
    assert len(parts(len(rows[0]) + 2)) == 10


def test_j22_parts_are_as_full_as_they_may_be(tmp_path: Path) -> None:
    row = json.dumps({"id": "x" * 90}).encode()
    content = b"[" + b",".join([row] * 40_000) + b"]"
    found = contents(split([content], most_bytes=1_500_000, folder=tmp_path))
    assert [len(part) > 1_500_000 - len(row) - 4 for part in found[:-1]] == [True, True]
    assert sum(len(json.loads(part)) for part in found) == 40_000


def test_j22_a_row_that_fits_into_no_part_is_named(tmp_path: Path) -> None:
    rows = [{"id": "a"}, {"id": "b"}, {"id": "c", "name": "x" * 500}, {"id": "d"}]
    content = json.dumps(rows).encode()
    with pytest.raises(ExportDamaged) as caught:
        contents(split([content], most_bytes=100, folder=tmp_path))
    assert str(caught.value) == (
        "Row 3 takes 525 bytes, and a file to import holds 100 at most: no import can take it. "
        "Leave it out and write it by hand; no other row is at fault."
    )
    lines = f"id,name\na,\nb,\nc,{'x' * 500}\nd,\n".encode()
    with pytest.raises(ExportDamaged, match=r"^Row 3 takes 511 bytes"):
        contents(split([lines], most_bytes=100, folder=tmp_path))
    with PartWriter(tmp_path, 100) as writer, pytest.raises(ExportDamaged, match=r"^Row 2 takes"):
        list(writer.add_many([b'{"id":1}', b"{" + b" " * 500 + b"}"]))


def test_the_default_leaves_room_for_the_form_around_the_file() -> None:
    assert MOST_BYTES <= 99_000_000


# Files


def test_a_part_is_a_file_that_can_be_sent_twice(tmp_path: Path) -> None:
    (part,) = split([b'[{"id": 1}, {"id": 2}]'], folder=tmp_path)
    assert (part.number, part.first_row, part.rows, part.format) == (1, 0, 2, "json")
    assert part.folder == tmp_path
    with part as file:
        assert file.read() == b'[{"id": 1}, {"id": 2}]'
        file.seek(0)
        assert file.read(9) == b'[{"id": 1'
    assert part.file.closed


@pytest.mark.parametrize("content", [b"[]", b'{"data": []}', b"id,name\r\n"])
def test_j12_an_export_without_rows_has_no_parts(tmp_path: Path, content: bytes) -> None:
    assert list(split([content], folder=tmp_path)) == []
    with PartWriter(tmp_path) as writer:
        assert list(writer.add_many([])) == []
        assert writer.end() is None


def test_j10_an_export_that_breaks_off_gives_no_last_part(tmp_path: Path) -> None:
    rows = [{"id": f"row {number}"} for number in range(100)]
    content = json.dumps(rows).encode()[:-1]
    found: list[bytes] = []

    def take() -> None:
        for part in split([content], most_bytes=1000, folder=tmp_path):
            with part as file:
                found.append(file.read())

    with windows_of(256), pytest.raises(ExportDamaged, match="cut off or damaged"):
        take()
    whole = [row for part in found for row in json.loads(part)]
    assert 0 < len(whole) < 100
    assert whole == rows[: len(whole)]


@pytest.mark.skipif(sys.platform != "linux", reason="counts the open files by /proc")
def test_nothing_is_left_open_by_whoever_stops_early(tmp_path: Path) -> None:
    content = json.dumps([{"id": f"row {number}"} for number in range(100)]).encode()
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    parts = split([content[:1000], content[1000:]], most_bytes=500, folder=tmp_path)
    with windows_of(256), closing(parts), next(parts) as file:
        assert json.load(file)[0] == {"id": "row 0"}
    assert len(list(opened.iterdir())) == before
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from armillary.restore.split import split
rows = b",".join(b'{"id": %d}' % number for number in range(100_000))
for part in split([b"[", rows, b"]"], most_bytes=500_000, folder=Path(sys.argv[1])):
    with part as file:
        print(len(file.read()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_s21_a_run_that_is_killed_leaves_no_part_behind(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=root, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == -9, ended.stderr.decode()
    assert int(ended.stdout) > 499_000
    assert list(tmp_path.iterdir()) == []


def test_s21_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list(split([b'[{"id": 1}]'], folder=tmp_path / "gone"))
    assert str(caught.value) == (
        f"A file for an import cannot be written to {tmp_path / 'gone'}: No such file or "
        "directory. Each takes up to 95 MB there while it is sent: make room, or have TMPDIR name "
        "another folder, and start again."
    )


FULL = """
import resource, signal, sys
from pathlib import Path
from armillary.restore.split import split
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
rows = b",".join(b'{"id": %d}' % number for number in range(100_000))
try:
    list(split([b"[", rows, b"]"], folder=Path(sys.argv[1])))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("room", [0, 1000, 300_000])
def test_s21_a_disk_without_room_is_told(tmp_path: Path, room: int) -> None:
    """A real refusal of the system: no file of the process may grow beyond some size."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL, str(tmp_path), str(room)],
        cwd=root, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.stderr.decode() == ""
    assert ended.stdout.decode() == (
        f"ConfigurationError A file for an import cannot be written to {tmp_path}: File too large. "
        "Each takes up to 95 MB there while it is sent: make room, or have TMPDIR name another "
        "folder, and start again.\n"
    )
    assert list(tmp_path.iterdir()) == []
