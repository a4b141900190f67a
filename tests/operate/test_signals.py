"""Real signals to real runs of a real worker: how they end, what is left, what the next one does.

Catalogue P02, P03, P05. Each process costs seconds of imports, so one run is stopped in one way,
and the next run, here in this process, shows what it left.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from armillary.backup.place import BucketPlace
from simulator import Simulator
from tests.backup.conftest import place, s3, s3_server, shelf
from tests.backup.running import jobs_of
from tests.backup.workspace import seed
from tests.conftest import MakeSimulator
from tests.operate.desk import LEASE_SECONDS, Desk, is_alive, wait_for
from tests.restore.small import Small, backed_up, copied, imports, target
from tests.servers import own_server
from tests.sync.chain import csv_file, open_client, seeded, vendor, vendor_rows

__all__ = ["backed_up", "copied", "place", "s3", "s3_server", "shelf", "target"]

pytestmark = [pytest.mark.flow, pytest.mark.long, pytest.mark.timeout(600)]

HELD, ROWS = vendor_rows(300), vendor_rows(400)
"""A third more, which no guard withholds, neither at once nor in two runs."""
SLOWLY = {
    "method": "POST",
    "path": "/instruments",
    "action": "delay",
    "seconds": 3.0,
    "times": None,
}
"""Ten at a time: a hundred take longer than any test looks at them."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with own_server(folder) as server:
        known = {
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        desk = Desk(server, folder, known)
        yield desk
        desk.close()


@pytest.fixture(autouse=True)
def here(desk: Desk, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this process share the worker's run records."""
    monkeypatch.setenv("ARMILLARY_RUNS", str(desk.runs))
    monkeypatch.setenv("ARMILLARY_LEASE_SECONDS", str(LEASE_SECONDS))
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.1")


def test_p02_p03_a_restore_stopped_three_ways_leaves_no_import_and_ends_whole(
    desk: Desk, backed_up: Small, copied: None, target: Simulator, place: BucketPlace
) -> None:
    from blocks import BackupStore, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.restore_workspace import restore_workspace  # noqa: PLC0415

    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
    workspace = PtolemyWorkspace(url=f"{target.url}/v1", workspace="demo", token=target.token)
    target.configure(job_polls=100_000)

    def importing() -> Any:
        before = sum(imports(target).values())
        run_id = desk.start(
            restore_workspace,
            {"store": store, "target": workspace},
            into="demo",
            mode="apply",
        )
        wait_for(lambda: sum(imports(target).values()) > before)
        wait_for(lambda: len(desk.under_way(run_id)) == 2)  # the lease and the import
        return run_id

    # The button in the UI: the run itself tidies up, within the grace that Prefect gives.
    run_id = importing()
    desk.cancel(run_id)
    run = desk.ended(run_id)
    assert run.state is not None
    assert (run.state.name, run.state.message) == (
        "Cancelled",
        "Flow run was cancelled successfully.",
    )
    assert statuses(target) == ["cancelled"]
    assert desk.lease(target, "restore").released_at is not None
    wait_for(lambda: desk.said(run_id, "Nothing of this run was left to release"))

    # Out of memory, say: nothing of it runs any more, and the runner's hook tidies up.
    run_id = importing()
    os.kill(desk.process_of(), signal.SIGKILL)
    run = desk.ended(run_id)
    assert run.state is not None
    assert run.state.name == "Crashed"
    assert "Process exited with status code: -9" in str(run.state.message)
    wait_for(lambda: desk.said(run_id, "Gave back the lease on 'restore' of workspace"))
    wait_for(lambda: desk.said(run_id, "Cancelled the import of instruments (job "))
    assert statuses(target) == ["cancelled", "cancelled"]
    assert desk.lease(target, "restore").released_at is not None
    assert desk.under_way(run_id) == []

    # A supervisor ends the process: it tidies up itself, and is told as crashed.
    run_id = importing()
    os.kill(desk.process_of(), signal.SIGTERM)
    run = desk.ended(run_id)
    assert run.state is not None
    assert (run.state.name, run.state.message) == (
        "Crashed",
        "Execution was aborted by a termination signal.",
    )
    assert statuses(target) == ["cancelled"] * 3
    assert desk.lease(target, "restore").released_at is not None

    target.configure(job_polls=2)
    state: Any = restore_workspace(store, workspace, "demo", mode="apply", return_state=True)
    assert state.name == "Completed", state.message
    assert state.result().continued
    assert target.state() == backed_up.state


def test_p02_a_backup_cancelled_while_it_exports_is_gone_on_with(
    desk: Desk, place: BucketPlace, s3: Any, sim: Simulator
) -> None:
    from blocks import BackupStore, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.backup_workspace import backup_workspace  # noqa: PLC0415

    rows = seed(sim, 10, days=2)
    sim.configure(job_polls=100_000)
    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
    workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
    run_id = desk.start(backup_workspace, {"workspace": workspace, "store": store})
    wait_for(lambda: sim.calls().get("GET /exports/{id}", 0) > 5)
    desk.cancel(run_id)
    run = desk.ended(run_id)
    assert run.state is not None
    assert run.state.name == "Cancelled"
    assert desk.lease(sim, "backup").released_at is not None
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=place.bucket)
    assert jobs_of(sim)
    sim.configure(job_polls=2)
    state: Any = backup_workspace(workspace, store, return_state=True)
    assert state.name == "Completed", state.message
    result = state.result()
    assert result.continued
    assert {file.resource_type: file.rows for file in result.files} == rows
    assert set(jobs_of(sim).values()) == {1}, "its jobs are used, and not made again"


def test_p02_a_sync_cancelled_while_it_writes_is_finished_by_the_next(
    desk: Desk, make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    sim = make_simulator(seed=11)
    run_id, again = syncing(desk, sim, tmp_path)
    desk.cancel(run_id)
    run = desk.ended(run_id)
    at_the_end = len(sim.state()["instruments"])
    assert run.state is not None
    assert run.state.name == "Cancelled"
    assert at_the_end < len(ROWS)
    assert desk.lease(sim, "sync-vendor").released_at is not None
    sim.faults = []
    state = again()
    assert state.name == "Completed", state.message
    assert state.result().applied["create"] == len(ROWS) - at_the_end


def test_p05_a_worker_that_is_ended_takes_its_runs_with_it_and_the_lease_ends_by_itself(
    desk: Desk, make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    """As Prefect ends a worker it kills its flow processes: nobody is left to tidy up, or tell."""
    sim = make_simulator(seed=12)
    run_id, again = syncing(desk, sim, tmp_path)
    process = desk.process_of()
    desk.worker.terminate()
    wait_for(lambda: not is_alive(process))
    desk.close()
    run = desk.run(run_id)
    assert run.state is not None
    assert run.state.name == "Running", "until the automation for lost heartbeats sees it"
    held = desk.lease(sim, "sync-vendor")
    assert held.released_at is None
    sim.faults = []
    state = again()
    assert (state.name, state.is_completed()) == ("AlreadyRunning", True)
    since, until = (
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for at in (held.taken_at, held.expires_at)
    )
    assert f"run {run_id}, since {since}. Its lease lasts until {until}" in state.message
    assert "If that one is dead, the next start 5 seconds after" in state.message
    ends = held.expires_at.timestamp() + LEASE_SECONDS / 4
    time.sleep(max(0.0, ends - datetime.now(UTC).timestamp()))
    state = again()
    assert state.name == "Completed", state.message
    assert len(sim.state()["instruments"]) == len(ROWS)


def test_p05_the_orphan_of_a_killed_worker_keeps_its_lease_and_releases_all_itself(
    desk: Desk, make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    """Prefect's console ends a process that cannot print any more: sooner, or when all is done."""
    sim = make_simulator(seed=13)
    run_id, again = syncing(desk, sim, tmp_path)
    process = desk.process_of()
    desk.worker.kill()
    desk.close()
    state = again()
    assert state.name == "AlreadyRunning"
    assert f": run {run_id}, since " in state.message
    sim.faults = []
    run = desk.ended(run_id)
    assert run.state is not None
    assert (run.state.name, run.state.message) in {
        ("Crashed", "Execution was aborted by Python system exit call."),
        ("Completed", "Done: every planned change is applied."),
    }
    wait_for(lambda: not is_alive(process))
    assert desk.lease(sim, "sync-vendor").released_at is not None
    assert desk.under_way(run_id) == []
    missing = len(ROWS) - len(sim.state()["instruments"])
    state = again()
    assert state.name == "Completed", state.message
    assert state.result().applied["create"] == missing
    assert len(sim.state()["instruments"]) == len(ROWS)


def syncing(desk: Desk, sim: Simulator, folder: Path) -> tuple[Any, Any]:
    """A run of the worker in the middle of its writes; and the same sync, in this process."""
    from blocks import FileFeed, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    sim.seed(seeded(HELD))
    sim.faults = [SLOWLY]
    feed = FileFeed(**dict(vendor(csv_file(folder / "v.csv", ROWS))))
    workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
    run_id = desk.start(sync_instruments, {"workspace": workspace, "feed": feed}, mode="apply")
    wait_for(lambda: sim.calls().get("POST /instruments", 0) >= 20)
    return run_id, lambda: sync_instruments(workspace, feed, mode="apply", return_state=True)


def statuses(sim: Simulator) -> list[str]:
    """Of all imports that exist, as the service tells them."""
    with open_client(sim) as ptolemy:
        return [job.status for job in ptolemy.imports.list()]
