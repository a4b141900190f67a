"""Two runs of each flow that writes, at once: one works, the other says who does (S13).

Both are real. The first stands still for as long as the second takes, right after its lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from armillary.backup.place import BucketPlace
from armillary.runs.under_way import LeaseNote, Note, UnderWay
from simulator import Config, Simulator
from simulator.config import WorkspaceConfig
from tests.backup.conftest import place, s3, s3_server, shelf
from tests.backup.made import Shelf
from tests.restore.small import Small, backed_up, copied, target
from tests.sync.chain import csv_file, vendor, vendor_rows
from tests.venues.conftest import config_of

__all__ = ["backed_up", "copied", "place", "s3", "s3_server", "shelf", "target"]

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server")]

Run = Callable[[], Any]

PATIENCE_SECONDS = 100.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.05")


@pytest.fixture
def one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], tuple[Any, Any]]:
    """Start a run twice: the final states of the first, which has the lease, and the second."""
    holds, goes_on = threading.Event(), threading.Event()
    begin = UnderWay.begin

    def and_wait(self: UnderWay, note: Note) -> None:
        begin(self, note)
        if isinstance(note, LeaseNote) and not holds.is_set():
            holds.set()
            goes_on.wait(PATIENCE_SECONDS)

    def run(start: Run) -> tuple[Any, Any]:
        monkeypatch.setattr(UnderWay, "begin", and_wait)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(start)
            try:
                assert holds.wait(PATIENCE_SECONDS), first.result()
                second = start()
            finally:
                goes_on.set()
            return first.result(PATIENCE_SECONDS), second

    return run


def check(first: Any, second: Any, subject: str, *, at: str = "Completed") -> None:
    assert first.name == at, first.message
    assert (second.name, second.is_completed()) == ("AlreadyRunning", True), second.message
    owner = f"run {first.state_details.flow_run_id}"
    assert f"Another run is working on {subject}: {owner}, since 20" in second.message
    assert "Its lease lasts until 20" in second.message
    assert "is renewed while it works" in second.message


@pytest.fixture
def workspace(sim: Simulator) -> Any:
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings

    return PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)


@pytest.fixture
def store(place: BucketPlace) -> Any:
    from blocks import BackupStore  # noqa: PLC0415 - after the server's settings

    return BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)


def test_a_sync(
    sim: Simulator,
    workspace: Any,
    tmp_path: Path,
    one_after_the_other: Callable[[Run], tuple[Any, Any]],
) -> None:
    from blocks import FileFeed  # noqa: PLC0415 - after the server's settings
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    whole = vendor(csv_file(tmp_path / "v.csv", vendor_rows(2)), scope="all", missing="keep")
    feed = FileFeed(**dict(whole))
    subject = f"'sync-vendor' of workspace '{sim.store.id}'"
    first, second = one_after_the_other(
        lambda: sync_instruments(workspace, feed, mode="apply", return_state=True)
    )
    check(first, second, subject)
    assert len(sim.state()["instruments"]) == 2


def test_an_undoing(
    sim: Simulator,
    workspace: Any,
    tmp_path: Path,
    one_after_the_other: Callable[[Run], tuple[Any, Any]],
) -> None:
    from blocks import FileFeed  # noqa: PLC0415 - after the server's settings
    from flows.revert_run import revert_run  # noqa: PLC0415
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    whole = vendor(csv_file(tmp_path / "v.csv", vendor_rows(2)), scope="all", missing="keep")
    done: Any = sync_instruments(
        workspace, FileFeed(**dict(whole)), mode="apply", return_state=True
    )
    run_id = done.result().run_id
    planned: Any = revert_run(workspace, run_id, return_state=True)
    first, second = one_after_the_other(
        lambda: revert_run(
            workspace, run_id, mode="apply", approve=planned.result().digest, return_state=True
        )
    )
    check(first, second, f"'sync-vendor' of workspace '{sim.store.id}'")


def test_a_backup(
    sim: Simulator,
    workspace: Any,
    store: Any,
    one_after_the_other: Callable[[Run], tuple[Any, Any]],
) -> None:
    from flows.backup_workspace import backup_workspace  # noqa: PLC0415

    first, second = one_after_the_other(
        lambda: backup_workspace(workspace, store, resource_types=["markets"], return_state=True)
    )
    check(first, second, f"'backup' of workspace '{sim.store.id}'")


def test_a_restore(
    backed_up: Small,
    copied: None,
    target: Simulator,
    store: Any,
    one_after_the_other: Callable[[Run], tuple[Any, Any]],
) -> None:
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.restore_workspace import restore_workspace  # noqa: PLC0415

    into = PtolemyWorkspace(url=f"{target.url}/v1", workspace="demo", token=target.token)
    first, second = one_after_the_other(
        lambda: restore_workspace(
            store, into, "demo", resource_types=["markets"], mode="apply", return_state=True
        )
    )
    check(first, second, f"'restore' of workspace '{target.store.id}'")
    assert len(target.state()["markets"]) == backed_up.rows["markets"]


@pytest.fixture
def scratch() -> Iterator[Simulator]:
    with Simulator(Config(seed=3, workspaces=[WorkspaceConfig(slug="scratch")])) as sim:
        yield sim


def test_a_drill(
    backed_up: Small,
    copied: None,
    scratch: Simulator,
    store: Any,
    one_after_the_other: Callable[[Run], tuple[Any, Any]],
) -> None:
    """A restore into the scratch workspace, with the same lease as any other."""
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.verify_backup import verify_backup  # noqa: PLC0415

    token = scratch.token_for("member")
    there = PtolemyWorkspace(url=f"{scratch.url}/v1", workspace="scratch", token=token)
    first, second = one_after_the_other(
        lambda: verify_backup(store, depth="restore", scratch=there, sample=1, return_state=True)
    )
    check(first, second, f"'restore' of workspace '{scratch.store.id}'")


def test_a_pruning(
    store: Any, shelf: Shelf, one_after_the_other: Callable[[Run], tuple[Any, Any]]
) -> None:
    from flows.prune_backups import prune_backups  # noqa: PLC0415 - after the server's settings

    tonight = datetime.now(UTC).replace(hour=0, minute=0, second=0)
    for nights in range(2):
        shelf.backup(f"{tonight - timedelta(days=nights):%Y-%m-%dT%H-%M-%SZ}")
    first, second = one_after_the_other(
        lambda: prune_backups(store, keep_last=1, mode="apply", return_state=True)
    )
    check(first, second, "'prune' of workspace 'demo'")


@pytest.fixture
def exchange() -> Iterator[Simulator]:
    with Simulator(config_of("BINANCE")) as sim:
        yield sim


@pytest.fixture
def account(exchange: Simulator) -> Any:
    from blocks import CadenzaAccount  # noqa: PLC0415 - after the server's settings

    found = exchange.cadenza
    return CadenzaAccount(url=exchange.cadenza_url, email=found.email, password=found.password)


def test_a_refresh_of_a_venue(
    account: Any, exchange: Simulator, one_after_the_other: Callable[[Run], tuple[Any, Any]]
) -> None:
    from flows.sync_venues import sync_venues  # noqa: PLC0415 - after the server's settings

    first, second = one_after_the_other(
        lambda: sync_venues(account, venues=["BINANCE"], return_state=True)
    )
    check(first, second, f"venue BINANCE of Cadenza {account.environment}")
    assert len(exchange.cadenza.syncs) == 1


def test_a_publish(
    account: Any, exchange: Simulator, one_after_the_other: Callable[[Run], tuple[Any, Any]]
) -> None:
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.publish_venue import publish_venue  # noqa: PLC0415

    into = PtolemyWorkspace(url=f"{exchange.url}/v1", workspace="demo", token=exchange.token)
    first, second = one_after_the_other(
        lambda: publish_venue(account, "BINANCE", into, mode="apply", return_state=True)
    )
    check(first, second, f"venue BINANCE of Cadenza {account.environment}")
    assert len(exchange.cadenza.syncs) == 1
