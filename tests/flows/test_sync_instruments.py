"""The flow as a person and a schedule see it: states, artifacts, task runs, and the workspace."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from armillary.errors import AccessDenied, ConfigurationError, FeedRefused
from armillary.feeds.bulk import Bulk
from armillary.sync.outcome import SyncFailed, SyncResult
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.flows.conftest import RunSync
from tests.sync.chain import csv_file, open_client, seeded, vendor, vendor_rows
from tests.task_runs import task_runs_of

pytestmark = pytest.mark.flow


def result_of(state: Any) -> SyncResult:
    answer = state.result(raise_on_failure=False)
    if isinstance(answer, SyncFailed):
        return answer.result
    assert isinstance(answer, SyncResult), answer
    return answer


def accounted(result: SyncResult) -> bool:
    return sum(result.planned.values()) == (
        sum(result.applied.values())
        + result.rejected
        + sum(result.withheld.values())
        + result.not_attempted
        + result.unknown
    )


def identifiers(sim: Simulator, *, archived: bool = False) -> set[str]:
    return {
        row["identifier"] for row in sim.state()["instruments"] if bool(row["archived"]) is archived
    }


def test_a_week_of_deliveries(sim: Simulator, run_sync: RunSync, tmp_path: Path) -> None:
    rows = vendor_rows(30)
    feed = vendor(csv_file(tmp_path / "vendor.csv", rows))

    first = run_sync(sim, feed)
    assert (first.name, result_of(first).applied["create"]) == ("Completed", 30)
    sim.reset_calls()
    again = run_sync(sim, feed)
    assert (again.name, result_of(again).unchanged) == ("Completed", 30)
    assert not any(call.startswith(("PATCH", "DELETE")) for call in sim.calls())
    assert "POST /instruments" not in sim.calls()

    changed = [*rows[:28], rows[28] | {"lot": "7"}, vendor_rows(31)[30]]
    csv_file(tmp_path / "vendor.csv", changed)
    before = sim.digest()
    planned = run_sync(sim, feed, "plan")
    assert (planned.name, sim.digest()) == ("Planned", before)
    second = result_of(run_sync(sim, feed))
    assert second.planned == {"restore": 0, "create": 1, "update": 1, "archive": 1}
    assert second.applied == second.planned
    assert second.digest == result_of(planned).digest
    assert identifiers(sim, archived=True) == {"co0029.ax"}

    csv_file(tmp_path / "vendor.csv", [*changed, rows[29] | {"name": "Back again"}])
    third = result_of(run_sync(sim, feed))
    assert third.applied == {"restore": 1, "create": 0, "update": 0, "archive": 0}
    assert len(identifiers(sim)) == 31
    for result in (second, third):
        assert accounted(result)
        assert result.calls.used == result.calls.forecast


def test_a_mass_archive_is_withheld_and_the_rest_goes_on(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    rows = vendor_rows(40)
    sim.seed(seeded(rows))
    feed = vendor(csv_file(tmp_path / "v.csv", [rows[0] | {"lot": "9"}, *rows[1:20]]))
    state = run_sync(sim, feed)
    result = result_of(state)
    assert state.name == "Withheld"
    assert state.is_completed()
    assert result.withheld["archive"] == 20
    assert result.applied["update"] == 1
    assert "20 archives of 40 active records are 50%" in state.message
    assert len(identifiers(sim)) == 40
    assert run_sync(sim, feed, "plan").name == "PlannedWithheld"


def test_rejected_rows_are_told_and_the_rest_is_done(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    rows = vendor_rows(30)
    rows[3] |= {"lot": "many"}
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", rows)))
    result = result_of(state)
    assert state.name == "CompletedWithRejects"
    assert (result.rejected_rows, result.applied["create"]) == (1, 29)
    [problem] = result.problems
    assert problem["identifier"] == "co0003.ax"
    assert "'many' is not a number" in problem["reason"]


def test_too_many_rejects_write_nothing(sim: Simulator, run_sync: RunSync, tmp_path: Path) -> None:
    rows = [row | {"lot": "many"} if n < 3 else row for n, row in enumerate(vendor_rows(30))]
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", rows)))
    assert (state.name, state.is_failed()) == ("TooManyRejects", True)
    assert "3 of 30 rows of the source were rejected; the feed allows 5%" in state.message
    assert result_of(state).not_attempted == 27
    assert not identifiers(sim)


def test_only_touches_what_is_named_and_never_archives(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    rows = vendor_rows(30)
    sim.seed(seeded(rows))
    changed = [row | {"lot": "9"} for row in rows[:25]]
    feed = vendor(csv_file(tmp_path / "v.csv", changed))
    result = result_of(run_sync(sim, feed, only=["co0001.ax", "co1.ax"]))
    assert result.planned == {"restore": 0, "create": 0, "update": 1, "archive": 0}
    assert result.warnings == ("Not in the feed, so nothing was planned for: co1.ax.",)
    assert result.state == "Completed"


def test_an_empty_only_from_a_form_means_everything(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(3)))
    assert result_of(run_sync(sim, feed, "plan", only=[])).planned["create"] == 3


def test_a_viewer_can_plan_but_not_apply(sim: Simulator, run_sync: RunSync, tmp_path: Path) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(30)))
    viewer = sim.token_for("viewer")
    assert run_sync(sim, feed, "plan", token=viewer).name == "Planned"
    state = run_sync(sim, feed, token=viewer)
    result = result_of(state)
    assert state.name == "Failed"
    assert "403" in result.stopped
    assert accounted(result)
    assert sim.calls()["POST /instruments"] <= 16
    assert not identifiers(sim)


def test_a19_a_revoked_token_ends_the_run_before_the_source_is_read(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.revoke("member")
    state = run_sync(sim, vendor(tmp_path / "never-read.csv"))
    error = state.result(raise_on_failure=False)
    assert isinstance(error, AccessDenied)
    assert error.status == 401
    assert sum(sim.calls().values()) == 1


def test_a_type_that_is_not_there_is_told_with_who_can_make_it(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    feed = vendor(tmp_path / "v.csv", instrument_type="equities")
    error = run_sync(sim, feed).result(raise_on_failure=False)
    assert isinstance(error, ConfigurationError)
    assert "Instrument type 'equities' does not exist in workspace 'demo'" in str(error)
    assert "role Editor" in str(error)


def test_a_refused_feed_fails_the_run_with_one_sentence(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "v.csv"
    path.write_text("id,name,isin,mic,lot,listed\n")
    state = run_sync(sim, vendor(path))
    assert isinstance(state.result(raise_on_failure=False), FeedRefused)
    assert "Nothing was written." in state.message
    assert "Traceback" not in caplog.text
    assert not identifiers(sim)


def test_quota_stop_refuses_and_overage_warns(
    make_simulator: MakeSimulator, run_sync: RunSync, tmp_path: Path
) -> None:
    path = csv_file(tmp_path / "v.csv", vendor_rows(30))
    single = Bulk(mode="never")
    short = make_simulator(api_calls=30)
    state = run_sync(short, vendor(path, bulk=single))
    assert state.name == "Failed"
    assert "the plan needs 30 more calls, and" in state.message
    assert not identifiers(short)
    plenty = make_simulator(api_calls=1000)
    reserved = run_sync(plenty, vendor(path, reserve_calls=990, bulk=single), "plan")
    assert "of which 990 are reserved" in reserved.message
    billed = run_sync(plenty, vendor(path, reserve_calls=990, quota="overage", bulk=single))
    assert billed.name == "Completed"
    assert "Overage: the plan needs 30 more calls" in result_of(billed).warnings[0]


def test_where_the_quota_suffices_for_jobs_alone_the_run_takes_them(
    make_simulator: MakeSimulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim = make_simulator(api_calls=30)
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", vendor_rows(30))))
    assert state.name == "Completed"
    assert len(identifiers(sim)) == 30
    assert "POST /instruments" not in sim.calls()
    route = result_of(state).route
    assert route
    assert route["because"].startswith("only so the calls suffice that are left")


def test_an_empty_answer_from_a_workspace_that_had_records_is_refused(
    make_simulator: MakeSimulator, run_sync: RunSync, tmp_path: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(30)))
    sim = make_simulator()
    assert run_sync(sim, feed).name == "Completed"
    with open_client(sim, token=sim.token_for("admin")) as admin:
        for page in list(admin.instruments.list_pages(limit=200)):
            for row in page.rows:
                admin.instruments.hard_delete(row["id"])
    state = run_sync(sim, feed)
    assert state.name == "Failed"
    assert "30 were there after the last run" in state.message


def test_large_plans_travel_in_batches_and_small_ones_record_by_record(
    make_simulator: MakeSimulator, run_sync: RunSync, tmp_path: Path
) -> None:
    small = run_sync(make_simulator(), vendor(csv_file(tmp_path / "s.csv", vendor_rows(2))))
    assert {"create co0000.ax", "create co0001.ax"} <= set(names_of_task_runs(small))
    feed = vendor(csv_file(tmp_path / "l.csv", vendor_rows(230)), name="large")
    large = run_sync(make_simulator(), feed)
    assert result_of(large).applied["create"] == 230
    names = names_of_task_runs(large)
    assert "create co0000.ax to co0024.ax (25)" in names
    assert len([name for name in names if name.startswith("create")]) == 10


def names_of_task_runs(state: Any, *, every: bool = False) -> Collection[str]:
    """Names of the run's task runs, each once unless ``every`` one is wanted."""
    run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        names = [found.name for found in task_runs_of(client, run)]
    return names if every else set(names)
