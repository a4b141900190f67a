"""What is released for a run whose process is gone, from nothing but its run record and blocks."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

import flows
from armillary.backup.journal import Coverage, Journal, JournalKeeper
from armillary.backup.place import BucketPlace
from armillary.clock import SystemClock
from armillary.runs.lease import Lease, LeaseRecord, held, lease_of
from armillary.runs.store import RunStore, open_store
from armillary.runs.under_way import ImportNote, UnderWay
from simulator import Config, Simulator
from tests.backup.conftest import NAME, place, s3, s3_server
from tests.runs.s3 import LoopbackS3
from tests.sync.chain import open_client

__all__ = ["place", "s3", "s3_server"]

ROOT = Path(__file__).resolve().parents[2]

READING = {"compare-backups", "compare-venue"}


def every_flow() -> dict[str, Flow[Any, Any]]:
    modules = [import_module(f"flows.{found.name}") for found in iter_modules(flows.__path__)]
    found = [value for module in modules for value in vars(module).values()]
    return {value.name: value for value in found if isinstance(value, Flow)}


def test_p04_every_flow_that_writes_is_cleaned_up_after() -> None:
    """The runner calls hooks by keyword: another name of a parameter is only logged."""
    assert len(every_flow()) == 10
    for name, flow in every_flow().items():
        asked = [hook.__name__ for hook in flow.on_cancellation_hooks]
        crashed = [hook.__name__ for hook in flow.on_crashed_hooks]
        if name in READING:
            assert (asked, crashed) == ([], ["tell_crash"]), name
            continue
        assert (asked, crashed) == (["clean_up"], ["tell_crash", "clean_up"]), name
        for hook in (*flow.on_cancellation_hooks, *flow.on_crashed_hooks):
            assert list(inspect.signature(hook).parameters) == ["flow", "flow_run", "state"]


def test_no_flow_is_started_again_by_prefect() -> None:
    """A returned Failed with retries ends Crashed; and a second start is a person's decision."""
    for name, flow in every_flow().items():
        assert (flow.retries, flow.retry_delay_seconds) == (0, 0), name
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        said = yaml.safe_dump(deployment).lower()
        assert "retries" not in said, deployment["name"]
        assert "retry" not in said, deployment["name"]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the log of the run says."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("prefect.flow_runs"), Kept()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(level)
    logger.removeHandler(handler)


@pytest.fixture
def store(runs_folder: Path) -> RunStore:
    return open_store(str(runs_folder))


@pytest.fixture
def target() -> Iterator[Simulator]:
    with Simulator(Config(seed=2, job_polls=1000)) as sim:
        yield sim


def run_of(flow_name: str, **references: str) -> FlowRun:
    """As a worker's runner knows it: its parameters are references to stored blocks."""
    given = {key: {"$ref": {"block_document_slug": slug}} for key, slug in references.items()}
    with get_client(sync_client=True) as client:
        return client.create_flow_run(every_flow()[flow_name], parameters=given | {"into": "demo"})


def clean(run: FlowRun, flow_name: str) -> None:
    [hook] = every_flow()[flow_name].on_cancellation_hooks
    hook(flow=every_flow()[flow_name], flow_run=run, state=Cancelling())


def left_held(store: RunStore, workspace: str, operation: str, run_id: str) -> Lease:
    """A lease whose owner was killed: nobody renews it, and nobody gives it back."""
    lease = Lease(
        store,
        workspace,
        operation,
        owner=f"run {run_id}",
        life_seconds=120,
        margin_seconds=30,
        clock=SystemClock(),
    )
    lease._take()
    lease.under_way.begin(lease._note())
    return lease


