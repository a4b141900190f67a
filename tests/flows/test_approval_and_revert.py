"""Approving what a guard withheld, undoing what a run did, and two runs at once."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from armillary.errors import ConfigurationError, LeaseHeld
from armillary.runs.lease import held
from armillary.runs.record import read_done, read_head
from armillary.runs.store import open_store
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.flows.conftest import RunRevert, RunSync
from tests.flows.test_sync_instruments import accounted, identifiers, result_of
from tests.sync.chain import csv_file, open_client, seeded, vendor, vendor_rows

pytestmark = pytest.mark.flow

ROWS = vendor_rows(60)


def workspace_id(sim: Simulator) -> str:
    with open_client(sim) as ptolemy:
        return ptolemy.workspace().id


def test_an_approved_plan_goes_through_and_nothing_else(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS[:30]))
    withheld = result_of(run_sync(sim, feed))
    assert withheld.withheld["archive"] == 30
    approved = run_sync(sim, feed, approve=withheld.digest)
    assert approved.name == "Completed"
    assert result_of(approved).applied["archive"] == 30
    assert len(identifiers(sim)) == 30


def test_a_source_that_got_worse_since_is_withheld_again(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS[:30]))
    digest = result_of(run_sync(sim, feed, "plan")).digest
    csv_file(tmp_path / "v.csv", ROWS[:10])
    state = run_sync(sim, feed, approve=digest)
    result = result_of(state)
    assert state.name == "Withheld"
    assert (result.applied["archive"], result.withheld["archive"]) == (30, 20)
    assert "20 of 50 are not in the approved plan" in state.message
    assert accounted(result)


def test_a_field_that_changed_as_a_whole_waits_for_a_person_and_the_rest_does_not(
    sim: Simulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    delivered = [row | {"lot": "1"} for row in ROWS[:58]]
    delivered[3] = delivered[3] | {"name": "Renamed"}
    limits = {"max_field_change_share": 0.5, "max_field_collapse_share": 0.2}
    feed = vendor(csv_file(tmp_path / "v.csv", delivered), limits=limits)
    state = run_sync(sim, feed)
    result = result_of(state)
    assert state.name == "Withheld"
    assert "lot_size changes in 58 of 60 active records, 96.7%; the feed allows" in state.message
    assert "lot_size gets one value where 58 of 60 active records have 58 now" in state.message
    assert result.withheld_fields == {"lot_size": 58}
    assert result.withheld == {"restore": 0, "create": 0, "update": 57, "archive": 0}
    assert result.applied == {"restore": 0, "create": 0, "update": 1, "archive": 2}
    assert accounted(result)
    now = {row["identifier"]: row for row in sim.state()["instruments"]}
    assert now["co0003.ax"]["name"] == "Renamed"
    assert now["co0003.ax"]["field_values"]["lot_size"] == "3.5"

    # What was withheld was never there: undoing the run touches the name and the archives alone.
    undone = result_of(run_revert(sim, result.run_id, "plan"))
    assert undone.planned == {"restore": 2, "create": 0, "update": 1, "archive": 0}

    again = result_of(run_sync(sim, feed, "plan"))
    approved = run_sync(sim, feed, approve=again.digest)
    assert approved.name == "Completed"
    assert result_of(approved).applied["update"] == 58
    now = {row["identifier"]: row for row in sim.state()["instruments"]}
    assert {now[row["id"]]["field_values"]["lot_size"] for row in delivered} == {"1"}


@pytest.mark.parametrize("digest", ["", "0" * 64, "../../etc"])
def test_an_unknown_digest_is_refused_before_anything_is_read(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, digest: str
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS[:5]))
    state = run_sync(sim, feed, "plan", approve=digest)
    if not digest:
        assert state.name == "Planned", "an empty field of a form is not given"
        return
    error = state.result(raise_on_failure=False)
    assert isinstance(error, ConfigurationError)
    assert "No plan with the digest" in str(error)


def test_the_plan_of_another_feed_is_refused(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    """Else a run by hand, which takes the deployment's own feed, would apply the wrong one."""
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS[:5]))
    digest = result_of(run_sync(sim, feed, "plan")).digest
    other = feed.model_copy(update={"name": "another"})
    error = run_sync(sim, other, approve=digest).result(raise_on_failure=False)
    assert isinstance(error, ConfigurationError)
    assert f"The plan {digest[:12]} is of the feed vendor, and this run is of another." in str(
        error
    )
    assert "Choose the feed vendor for this run" in str(error)
    assert not identifiers(sim)


def test_an_old_plan_cannot_be_approved(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, runs_folder: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS[:5]))
    digest = result_of(run_sync(sim, feed, "plan")).digest
    [pointer] = runs_folder.rglob(f"plans/{digest}.json")
    told = json.loads(pointer.read_text()) | {"made_at": "2026-01-01T00:00:00+00:00"}
    pointer.write_text(json.dumps(told))
    error = run_sync(sim, feed, approve=digest).result(raise_on_failure=False)
    assert "can be approved for 24 hours" in str(error)


