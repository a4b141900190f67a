"""Batches of a sync in other processes: the same end by another way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from armillary.runs.record import read_done
from armillary.runs.store import open_store
from armillary.sync.outcome import SyncResult
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.flows.conftest import RunSync
from tests.flows.test_dask_tls import Authority, configured
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.long, pytest.mark.timeout(600)]

HELD = vendor_rows(300)
DELIVERED = [row if number % 3 else row | {"lot": "9"} for number, row in enumerate(HELD[10:])]
NEW = vendor_rows(420)[300:]


@contextmanager
def two_processes(**more: Any) -> Iterator[str]:
    """A Dask cluster of this machine that has been here before the run, by its address."""
    from distributed import LocalCluster  # noqa: PLC0415 - seconds, for this module alone

    make: Any = LocalCluster
    cluster = make(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", **more
    )
    with cluster:
        yield cluster.scheduler_address


def contents(sim: Simulator) -> list[tuple[Any, ...]]:
    rows = sim.state()["instruments"]
    return sorted(
        (row["identifier"], row["name"], bool(row["archived"]), sorted(row["field_values"].items()))
        for row in rows
    )


def test_two_processes_come_to_the_same_end_as_threads(
    make_simulator: MakeSimulator,
    run_sync: RunSync,
    tmp_path: Path,
    runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delivery = csv_file(tmp_path / "vendor.csv", [*DELIVERED, *NEW])
    feed = vendor(delivery)
    results: list[SyncResult] = []
    sims = [make_simulator(), make_simulator()]
    with two_processes() as address:
        for sim, runner in zip(sims, ("threads", address), strict=True):
            sim.seed(seeded(HELD))
            monkeypatch.setenv("ARMILLARY_TASK_RUNNER", runner)
            monkeypatch.setenv("ARMILLARY_RUNS", str(runs_folder / runner.partition(":")[0]))
            state = run_sync(sim, feed, max_in_flight=2)
            assert state.name == "Completed", state.message
            results.append(state.result())
    threads, dask = results
    assert dask.planned == {"restore": 0, "create": 120, "update": 97, "archive": 10}
    assert (dask.digest, dask.applied) == (threads.digest, threads.applied)
    assert contents(sims[0]) == contents(sims[1])
    assert dask.calls.used == dask.calls.forecast == threads.calls.used
    (record,) = (runs_folder / "tcp").glob(f"*/runs/{dask.run_id}")
    workspace = record.parents[1].name
    done = list(read_done(open_store(str(runs_folder / "tcp")), workspace, dask.run_id))
    assert len(done) == 227
    assert sum(entry.before.get("field.lot_size") != "9" for entry in done) > 0
    assert "prefect_dask" in sys.modules


def test_a_cluster_behind_tls_does_the_same(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "tls")
    sim.seed(seeded(HELD))
    feed = vendor(csv_file(tmp_path / "vendor.csv", [*DELIVERED, *NEW]))
    with two_processes(protocol="tls://", security=authority.security) as address:
        assert address.startswith("tls://127.0.0.1:")
        monkeypatch.setenv("ARMILLARY_TASK_RUNNER", address)
        state = run_sync(sim, feed, max_in_flight=2)
        assert state.is_failed()
        assert "names no certificates" in state.message
        assert len(sim.state()["instruments"]) == len(HELD)
        with configured(authority.named):
            state = run_sync(sim, feed, max_in_flight=2)
    assert state.name == "Completed", state.message
    assert state.result().applied["create"] == len(NEW)
