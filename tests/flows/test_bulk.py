"""The flow in bulk: what is sent, what the result says, and that it can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from armillary.sync.report import route_told
from simulator import Simulator
from tests.flows.conftest import RunRevert, RunSync
from tests.flows.test_sync_instruments import accounted, names_of_task_runs, result_of
from tests.sync.chain import csv_file, vendor, vendor_rows

pytestmark = pytest.mark.flow

ROWS = vendor_rows(230)


@pytest.fixture(autouse=True)
def _jobs_are_soon_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.01")


def in_bulk(path: Path, rows: list[dict[str, str]]) -> Any:
    return vendor(csv_file(path, rows), bulk={"mode": "always"}, limits={"max_update_share": 1.0})


def posted(sim: Simulator, method: str, path: str) -> int:
    return sum(entry["template"] == path and entry["method"] == method for entry in sim.log())


def test_a_load_and_its_changes_go_by_imports_and_can_be_undone(
    sim: Simulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path
) -> None:
    path = tmp_path / "v.csv"
    first = run_sync(sim, in_bulk(path, ROWS))
    loaded = result_of(first)
    assert first.name == "Completed"
    assert accounted(loaded)
    assert loaded.applied["create"] == 230
    assert posted(sim, "POST", "/instruments") == 0
    assert posted(sim, "POST", "/imports") == 1
    assert loaded.calls.used == loaded.calls.forecast
    assert loaded.calls.used < 20
    assert loaded.route
    assert loaded.route["in_bulk"]
    assert "the feed says bulk.mode: always" in loaded.route["because"]
    assert {"import records 1 to 230", "read 230 records back"} <= set(names_of_task_runs(first))
    chosen, month = route_told(loaded)
    assert chosen.startswith("Changes are written in bulk, by import jobs: the feed says bulk.mode")
    assert "Writing takes 230 calls and about 5 s one by one and 8 calls and about 2 s" in chosen
    assert month.startswith("22 such runs, one each weekday of a month, would take 352 calls; ")
    before = sim.digest()

    sim.reset_calls()
    changed = [row | {"lot": "77", "name": ""} for row in ROWS[:40]]
    second = run_sync(sim, in_bulk(path, [*changed, *ROWS[40:-1]]))
    updated = result_of(second)
    assert second.name == "Completed"
    assert (updated.applied["update"], updated.applied["archive"]) == (40, 1)
    assert posted(sim, "PATCH", "/instruments/{id}") == 0
    assert posted(sim, "POST", "/imports") == 2, "one update was tried alone"
    assert updated.route
    assert updated.route["reading"].startswith("by an export job: 230 records")
    lots = [row["field_values"]["lot_size"] for row in sim.state()["instruments"]]
    assert lots.count("77") == 40

    undone = run_revert(sim, updated.run_id)
    assert undone.name == "Completed"
    assert sim.digest() == before


def test_a_workspace_that_stores_values_its_own_way_is_remembered(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.configure(number_text="rounded6")
    rows = [row | {"lot": "1.23456789"} for row in ROWS]
    state = run_sync(sim, in_bulk(tmp_path / "v.csv", rows))
    result = result_of(state)
    assert state.name == "Completed"
    assert result.applied["create"] == 230
    assert posted(sim, "PATCH", "/instruments/{id}") == 20
    assert any("stores lot_size otherwise than sent for 230 records" in w for w in result.warnings)
    again = result_of(run_sync(sim, in_bulk(tmp_path / "v.csv", rows)))
    assert again.unchanged == 230, "what is stored otherwise is remembered"
