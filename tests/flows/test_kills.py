"""SIGKILL in the middle of an apply, then again: the same end, and a record of how far it came."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_API_URL

from armillary.runs.record import has_summary, read_changes, read_done
from armillary.runs.store import open_store
from armillary.sync.plan import CHANGES
from simulator import Simulator
from tests.command import Command
from tests.flows.conftest import RunRevert
from tests.sync.chain import csv_file, open_client, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(600)]

YESTERDAY = vendor_rows(300)
TODAY = [
    *(row | {"lot": "7"} for row in YESTERDAY[:120]),
    *YESTERDAY[120:260],
    *vendor_rows(400)[300:],
]
LEASE_SECONDS = 3.0
NEXT_LEASE_SECONDS = 8.0
"""Of the run here that undoes the killed one: long enough for a busy machine."""
KILLS = 3
"""By hand ten and more: each takes ten seconds, most of them waiting for the lease."""


def feed_file(folder: Path) -> str:
    csv_file(folder / "vendor.csv", TODAY)
    definition = vendor(folder / "vendor.csv").model_dump(exclude_unset=True)
    path = folder / "vendor.yaml"
    path.write_text(yaml.safe_dump(definition))
    return str(path)


def start(sim: Simulator, feed: str, runs: Path) -> Command:
    known = dict(os.environ) | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "ARMILLARY_RUNS": str(runs),
        "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
        "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
        "ARMILLARY_PTOLEMY_TOKEN": sim.token,
        "ARMILLARY_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    return Command(["sync", "--feed", feed, "--mode", "apply"], known)


def writes(sim: Simulator) -> int:
    return sum(
        count
        for call, count in sim.calls().items()
        if call.startswith(("PATCH", "DELETE")) or call == "POST /instruments"
    )


def test_kills_at_random_moments_end_like_a_run_without(
    sim: Simulator, prefect_server: None, tmp_path: Path, runs_folder: Path
) -> None:
    sim.seed(seeded(YESTERDAY))
    sim.faults = [
        {"path": path, "method": method, "action": "delay", "seconds": 0.1, "times": None}
        for method, path in [
            ("PATCH", "/instruments/{id}"),
            ("DELETE", "/instruments/{id}"),
            ("POST", "/instruments"),
        ]
    ]  # fmt: skip
    feed = feed_file(tmp_path)
    moment = random.Random(20261120)
    kills = 0
    for _ in range(KILLS):
        before, planned = writes(sim), moment.randint(3, 22)
        process = start(sim, feed, runs_folder)
        deadline = time.monotonic() + 60
        while writes(sim) < before + planned and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for_the_lease(runs_folder)
    assert kills == KILLS, "each kill hit a run at work"
    sim.faults = []
    last = start(sim, feed, runs_folder)
    assert last.wait(timeout=60) == 0

    state = sim.state()["instruments"]
    assert [key for key, n in Counter(row["identifier"] for row in state).items() if n > 1] == []
    active = {row["identifier"]: row for row in state if not row["archived"]}
    assert set(active) == {row["id"] for row in TODAY}
    assert all(active[row["id"]]["field_values"]["lot_size"] == "7" for row in YESTERDAY[:120])
    archived = {row["identifier"] for row in state if row["archived"]}
    assert archived == {row["id"] for row in YESTERDAY[260:]}
    the_records_tell_each_part(sim, runs_folder)


def wait_for_the_lease(runs: Path) -> None:
    """A killed run's lease ends by itself; the next run must not start before."""
    free_seconds = LEASE_SECONDS + NEXT_LEASE_SECONDS / 4 + 0.5
    [lease] = runs.rglob("leases/*.json")
    time.sleep(max(0.0, lease.stat().st_mtime + free_seconds - time.time()))


def the_records_tell_each_part(sim: Simulator, runs: Path) -> None:
    """What each run planned and did is readable, killed or not, and together it is everything."""
    store = open_store(str(runs))
    here = workspace_id(sim)
    run_ids = [folder.name for folder in (runs / here / "runs").iterdir()]
    assert len(run_ids) == KILLS + 1
    planned: set[str] = set()
    for run_id in run_ids:
        changes = set(read_changes(store, here, run_id, CHANGES)["identifier"])
        applied = {done.identifier for done in read_done(store, here, run_id)}
        assert applied <= changes
        planned |= changes
    unchanged = {row["id"] for row in YESTERDAY[120:260]}
    assert planned == {row["id"] for row in [*YESTERDAY, *TODAY]} - unchanged
    ended = [run_id for run_id in run_ids if has_summary(store, here, run_id)]
    assert len(ended) == 1


def workspace_id(sim: Simulator) -> str:
    with open_client(sim) as ptolemy:
        return ptolemy.workspace().id


def test_a_killed_run_can_be_undone(
    sim: Simulator,
    run_revert: RunRevert,
    tmp_path: Path,
    runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sim.seed(seeded(YESTERDAY))
    before = {row["identifier"]: row for row in sim.state()["instruments"]}
    process = start(sim, feed_file(tmp_path), runs_folder)
    while writes(sim) < 150 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for_the_lease(runs_folder)
    monkeypatch.setenv("ARMILLARY_LEASE_SECONDS", str(NEXT_LEASE_SECONDS))
    [run] = (runs_folder / workspace_id(sim) / "runs").iterdir()
    state = run_revert(sim, run.name)
    digest = state.result(raise_on_failure=False).digest
    if state.name == "Withheld":
        state = run_revert(sim, run.name, approve=digest)
    assert state.name == "Completed"
    after = {row["identifier"]: row for row in sim.state()["instruments"] if not row["archived"]}
    assert after == before