def record(store: RunStore, lease: Lease) -> LeaseRecord:
    found = lease_of(store, lease.key, "it")
    assert found is not None
    return found[0]


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_p03_the_import_of_a_killed_restore_is_cancelled_and_its_lease_given_back(
    target: Simulator, store: RunStore, said: list[str]
) -> None:
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings

    block = PtolemyWorkspace(url=f"{target.url}/v1", workspace="demo", token=target.token)
    block.save("clean-up", overwrite=True)
    run = run_of("restore-workspace", target="ptolemy-workspace/clean-up")
    with open_client(target) as ptolemy:
        there = ptolemy.workspace().id
        own = ptolemy.imports.create(b"[]", resource_type="markets")
        others = ptolemy.imports.create(b"[]", resource_type="instruments")
        lease = left_held(store, there, "restore", str(run.id))
        lease.under_way.begin(ImportNote(there, own.id, "markets"))

        clean(run, "restore-workspace")

        assert ptolemy.imports.get(own.id).status == "cancelled"
        assert not ptolemy.imports.get(others.id).is_final, "somebody else's"
    assert record(store, lease).released_at is not None
    assert lease.under_way.notes() == []
    assert said == [
        f"Cancelled the import of markets (job {own.id})",
        f"Gave back the lease on 'restore' of workspace '{there}'",
    ]
    with held(store, there, "restore", owner="run next"):
        said.clear()
        clean(run, "restore-workspace")
    assert said == ["Nothing of this run was left to release"]


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_p03_a_ptolemy_that_refuses_keeps_no_lease(
    target: Simulator, store: RunStore, said: list[str]
) -> None:
    """What cannot be released is told, with what to do, and stays noted for a second call."""
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings

    block = PtolemyWorkspace(url=f"{target.url}/v1", workspace="demo", token="made-up-token")
    block.save("clean-up", overwrite=True)
    run = run_of("restore-workspace", target="ptolemy-workspace/clean-up")
    lease = left_held(store, "w-1", "restore", str(run.id))
    lease.under_way.begin(note := ImportNote("w-1", "j-1", "markets"))

    clean(run, "restore-workspace")

    assert said[0].startswith(
        "The import of markets (job j-1) could not be cancelled: cancel it in Ptolemy or let it "
        "end, the next run that imports into that workspace waits for it. GET / 401: "
    )
    assert said[1:] == ["Gave back the lease on 'restore' of workspace 'w-1'"]
    assert "made-up-token" not in " ".join(said)
    assert record(store, lease).released_at is not None
    assert lease.under_way.notes() == [note]


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_p03_a_lease_that_another_run_took_over_is_left_alone(
    store: RunStore, said: list[str]
) -> None:
    run = run_of("sync-instruments")
    lease = left_held(store, "w-1", "sync-vendor", str(run.id))
    # As after its end, and by a run that names itself alike: a second start of the same run.
    store.delete(lease.key)
    other = left_held(store, "w-1", "sync-vendor", str(run.id))
    other.under_way.end(other._note())

    clean(run, "sync-instruments")

    assert record(store, lease).released_at is None
    assert said == []
    assert lease.under_way.notes() == []


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_p03_the_uploads_of_a_killed_backup_are_ended_and_no_others(
    place: BucketPlace, s3: Any, s3_server: LoopbackS3, store: RunStore, said: list[str]
) -> None:
    from blocks import BackupStore  # noqa: PLC0415 - after the server's settings

    block = BackupStore(bucket=NAME, prefix="desk", endpoint_url=s3_server.url)
    block.save("clean-up", overwrite=True)
    run = run_of("backup-workspace", store="backup-store/clean-up")
    bucket, coverage = block.open(), Coverage(("markets",), True, None, "json", "zstd")
    for folder, run_id in {"demo/own": str(run.id), "demo/other": str(uuid4())}.items():
        begun = SystemClock().now()
        JournalKeeper(bucket, folder, Journal("b", "w-1", run_id, begun, coverage)).begin()
        s3.create_multipart_upload(Bucket=NAME, Key=f"desk/{folder}/markets.json.zst")
    lease = left_held(store, "w-1", "backup", str(run.id))

    clean(run, "backup-workspace")

    [left] = s3.list_multipart_uploads(Bucket=NAME)["Uploads"]
    assert left["Key"] == "desk/demo/other/markets.json.zst"
    assert record(store, lease).released_at is not None
    assert said == [
        "Ended the upload of demo/own/markets.json.zst",
        "Gave back the lease on 'backup' of workspace 'w-1'",
    ]


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_p04_run_records_that_cannot_be_used_are_told_and_raise_nothing(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("ARMILLARY_RUNS", f"{blocked}/runs")
    monkeypatch.setenv("ARMILLARY_LEASE_SECONDS", "never")
    clean(run_of("sync-venues"), "sync-venues")
    [line] = said
    assert line.startswith("Not released: what this run had under way. The environment has values")
    assert line.endswith("A lease ends by itself.")


def test_a_note_that_cannot_be_written_or_read_fails_nothing(
    store: RunStore, runs_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    under_way, note = UnderWay(store, "run 1"), ImportNote("w-1", "j-1", "markets")
    under_way.begin(note)
    [page] = runs_folder.rglob("under-way/*")
    assert UnderWay(store, "run 1").notes() == [note]
    assert UnderWay(store, "run 12").notes() == [], "another run's"
    page.write_text("{")
    assert under_way.notes() == []
    assert "is damaged" in caplog.text
    under_way.end(note)
    assert list(runs_folder.rglob("under-way/*")) == []
    runs_folder.joinpath("under-way").rmdir()
    runs_folder.joinpath("under-way").write_text("a file where a folder should be")
    under_way.begin(note)
    under_way.end(note)
    assert "Not noted in the run records" in caplog.text
