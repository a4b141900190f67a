"""Applying when the service stumbles: every record accounted for, nothing done twice."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from armillary.feeds.bulk import Bulk
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.flows.conftest import RunSync
from tests.flows.test_sync_instruments import accounted, names_of_task_runs, result_of
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = pytest.mark.flow

ROWS = vendor_rows(30)
CHANGED = [row | {"lot": "9"} if number < 3 else row for number, row in enumerate(ROWS)]


def held_twice(sim: Simulator) -> list[str]:
    counts = Counter(row["identifier"] for row in sim.state()["instruments"])
    return [identifier for identifier, count in counts.items() if count > 1]


def test_a_record_that_fails_for_now_gets_a_task_run_of_its_own(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.faults = [
        {
            "method": "PATCH",
            "path": "/instruments/{id}",
            "action": "status",
            "status": 503,
            "times": 4,
        }
    ]
    feed = vendor(csv_file(tmp_path / "v.csv", [CHANGED[0], *ROWS[1:]]))
    state = run_sync(sim, feed)
    assert state.name == "Completed"
    assert result_of(state).applied["update"] == 1
    runs = [name for name in names_of_task_runs(state, every=True) if name == "update co0000.ax"]
    assert len(runs) == 2, "the batch's run, and one of its own with Prefect's retries"
    assert sim.calls()["PATCH /instruments/{id}"] == 5


@pytest.mark.parametrize("action", ["drop_after", "html", "empty", "truncate"])
def test_a09_a_create_whose_answer_was_lost_is_looked_up_not_repeated(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, action: str
) -> None:
    rule: dict[str, Any] = {"method": "POST", "path": "/instruments", "action": action}
    sim.faults = [rule | {"work": True} if action in ("html", "empty") else rule]
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", vendor_rows(3))))
    assert state.name == "Completed"
    assert result_of(state).applied["create"] == 3
    assert held_twice(sim) == []
    assert sim.calls()["POST /instruments"] == 3


def test_a01_a_429_pauses_every_worker_until_retry_after(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "action": "status", "status": 429,
         "retry_after": 2, "after": 1}
    ]  # fmt: skip
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", CHANGED)))
    assert state.name == "Completed"
    writes = [entry for entry in sim.log() if entry["method"] == "PATCH"]
    [refused] = [entry["at"] for entry in writes if entry["status"] == 429]
    # What was under way when the 429 came may still arrive; nothing starts before its time.
    later = [entry["at"] - refused for entry in writes if entry["at"] - refused > 0.25]
    assert later
    assert min(later) >= 1.95


def test_a04_a_used_up_quota_stops_the_run_at_once(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    feed = vendor(
        csv_file(tmp_path / "v.csv", [row | {"lot": "9"} for row in ROWS[:12]] + ROWS[12:])
    )
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "action": "status", "status": 429,
         "headers": {"X-RateLimit-Remaining": "0"}, "times": None, "after": 2}
    ]  # fmt: skip
    state = run_sync(sim, feed)
    result = result_of(state)
    assert state.name == "Failed"
    assert accounted(result)
    assert result.applied["update"] == 2
    assert result.not_attempted > 0
    assert sim.calls()["PATCH /instruments/{id}"] <= 2 + 10
    assert "no API calls are left" in result.stopped


def test_a18_every_write_refused_stops_after_ten_and_archives_nothing(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.faults = [
        {
            "method": "PATCH",
            "path": "/instruments/{id}",
            "action": "status",
            "status": 422,
            "times": None,
        }
    ]
    changed = [row | {"lot": "9"} for row in ROWS[:28]]
    limits = {"max_update_share": 1.0}
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", changed), limits=limits))
    result = result_of(state)
    assert state.name == "TooManyRejects"
    assert "the first 10 writes failed alike" in result.stopped
    assert accounted(result)
    assert result.rejected <= 10 + 16
    assert "DELETE /instruments/{id}" not in sim.calls()


def test_a17_one_refused_record_does_not_stop_the_others(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.faults = [
        {"method": "POST", "path": "/instruments", "contains": "co0001.ax", "action": "status",
         "status": 422, "times": None}
    ]  # fmt: skip
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", vendor_rows(5))))
    result = result_of(state)
    assert state.name == "CompletedWithRejects"
    assert (result.rejected, result.applied["create"]) == (1, 4)
    assert accounted(result)


def test_a07_an_outage_that_passes_costs_nobody_a_record(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "action": "status", "status": 503,
         "times": 50}
    ]  # fmt: skip
    rows = [row | {"lot": "9"} if number < 14 else row for number, row in enumerate(ROWS)]
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", rows)))
    assert state.name == "Completed"
    assert result_of(state).applied["update"] == 14


def test_a07_an_outage_that_stays_ends_the_run_and_archives_nothing(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARMILLARY_OUTAGE_SECONDS", "1")
    sim.seed(seeded(ROWS))
    feed = vendor(
        csv_file(tmp_path / "v.csv", [row | {"lot": "9"} for row in ROWS[:14]] + ROWS[14:29])
    )
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "action": "status", "status": 503,
         "times": None},
        {"method": "GET", "path": "/", "action": "status", "status": 503, "times": None,
         "after": 1},
    ]  # fmt: skip
    state = run_sync(sim, feed)
    result = result_of(state)
    assert state.name == "Failed"
    assert "Ptolemy is down: 10 records in a row failed for now" in result.stopped
    assert accounted(result)
    assert result.applied["archive"] == 0
    assert "DELETE /instruments/{id}" not in sim.calls()


def test_a19_a_token_revoked_in_the_middle_stops_the_run(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "action": "status", "status": 401,
         "times": None, "after": 4}
    ]  # fmt: skip
    rows = [row | {"lot": "9"} if number < 14 else row for number, row in enumerate(ROWS)]
    result = result_of(run_sync(sim, vendor(csv_file(tmp_path / "v.csv", rows))))
    assert result.state == "Failed"
    assert accounted(result)
    assert result.applied["update"] == 4
    assert result.unknown == 0, "a refused token means that nothing was done"
    assert "token" in result.stopped


def test_a20_an_item_quota_stops_creates_and_says_so(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.configure(items=33)
    rows = [ROWS[0] | {"lot": "9"}, *ROWS[1:], *vendor_rows(36)[30:]]
    result = result_of(run_sync(sim, vendor(csv_file(tmp_path / "v.csv", rows))))
    assert accounted(result)
    assert result.applied["create"] == 3
    assert "quota" in result.stopped or any("quota" in reason for reason in result.rejected_because)


def test_a22_a_create_that_turns_out_to_exist_is_made_equal(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    """Somebody creates the record between the reading and the write."""
    [other] = seeded([ROWS[1] | {"lot": "5"}])
    sim.faults = [
        {"method": "POST", "path": "/instruments", "contains": "co0001.ax",
         "action": "status", "status": 409, "body": "{}"},
        {"method": "GET", "path": "/instruments", "action": "change_between_pages",
         "changes": [{"method": "POST", "path": "/instruments", "json": other}]},
    ]  # fmt: skip
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", ROWS[:3])))
    assert state.name == "Completed"
    assert held_twice(sim) == []
    [row] = [row for row in sim.state()["instruments"] if row["identifier"] == "co0001.ax"]
    assert row["field_values"]["lot_size"] == "1.5"


def test_a05_calls_that_others_use_up_meanwhile_leave_the_reserve_alone(
    make_simulator: MakeSimulator, run_sync: RunSync, tmp_path: Path
) -> None:
    """There was enough when the plan was made; then somebody else spends two hundred calls."""
    sim = make_simulator(api_calls=300)
    sim.seed(seeded(ROWS))
    sim.faults = [
        {"method": "PATCH", "path": "/instruments/{id}", "action": "delay", "seconds": 1.0,
         "times": None}
    ]  # fmt: skip
    rows = [row | {"lot": "9"} for row in ROWS]
    feed = vendor(
        csv_file(tmp_path / "v.csv", rows), limits={"max_update_share": 1.0}, reserve_calls=100
    )
    with ThreadPoolExecutor(1) as somebody_else:
        spending = somebody_else.submit(spend, sim, 200)
        result = result_of(run_sync(sim, feed, max_in_flight=2))
        spending.result()
    assert result.state == "Failed"
    assert accounted(result)
    assert result.applied["update"] > 0
    assert result.not_attempted > 0
    assert "calls are left in the billing period and 100 are reserved (reserve_calls)" in (
        result.stopped
    )
    assert sum(sim.calls().values()) + 1 < 300 - 40, "what is left is for tonight's backup"


def spend(sim: Simulator, calls: int) -> None:
    """Use up calls as soon as the first write is there."""
    while "PATCH /instruments/{id}" not in sim.calls():
        time.sleep(0.02)
    token = {"Authorization": f"Bearer {sim.token}"}
    with httpx.Client(base_url=sim.workspace_url, headers=token, trust_env=False) as client:
        for _ in range(calls):
            client.get("/instruments/nobody")


def test_a38_webhook_deliveries_are_forecast_and_can_refuse_a_plan(
    make_simulator: MakeSimulator, run_sync: RunSync, tmp_path: Path
) -> None:
    """Each write costs two calls more here: the plan says so, and the quota counts them."""
    webhooks = [{"subscriptions": ["*"]}, {"subscriptions": ["instrument.created"]}]
    sim = make_simulator(api_calls=90, workspaces=[{"slug": "demo", "webhooks": webhooks}])
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS), bulk=Bulk(mode="never"))
    state = run_sync(sim, feed)
    result = result_of(state)
    assert state.name == "Failed"
    assert result.calls.deliveries == 60
    assert result.stopped.startswith("the plan needs 90 more calls, and ")
    assert "POST /instruments" not in sim.calls()
