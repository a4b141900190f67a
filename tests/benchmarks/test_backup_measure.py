"""The servers and rows of the backup's measures: what is measured is what is meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from armillary.backup.rows import RowReader
from benchmarks.backup_gib import FIGURES, KIND, PART_BYTES, move, move_barely, write_export
from benchmarks.big_workspace import fill
from benchmarks.loopback_store import LoopbackStore, loopback_store
from benchmarks.simulator_ceiling import Server
from simulator import Simulator

LEAST = 2 * PART_BYTES + 1


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A file of a bit more than two parts, and its rows."""
    file = tmp_path_factory.mktemp("export") / "export.json"
    return file, write_export(str(file), LEAST)


@pytest.fixture(scope="module")
def store(export: tuple[Path, int]) -> Iterator[LoopbackStore]:
    with loopback_store(export[0]) as started:
        yield started


def test_the_export_is_one_as_the_backup_reads_it(export: tuple[Path, int]) -> None:
    file, rows = export
    reader = RowReader(KIND)
    content = file.read_bytes()
    batches = [*reader.feed(content), *reader.close()]
    assert LEAST <= len(content) < 2 * LEAST
    assert reader.rows == rows
    assert batches[0].columns["instrument_id"][0] == "t0000000.xasx"


def test_both_sides_move_the_same_bytes(store: LoopbackStore, export: tuple[Path, int]) -> None:
    file, rows = export
    bare = move_barely(url=store.url, link=store.link)
    ours = move(url=store.url, link=store.link, compression="none")
    packed = move(url=store.url, link=store.link, compression="zstd")
    assert bare["bytes"] == ours["bytes"] == packed["bytes"] == file.stat().st_size
    assert ours["rows"] == packed["rows"] == rows
    assert ours["stored_bytes"] == ours["bytes"] > 3 * packed["stored_bytes"]


def test_the_link_answers_a_range_and_refuses_who_has_no_signature(
    store: LoopbackStore, export: tuple[Path, int]
) -> None:
    content = export[0].read_bytes()
    rest = httpx.get(store.link, headers={"Range": f"bytes={len(content) - 5}-"})
    assert (rest.status_code, rest.content) == (206, content[-5:])
    assert rest.headers["content-range"] == (
        f"bytes {len(content) - 5}-{len(content) - 1}/{len(content)}"
    )
    assert httpx.get(store.link.partition("?")[0]).status_code == 403


def test_the_marks_are_those_of_the_design() -> None:
    marks = {figure.name: (figure.must, figure.aim) for figure in FIGURES}
    assert marks["time over bare transfer"] == (1.5, 1.1)
    assert marks["peak memory above start, MB"] == (200, 100)


def test_the_big_workspace_has_rows_of_every_type(
    make_simulator: Callable[..., Simulator],
) -> None:
    sim = make_simulator("guide")
    address = urlsplit(sim.url)
    server = Server(str(address.hostname), int(address.port or 0), sim.token, os.getpid())
    sizes = {
        "instruments": 50,
        "markets": 3,
        "calendars": 7,
        "listings": 60,
        "suspensions": 5,
        "values": 120,
        "composites": 70,
    }
    seconds = fill(server, sizes)
    found = {name: len(collection.table.rows) for name, collection in sim.store.collections.items()}
    assert len(seconds) == len(sizes)
    assert [
        found[name]
        for name in (
            "instruments",
            "markets",
            "market-calendars",
            "market-listings",
            "market-listing-suspensions",
            "time-series-values",
            "composite-time-series-values",
        )
    ] == list(sizes.values())
