"""A restore drill through the flow and the command: its states, its proof, what the lists show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.listing import Overview
from armillary.backup.place import BucketPlace
from armillary.backup.verified import VerificationFailed, Verified
from simulator import Config, Simulator
from simulator.config import WorkspaceConfig
from tests.backup.by_hand import back_up
from tests.backup.workspace import seed
from tests.cli.conftest import Armillary, armillary
from tests.flows.test_traces import artifacts_of

__all__ = ["armillary"]

pytestmark = pytest.mark.flow

FOLDER = "demo/2026-11-20T02-00-00Z"

Prove = Callable[..., Any]


@pytest.fixture
def scratch() -> Iterator[Simulator]:
    workspaces = [WorkspaceConfig(slug="scratch")]
    with Simulator(Config(seed=3, workspaces=workspaces)) as sim:
        yield sim


@pytest.fixture
def backed_up(bucket: Bucket) -> Iterator[Simulator]:
    with Simulator(Config()) as sim:
        seed(sim, 10, days=2)
        back_up(sim, bucket)
        yield sim


@pytest.fixture
def prove(
    prefect_server: None,
    runs_folder: Any,
    place: BucketPlace,
    scratch: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Prove:
    """``prove(sample=3)`` returns the final state of a drill."""
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.05")
    from blocks import BackupStore, PtolemyWorkspace  # noqa: PLC0415 - after its settings
    from flows.verify_backup import verify_backup  # noqa: PLC0415

    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
    workspace = PtolemyWorkspace(
        url=f"{scratch.url}/v1", workspace="scratch", token=scratch.token_for("member")
    )

    def run(**asked: Any) -> Any:
        asked = {"depth": "restore", "scratch": workspace, **asked}
        return verify_backup(store, return_state=True, **asked)

    return run


def test_a_proven_backup_says_so_everywhere(
    backed_up: Simulator, prove: Prove, bucket: Bucket, scratch: Simulator
) -> None:
    state = prove(sample=3)
    assert (state.name, state.type.value) == ("Completed", "COMPLETED"), state.message
    assert "is proven: it was restored and came out the same" in state.message
    assert "3 instruments" in state.message
    told: Verified = state.result()
    assert told.proven
    assert told.recovery is not None
    assert told.recovery.rows == told.recovery.wanted
    assert told.recovery.rows["time_series_values"] == 6

    page = json.loads(bucket.read(f"{FOLDER}/verification.json") or b"")
    assert (page["proven"], page["sample"]) == (True, 3)
    assert page["rows"] == told.recovery.rows
    assert page["seconds"].keys() == page["rows"].keys()
    assert page["calls"] == told.recovery.calls > 0
    row = Overview(Catalogue(bucket, "demo").entries()).rows[0]
    assert "a sample of 3" in row["proven"]
    with get_client(sync_client=True) as client:
        text = "\n".join(str(it.data) for it in artifacts_of(client, state).values())
    assert "came out the same" in text
    assert scratch.token_for("member") not in text

    everything = prove(sample="all")
    assert everything.name == "Completed", everything.message
    assert "all of it" in Overview(Catalogue(bucket, "demo").entries()).rows[0]["proven"]


def test_a_service_that_changes_rows_proves_nothing(
    bucket: Bucket, prove: Prove, scratch: Simulator
) -> None:
    with Simulator(Config()) as sim:
        sim.seed([{"identifier": "BHP.AX", "name": "BHP", "type_id": "equity"}])
        back_up(sim, bucket)
    scratch.configure(identifier_case="lower")
    state = prove(sample="all")
    assert (state.name, state.type.value) == ("Failed", "FAILED")
    failure = state.result(raise_on_failure=False)
    assert isinstance(failure, VerificationFailed)
    assert "is NOT proven" in str(failure)
    assert "instruments: 1 of 1 rows did not come out as they are in the backup" in str(failure)
    assert not failure.result.proven
    page = json.loads(bucket.read(f"{FOLDER}/verification.json") or b"")
    assert page["proven"] is False
    assert "BHP.AX" in page["differences"][0]
    assert "no: a restore showed differences" in str(
        Overview(Catalogue(bucket, "demo").entries()).rows[0]["proven"]
    )


def test_a_damaged_backup_is_not_restored(
    backed_up: Simulator, prove: Prove, shelf: Any, scratch: Simulator
) -> None:
    shelf.change(f"{FOLDER}/instruments.json.zst", 20)
    state = prove(sample=3)
    assert state.name == "Failed"
    assert "instruments.json.zst" in state.message
    assert not [entry for entry in scratch.log() if entry["path"].endswith("/imports")]


def test_a_drill_without_a_scratch_workspace(prove: Prove, backed_up: Simulator) -> None:
    state = prove(scratch=None)
    assert state.name == "Failed"
    assert "Depth restore needs a scratch workspace" in state.message


@pytest.mark.slow
def test_the_command_proves_and_lists(
    backed_up: Simulator, scratch: Simulator, armillary: Armillary, place: BucketPlace
) -> None:
    environment = {
        "ARMILLARY_STORE_BUCKET": place.bucket,
        "ARMILLARY_STORE_PREFIX": place.prefix,
        "ARMILLARY_STORE_ENDPOINT_URL": str(place.endpoint_url),
        "ARMILLARY_POLL_SECONDS": "0.05",
        "ARMILLARY_PTOLEMY_URL": f"{scratch.url}/v1",
        "ARMILLARY_SCRATCH_WORKSPACE": "scratch",
        "ARMILLARY_SCRATCH_TOKEN": scratch.token_for("member"),
    }
    said = armillary("verify", "--depth", "restore", "--sample", "2", **environment)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[0].startswith("Backup 2026-11-20T02-00-00Z is proven: it was restored and came")
    assert lines[1].split() == ["type", "rows", "came", "out", "the", "same", "seconds"]
    assert lines[2].split()[:3] == ["instruments", "2", "2"]
    assert "proven by a restore" in lines
    assert "a sample of 2" in armillary("backups", **environment).stdout
    without = armillary(
        "verify", "--depth", "restore", **environment | {"ARMILLARY_SCRATCH_TOKEN": ""}
    )
    assert (without.returncode, without.stdout) == (2, "")
    assert "ARMILLARY_SCRATCH_TOKEN must be set" in without.stderr