def test_a_run_is_undone_where_nobody_changed_it_since(
    sim: Simulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path, runs_folder: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS))
    run_sync(sim, feed)
    before = sim.state()["instruments"]
    changed = [row | {"lot": "7"} if number < 4 else row for number, row in enumerate(ROWS[:56])]
    csv_file(tmp_path / "v.csv", [*changed, *vendor_rows(62)[60:]])
    done = result_of(run_sync(sim, feed))
    assert done.applied == {"restore": 0, "create": 2, "update": 4, "archive": 4}
    with open_client(sim) as desk:
        desk.instruments.patch("co0000.ax", {"field_values": {"lot_size": "8"}})
        desk.instruments.patch("co0001.ax", {"name": "Named by the desk"})

    planned = result_of(run_revert(sim, done.run_id, "plan"))
    assert planned.planned == {"restore": 4, "create": 0, "update": 3, "archive": 2}
    assert [problem["reason"] for problem in planned.problems] == ["was changed since: lot_size"]
    # A whole record that was imported may have lost fields that are none of the feed's.
    (head,) = runs_folder.glob(f"*/runs/{done.run_id}/plan.json")
    told = json.loads(head.read_text())
    told["fields"].remove("lot_size")
    head.write_text(json.dumps(told))
    undone = result_of(run_revert(sim, done.run_id))
    assert undone.planned == planned.planned
    assert undone.applied == undone.planned
    assert undone.calls.used == undone.calls.forecast

    after = {row["identifier"]: row for row in sim.state()["instruments"]}
    expected = {row["identifier"]: dict(row) for row in before}
    assert after["co0000.ax"]["field_values"]["lot_size"] == "8"
    assert after["co0001.ax"]["name"] == "Named by the desk"
    untouched = set(expected) - {"co0000.ax", "co0001.ax"}
    assert {key: after[key] for key in untouched} == {key: expected[key] for key in untouched}
    assert {"co0060.ax", "co0061.ax"} <= identifiers(sim, archived=True)
    again = result_of(run_revert(sim, done.run_id))
    assert sum(again.planned.values()) == 0


def test_a_revert_is_guarded_and_can_be_undone_itself(
    sim: Simulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS), limits={"max_archive_share": 0.5})
    loaded = result_of(run_sync(sim, feed))
    state = run_revert(sim, loaded.run_id)
    assert state.name == "Withheld"
    assert "60 archives of 60 active records are 100%" in state.message
    digest = result_of(state).digest
    undone = run_revert(sim, loaded.run_id, approve=digest)
    assert undone.name == "Completed"
    assert not identifiers(sim)
    redone = result_of(run_revert(sim, result_of(undone).run_id))
    assert redone.applied["restore"] == 60
    assert len(identifiers(sim)) == 60


def test_an_unknown_run_is_told(sim: Simulator, run_revert: RunRevert) -> None:
    error = run_revert(sim, "0000").result(raise_on_failure=False)
    assert "No run 0000 is recorded for this workspace" in str(error)


def test_the_record_tells_the_story(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, runs_folder: Path
) -> None:
    sim.seed(seeded(ROWS))
    rows = [ROWS[0] | {"lot": "9"}, ROWS[1] | {"lot": "=1+1"}, *ROWS[2:]]
    result = result_of(run_sync(sim, vendor(csv_file(tmp_path / "v.csv", rows))))
    store = open_store(str(runs_folder))
    here = workspace_id(sim)
    head = read_head(store, here, result.run_id)
    assert (head.digest, head.forecast) == (result.digest, result.calls.forecast)
    [done] = read_done(store, here, result.run_id)
    assert (done.before, done.after) == ({"field.lot_size": "0.5"}, {"field.lot_size": "9"})
    [summary] = runs_folder.rglob("summary.json")
    assert json.loads(summary.read_text())["state"] == "CompletedWithRejects"
    [rejects] = runs_folder.rglob("rejects.csv")
    [rejected] = csv.DictReader(io.StringIO(rejects.read_text()))
    assert rejected["id"] == "co0001.ax"
    assert rejected["lot"] == "'=1+1", "a spreadsheet must not run it (F23)"
    assert rejected["armillary_row"] == "3"


def test_two_runs_at_once_one_works_and_the_other_says_who(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, runs_folder: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS))
    store = open_store(str(runs_folder))
    with held(store, workspace_id(sim), "sync-vendor", owner="run of the night"):
        sim.reset_calls()
        state = run_sync(sim, feed)
        assert (state.name, state.is_completed()) == ("AlreadyRunning", True)
        assert isinstance(state.result(raise_on_failure=False), LeaseHeld)
        assert "run of the night" in state.message
        assert not identifiers(sim)
        assert run_sync(sim, feed, "plan").name == "Planned", "planning needs no lease"
    assert run_sync(sim, feed).name == "Completed"


def test_run_records_that_cannot_be_written_stop_the_run_before_it_writes(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("ARMILLARY_RUNS", str(blocked / "runs"))
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", ROWS)))
    assert isinstance(state.result(raise_on_failure=False), ConfigurationError)
    assert "Check ARMILLARY_RUNS" in state.message
    assert not identifiers(sim)


def test_a_value_the_workspace_stores_its_own_way_is_undone_too(
    make_simulator: MakeSimulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path
) -> None:
    sim = make_simulator(text_case="upper")
    whole_type = {"scope": "all", "missing": "keep"}
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(2)), **whole_type)
    run_sync(sim, feed)
    csv_file(tmp_path / "v.csv", [row | {"isin": "changed"} for row in vendor_rows(2)])
    done = result_of(run_sync(sim, feed))
    assert done.applied["update"] == 2
    undone = result_of(run_revert(sim, done.run_id))
    assert undone.applied["update"] == 2
    values = [row["field_values"]["isin"] for row in sim.state()["instruments"]]
    assert values == ["AU0000000000", "AU0000000001"]
