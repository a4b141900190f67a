"""What becomes of a sync on a Dask cluster when workers are killed, or when it is cancelled."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from armillary.runs.record import read_done
from armillary.runs.store import open_store
from armillary.sync.outcome import Fate
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.flows.conftest import RunSync
from tests.flows.test_dask import two_processes
from tests.operate.desk import Desk, wait_for
from tests.servers import own_server
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.long, pytest.mark.timeout(600)]

HELD, ROWS = vendor_rows(700), vendor_rows(960)
TODAY = [*(row | {"lot": "7"} for row in HELD[:60]), *ROWS[60:]]
"""60 updates and 260 creates: three small waves of creates, then one of up to 200."""


def slowly(seconds: float) -> list[dict[str, Any]]:
    return [
        {"path": path, "method": method, "action": "delay", "seconds": seconds, "times": None}
        for method, path in [("PATCH", "/instruments/{id}"), ("POST", "/instruments")]
    ]


def creates(sim: Simulator) -> int:
    return sim.calls().get("POST /instruments", 0)


@contextmanager
def when(reached: Callable[[], bool], act: Callable[[], None]) -> Iterator[threading.Event]:
    """Do something in the middle of what the block does; the event tells that it was done."""
    over, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            if reached():
                act()
                done.set()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def pids(client: Any) -> list[int]:
    return sorted(client.run(os.getpid).values())


def recorded(sim: Simulator, runs: Path, run_id: str) -> Counter[Fate]:
    done = list(read_done(open_store(str(runs)), sim.store.id, run_id))
    return Counter(Fate(one.fate) for one in done)


def everything_is_written_once(sim: Simulator) -> None:
    rows = sim.state()["instruments"]
    assert [key for key, n in Counter(row["identifier"] for row in rows).items() if n > 1] == []
    assert {row["identifier"] for row in rows} == {row["id"] for row in TODAY}
    lots = {row["identifier"]: row["field_values"]["lot_size"] for row in rows}
    assert {lots[row["id"]] for row in HELD[:60]} == {"7"}


@pytest.mark.parametrize("victims", [1, 2])
def test_workers_that_are_killed_in_a_wave_cost_nothing_but_time(
    sim: Simulator,
    run_sync: RunSync,
    tmp_path: Path,
    runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    victims: int,
) -> None:
    """One of two, or both: their nannies start others, which look before they create."""
    from distributed import Client  # noqa: PLC0415 - seconds, for this module alone

    connect: Any = Client
    sim.seed(seeded(HELD))
    sim.faults = slowly(0.05)
    feed = vendor(csv_file(tmp_path / "vendor.csv", TODAY))
    with two_processes() as address, connect(address, set_as_default=False) as client:
        killed_ones = pids(client)[:victims]
        monkeypatch.setenv("ARMILLARY_TASK_RUNNER", address)

        def kill() -> None:
            for pid in killed_ones:
                os.kill(pid, signal.SIGKILL)

        with when(lambda: creates(sim) > 150, kill) as killed:
            state = run_sync(sim, feed, max_in_flight=4)
        assert killed.is_set(), state.message
        assert not set(killed_ones) & set(pids(client))
    assert state.name == "Completed", state.message
    result = state.result()
    assert result.applied["create"] == 260
    assert result.applied["update"] == 60
    everything_is_written_once(sim)
    assert recorded(sim, runs_folder, result.run_id) == {Fate.APPLIED: 320}


@pytest.mark.parametrize("chosen", ["dask", "an address"])
def test_a_run_that_is_cancelled_in_a_wave_stops_its_batches_and_then_gives_back_its_lease(
    tmp_path: Path, prefect_server: None, make_simulator: MakeSimulator, chosen: str
) -> None:
    from blocks import FileFeed, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    sim = make_simulator(seed=17)
    sim.seed(seeded(HELD))
    sim.faults = slowly(0.3)
    feed = FileFeed(**dict(vendor(csv_file(tmp_path / "vendor.csv", TODAY))))
    workspace = PtolemyWorkspace(
        url=f"{sim.url}/v1", workspace="demo", token=sim.token, max_in_flight=4
    )
    with two_processes() as address, own_server(tmp_path) as server:
        runner = address if chosen != "dask" else chosen
        desk = Desk(server, tmp_path, {"ARMILLARY_TASK_RUNNER": runner})
        try:
            given = {"workspace": workspace, "feed": feed}
            run_id = desk.start(sync_instruments, given, mode="apply")
            wait_for(lambda: creates(sim) > 110)
            desk.cancel(run_id)
            wait_for(lambda: desk.lease(sim, "sync-vendor").released_at is not None)
            written = creates(sim)
            run = desk.ended(run_id)
        finally:
            desk.close()
        time.sleep(2.0)
        assert creates(sim) == written, "no batch writes once the lease is given back"
    assert run.state is not None
    assert (run.state.name, run.state.message) == (
        "Cancelled",
        "Flow run was cancelled successfully.",
    )
    fates = recorded(sim, desk.runs, str(run_id))
    there = len(sim.state()["instruments"]) - len(HELD)
    # Signals reach the processes of the run's own cluster, too: they must not die of them.
    assert fates[Fate.UNKNOWN] == 0
    assert fates[Fate.APPLIED] == there
