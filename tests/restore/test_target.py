"""Reading what a workspace holds by exports, against the simulator in its many readings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from armillary.backup.resources import RESOURCE_TYPES
from armillary.errors import (
    ConfigurationError,
    ExportDamaged,
    JobFailed,
    NotFound,
    RunStopped,
    TransferFailed,
)
from armillary.restore.target_rows import PackedFile
from simulator import Simulator
from tests.backup.workspace import seed
from tests.conftest import MakeSimulator
from tests.restore.targets import (
    COUNTS,
    EXPORTS,
    Targets,
    calls,
    everyone,
    fault,
    identifiers,
    rows_of,
)


@pytest.fixture
def target_of(tmp_path: Path) -> Iterator[Targets]:
    with Targets(tmp_path) as targets:
        yield targets


# Whether there is anything


@pytest.mark.parametrize("kind", RESOURCE_TYPES)
def test_an_empty_workspace_holds_nothing_and_a_full_one_something(
    sim: Simulator, target_of: Targets, kind: str
) -> None:
    target = target_of(sim)
    assert not target.holds(kind)
    seed(sim)
    before = sum(sim.calls().values())
    assert target.holds(kind)
    assert sum(sim.calls().values()) - before <= 2


@pytest.mark.parametrize("archived_true", ["only", "include"])
def test_d06_a_workspace_of_archived_rows_alone_is_not_empty(
    sim: Simulator, target_of: Targets, archived_true: str
) -> None:
    sim.configure(archived_true=archived_true)
    sim.seed([{"identifier": "gone", "name": "Gone", "type_id": "equity", "archived": True}])
    assert target_of(sim).holds("instruments")


def test_d06_archived_rows_are_seen_where_all_is_not_understood(
    sim: Simulator, target_of: Targets
) -> None:
    sim.seed([{"identifier": "gone", "name": "Gone", "type_id": "equity", "archived": True}])
    fault(sim, contains="archived=all", action="status", status=400, times=None)
    assert target_of(sim).holds("instruments")
    assert not target_of(sim).holds("markets")


def test_n5_calendars_that_are_not_there_are_told_as_such(
    sim: Simulator, target_of: Targets
) -> None:
    sim.configure(calendars="absent")
    with pytest.raises(NotFound, match="/market-calendars"):
        target_of(sim).holds("market_calendars")


# By export


@pytest.mark.parametrize("kind", RESOURCE_TYPES)
def test_every_row_is_read_active_and_archived_as_often_as_asked(
    sim: Simulator, target_of: Targets, kind: str
) -> None:
    seed(sim)
    found = target_of(sim).read(kind)
    assert (found.rows, found.tells_ids, found.tells_archived) == (COUNTS[kind], True, True)
    first, second = rows_of(found), rows_of(found)
    assert len(first) == COUNTS[kind]
    assert first == second
    assert calls(sim, EXPORTS) == 1
    assert sum(row["archived_at"] is not None for row in first) == (
        3 if kind == "instruments" else 0
    )


def test_n12_a_wrapped_export_and_one_without_archived_at(
    sim: Simulator, target_of: Targets
) -> None:
    sim.configure(export_shape="wrapped", export_archived_at="absent")
    seed(sim)
    found = target_of(sim).read("instruments")
    assert identifiers(found) == everyone()
    assert not found.tells_archived


def test_an_empty_workspace_is_read_as_no_rows(sim: Simulator, target_of: Targets) -> None:
    found = target_of(sim).read("time_series_values")
    assert (found.rows, rows_of(found)) == (0, [])
    assert found.tells_ids
    assert found.tells_archived


def test_what_is_read_again_is_read_anew(sim: Simulator, target_of: Targets) -> None:
    target = target_of(sim)
    before = target.read("markets")
    seed(sim)
    after = target.read("markets")
    assert (before.rows, after.rows) == (0, 2)
    assert rows_of(before) == []
    after.discard()
    assert not after.path.exists()
    assert before.path.exists()


def test_a10_a_reading_after_a_write_never_adopts_the_job_from_before_it(
    sim: Simulator, target_of: Targets
) -> None:
    target = target_of(sim)
    target.read("markets")
    seed(sim)
    fault(sim, method="POST", path="/exports", action="drop_before")
    assert target.read("markets").rows == 2


def test_j07_a_download_that_breaks_goes_on_where_it_broke(
    sim: Simulator, target_of: Targets
) -> None:
    seed(sim, 300)
    fault(sim, path="/downloads/*", action="truncate", bytes=20_000, times=3)
    found = target_of(sim).read("time_series_values")
    assert found.rows == 1200
    assert calls(sim, EXPORTS) == 1


def test_j08_a_download_that_cannot_go_on_begins_again(sim: Simulator, target_of: Targets) -> None:
    sim.configure(link_ranges="ignored")
    seed(sim, 300)
    fault(sim, path="/downloads/*", action="truncate", bytes=20_000, times=2)
    target = target_of(sim)
    found = target.read("time_series_values")
    assert found.rows == len(rows_of(found)) == 1200
    assert [path.name for path in found.path.parent.iterdir()] == [found.path.name]


def test_j10_a_download_that_never_comes_whole_says_what_to_do(
    sim: Simulator, target_of: Targets, tmp_path: Path
) -> None:
    sim.configure(link_ranges="ignored")
    seed(sim, 300)
    fault(sim, path="/downloads/*", action="truncate", bytes=20_000, times=None)
    with pytest.raises(TransferFailed) as caught:
        target_of(sim).read("time_series_values")
    said = str(caught.value)
    assert said.startswith(
        "The export of time_series_values was read 3 times from its first byte and never came whole"
    )
    assert said.endswith("Start the restore again.")
    assert "signature" not in said
    assert list(tmp_path.iterdir()) == []


def test_j11_a_damaged_export_is_exported_once_more(sim: Simulator, target_of: Targets) -> None:
    seed(sim)
    fault(sim, path="/downloads/*", action="html")
    assert identifiers(target_of(sim).read("instruments")) == everyone()
    assert calls(sim, EXPORTS) == 2


def test_j11_an_export_that_is_damaged_twice_is_given_up(
    sim: Simulator, target_of: Targets, tmp_path: Path
) -> None:
    seed(sim)
    fault(sim, path="/downloads/*", action="html", times=None)
    with pytest.raises(ExportDamaged) as caught:
        target_of(sim).read("instruments")
    said = str(caught.value)
    assert "HTML or XML page" in said
    assert said.endswith("It was tried 2 times. Start the restore again.")
    assert list(tmp_path.iterdir()) == []


def test_j12_an_empty_export_of_a_workspace_that_holds_rows_is_not_believed(
    sim: Simulator, target_of: Targets
) -> None:
    seed(sim)
    fault(sim, method="POST", path="/exports", action="job", job={"empty_file": True})
    assert target_of(sim).read("instruments").rows == 30
    assert calls(sim, EXPORTS) == 2


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({}, "instruments: the export holds 0 rows but the workspace counts 27."),
        ({"count_body": "refused"}, "The export of instruments is empty, although the workspace"),
    ],
)
def test_j12_an_export_that_stays_empty_is_given_up(
    sim: Simulator, target_of: Targets, switches: dict[str, Any], words: str, tmp_path: Path
) -> None:
    sim.configure(**switches)
    seed(sim)
    fault(sim, method="POST", path="/exports", action="job", job={"empty_file": True}, times=None)
    with pytest.raises(ExportDamaged, match=words):
        target_of(sim).read("instruments")
    assert list(tmp_path.iterdir()) == []


def test_d06_an_empty_export_of_archived_rows_alone_is_not_believed(
    sim: Simulator, target_of: Targets
) -> None:
    sim.seed([{"identifier": "gone", "name": "Gone", "type_id": "equity", "archived": True}])
    fault(sim, method="POST", path="/exports", action="job", job={"empty_file": True})
    assert identifiers(target_of(sim).read("instruments")) == ["gone"]
    assert calls(sim, EXPORTS) == 2


def test_n5_calendars_that_are_exported_need_no_pages(sim: Simulator, target_of: Targets) -> None:
    sim.configure(calendars="absent")
    assert target_of(sim).read("market_calendars").rows == 0
    seed(sim)
    assert target_of(sim).read("market_calendars").rows == 1


def test_j04_a_job_that_fails_is_made_once_more(sim: Simulator, target_of: Targets) -> None:
    seed(sim)
    script = {"status": "failed", "errors": ["node 7 restarted"]}
    fault(sim, method="POST", path="/exports", action="job", job=script)
    assert target_of(sim).read("markets").rows == 2
    fault(sim, method="POST", path="/exports", action="job", job=script, times=None)
    with pytest.raises(JobFailed) as caught:
        target_of(sim).read("markets")
    said = str(caught.value)
    assert "ended failed: node 7 restarted" in said
    assert said.endswith("It was tried 2 times. Start the restore again.")


# Every reading


@pytest.mark.parametrize("preset", ["guide", "hostile"])
def test_every_preset_tells_the_same_rows(
    make_simulator: MakeSimulator, target_of: Targets, preset: Any
) -> None:
    sim = make_simulator(preset)
    sim.configure(burst_per_second=None)
    seed(sim)
    target = target_of(sim)
    found = {kind: target.read(kind).rows for kind in RESOURCE_TYPES}
    assert found == COUNTS
    assert all(target.holds(kind) for kind in RESOURCE_TYPES)


# Ends


def test_whoever_wants_the_run_to_end_is_heard_while_rows_come(
    sim: Simulator, target_of: Targets, tmp_path: Path
) -> None:
    sim.configure(calendar_export="refused")
    seed(sim)

    def stop() -> None:
        raise RunStopped("The lease is lost.")

    for kind in ("instruments", "market_calendars"):
        with pytest.raises(RunStopped, match="lease is lost"):
            target_of(sim, stop=stop).read(kind)
    assert list(tmp_path.iterdir()) == []


def test_s21_a_folder_that_takes_nothing_is_told_with_what_to_do(
    sim: Simulator, tmp_path: Path
) -> None:
    seed(sim)
    folder = tmp_path / "gone"
    with Targets(folder) as target_of, pytest.raises(ConfigurationError) as caught:
        target_of(sim).read("instruments")
    said = str(caught.value)
    assert said.startswith(f"What the workspace holds could not be kept in {folder}: No such file")
    assert said.endswith("Make room there, or name another folder in TMPDIR, and start again.")


def test_s21_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    refused = pytest.raises(ConfigurationError, match="No space left on device")
    with closing(PackedFile(full)) as file, refused:
        file.end()
    assert not full.is_symlink()
