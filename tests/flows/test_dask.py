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
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = pytest.mark.flow

HELD = vendor_rows(120)
DELIVERED = [row | {"lot": "9"} if number % 2 else row for number, row in enumerate(HELD[10:])]
NEW = vendor_rows(270)[120:]


@contextmanager
def two_processes() -> Iterator[str]:
    """A Dask cluster of this machine that has been here before the run, by its address."""
    from distributed import LocalCluster  # noqa: PLC0415 - seconds, for this module alone

    cluster: Any = LocalCluster(
        n_workers=2, threads_per_worker=4, host="127.0.0.1", dashboard_address=None
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
    feed = vendor(
        csv_file(tmp_path / "vendor.csv", [*DELIVERED, *NEW]), limits={"max_creates": 500}
    )
    results: list[SyncResult] = []
    sims = [make_simulator(), make_simulator()]
    with two_processes() as address:
        for sim, runner in zip(sims, ("threads", address), strict=True):
            sim.seed(seeded(HELD))
            monkeypatch.setenv("ARMILLARY_TASK_RUNNER", runner)
            monkeypatch.setenv("ARMILLARY_RUNS", str(runs_folder / runner.partition(":")[0]))
            state = run_sync(sim, feed, max_in_flight=4)
            assert state.name == "Completed", state.message
            results.append(state.result())
    threads, dask = results
    assert dask.planned == {"restore": 0, "create": 150, "update": 55, "archive": 10}
    assert (dask.digest, dask.applied) == (threads.digest, threads.applied)
    assert contents(sims[0]) == contents(sims[1])
    assert dask.calls.used == dask.calls.forecast == threads.calls.used
    workspace = next(Path(runs_folder / "tcp").iterdir()).name
    done = list(read_done(open_store(str(runs_folder / "tcp")), workspace, dask.run_id))
    assert len(done) == 215
    assert sum(entry.before.get("field.lot_size") != "9" for entry in done) > 0
    assert "prefect_dask" in sys.modules
