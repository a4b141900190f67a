"""SIGKILL of a real run at a step, then again: no file is imported twice, the end is the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from armillary.backup.place import BucketPlace
from simulator import Simulator
from tests.backup.running import in_time
from tests.command import Command
from tests.restore.small import Small, backed_up, copied, imports, target

__all__ = ["backed_up", "copied", "target"]

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(240)]

LEASE_SECONDS = 2.0
NEXT_LEASE_SECONDS = 8.0

Reached = Callable[[], bool]


@contextmanager
def submitted_and_not_answered(sim: Simulator) -> Iterator[Reached]:
    """The import of the listings exists, and its answer never comes."""
    submit = {"method": "POST", "path": "/imports", "contains": "-market_listings-"}
    sim.faults = [submit | {"action": "blackhole", "work": True}]
    yield lambda: len(sim.store.imports.table) == 3


@contextmanager
def archiving(sim: Simulator) -> Iterator[Reached]:
    """All is imported; the archived instrument is archived, and nobody heard of it."""
    archive = {"method": "DELETE", "path": "/instruments/{id}"}
    sim.faults = [archive | {"action": "blackhole", "work": True}]
    yield lambda: any(row.archived_at is not None for row in sim.store.instruments.table.rows)


STEPS = (submitted_and_not_answered, archiving)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.__name__))
def test_p01_killed_at_a_step_and_started_again(
    step: Any,
    backed_up: Small,
    copied: None,
    target: Simulator,
    place: BucketPlace,
    prefect_server: None,
    runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with step(target) as reached:
        process = start(target, place, runs_folder)
        try:
            in_time(reached, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    target.faults = []
    [lease] = runs_folder.rglob("leases/restore.json")
    ends = lease.stat().st_mtime + LEASE_SECONDS + NEXT_LEASE_SECONDS / 4 + 0.5
    time.sleep(max(0.0, ends - time.time()))

    monkeypatch.setenv("ARMILLARY_LEASE_SECONDS", str(NEXT_LEASE_SECONDS))
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.1")
    state = run_restore(target, place)

    assert state.name == "Completed", state.message
    result = state.result()
    assert result.continued
    assert {kind.resource_type: kind.imported for kind in result.types} == backed_up.rows
    once = {kind for kind in backed_up.rows if kind != "market_calendars"}
    assert imports(target) == dict.fromkeys(once, 1), "no file was imported twice"
    assert target.state() == backed_up.state


def start(sim: Simulator, place: BucketPlace, runs: Path) -> Command:
    """``armillary restore`` in a process of its own."""
    known = dict(os.environ) | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "ARMILLARY_RUNS": str(runs),
        "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
        "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
        "ARMILLARY_PTOLEMY_TOKEN": sim.token,
        "ARMILLARY_LEASE_SECONDS": str(LEASE_SECONDS),
        "ARMILLARY_POLL_SECONDS": "0.1",
        "ARMILLARY_STORE_BUCKET": place.bucket,
        "ARMILLARY_STORE_PREFIX": place.prefix,
        "ARMILLARY_STORE_ENDPOINT_URL": str(place.endpoint_url),
    }
    return Command(["restore", "--into", "demo", "--mode", "apply"], known)


def run_restore(sim: Simulator, place: BucketPlace) -> Any:
    """The final state of the flow, run here."""
    from blocks import BackupStore, PtolemyWorkspace  # noqa: PLC0415 - after its settings
    from flows.restore_workspace import restore_workspace  # noqa: PLC0415

    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
    workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
    return restore_workspace(store, workspace, "demo", mode="apply", return_state=True)
