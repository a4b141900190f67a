"""Pruning through the flow: its states, its lease, and what it leaves on the run's page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from armillary.backup.place import BucketPlace
from armillary.backup.prune import PruningFailed
from armillary.errors import ConfigurationError, LeaseHeld
from armillary.runs.lease import held
from tests.backup.made import Shelf
from tests.flows.test_traces import artifacts_of
from tests.runs.s3 import Fault, LoopbackS3

pytestmark = pytest.mark.flow

RunPrune = Callable[..., Any]


TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0)


def night(days_ago: int) -> str:
    at = TODAY - timedelta(days=days_ago)
    return f"{at:%Y-%m-%dT%H-%M-%SZ}"


@pytest.fixture
def run_prune(prefect_server: None, place: BucketPlace) -> RunPrune:
    """``run_prune(keep_last=1, mode="apply")`` returns the final state of a flow run."""
    from blocks import BackupStore  # noqa: PLC0415 - after the server's settings
    from flows.prune_backups import prune_backups  # noqa: PLC0415

    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)

    def run(**asked: Any) -> Any:
        return prune_backups(store, **asked, return_state=True)

    return run


def ids(shelf: Shelf) -> set[str]:
    held = shelf.keys()
    return {key.split("/")[1] for key in held}


def test_a_plan_and_then_the_same_done(run_prune: RunPrune, shelf: Shelf) -> None:
    for days in range(3):
        shelf.backup(night(days))
    before = shelf.keys()
    planned = run_prune(keep_daily=2)
    assert (planned.name, planned.is_completed()) == ("Planned", True)
    assert "1 of 3 backups would be removed" in planned.message
    assert shelf.keys() == before
    made, nothing = planned.result()
    assert nothing is None
    applied = run_prune(keep_daily=2, mode="apply")
    assert (applied.name, applied.is_completed()) == ("Completed", True)
    assert "1 of 3 backups were removed" in applied.message
    again, done = applied.result()
    assert again.removals == made.removals
    assert done.removed == [night(2)]
    assert ids(shelf) == {night(0), night(1)}
    with get_client(sync_client=True) as client:
        found = artifacts_of(client, applied)
        run = client.read_flow_run(applied.state_details.flow_run_id)
    assert run.name == "prune backups (apply)"
    assert "Policy: 2 daily (days in UTC)." in str(found["prune-demo"].data)
    table = {line["backup"]: line for line in json.loads(str(found["prune-demo-decisions"].data))}
    assert table[night(2)]["what"] == "remove"
    assert "It is the newest complete backup of everything." in table[night(0)]["why"]


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_s23_an_empty_policy_is_refused(run_prune: RunPrune, shelf: Shelf, mode: str) -> None:
    shelf.backup(night(0))
    state = run_prune(mode=mode)
    assert state.is_failed()
    assert "The retention policy is empty: it would keep no backup at all." in state.message
    assert isinstance(state.result(raise_on_failure=False), ConfigurationError)
    assert ids(shelf) == {night(0)}


def test_s24_nothing_goes_while_the_newest_is_not_whole(run_prune: RunPrune, shelf: Shelf) -> None:
    for days in range(2):
        shelf.backup(night(days))
    shelf.delete(f"demo/{night(0)}/markets.json.zst")
    before = shelf.keys()
    assert run_prune(keep_last=1).name == "PlannedWithheld"
    state = run_prune(keep_last=1, mode="apply")
    assert (state.name, state.is_completed()) == ("Withheld", True)
    assert f"the newest complete backup, {night(0)}, is not whole any more." in state.message
    assert shelf.keys() == before


def test_what_cannot_be_removed_fails_the_run_and_the_rest_goes_on(
    run_prune: RunPrune, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    for days in range(3):
        shelf.backup(night(days))
    s3_server.faults = [Fault("DELETE", f"{night(2)}/manifest.json", "403 AccessDenied")]
    state = run_prune(keep_last=1, mode="apply")
    assert (state.name, state.is_failed()) == ("Partial", True)
    assert f"{night(2)} could not be removed: The store refuses it (AccessDenied)." in state.message
    failure = state.result(raise_on_failure=False)
    assert isinstance(failure, PruningFailed)
    assert failure.result[1].removed == [night(1)]
    assert ids(shelf) == {night(0), night(2)}
    with get_client(sync_client=True) as client:
        assert "could not be removed" in str(artifacts_of(client, state)["prune-demo"].data)


def test_s13_a_second_pruning_does_nothing(run_prune: RunPrune, shelf: Shelf) -> None:
    from tasks.sync_run import open_runs  # noqa: PLC0415 - after the server's settings

    for days in range(2):
        shelf.backup(night(days))
    before = shelf.keys()
    with held(open_runs(), "demo", "prune", owner="run 1"):
        state = run_prune(keep_last=1, mode="apply")
        assert run_prune(keep_last=1).name == "Planned", "a plan disturbs nobody"
    assert (state.name, state.is_completed()) == ("AlreadyRunning", True)
    assert isinstance(state.result(), LeaseHeld)
    assert "Another run is working on 'prune' of workspace 'demo': run 1" in state.message
    assert shelf.keys() == before


def test_two_workspaces_need_a_name(run_prune: RunPrune, shelf: Shelf) -> None:
    for days in range(2):
        shelf.backup(night(days))
        shelf.manifest(night(days), workspace="other", workspace_slug="other")
    state = run_prune(keep_last=1, mode="apply")
    assert state.is_failed()
    assert "holds the folders of several workspaces: demo, other. Name the one" in state.message
    assert run_prune(keep_last=1, mode="apply", workspace="other").name == "Withheld"
    assert run_prune(keep_last=1, mode="apply", workspace="demo").name == "Completed"
    left = shelf.keys()
    assert len([key for key in left if key.startswith("other/")]) == 2


def test_the_flow_repeats_nothing_and_plans_unless_told_otherwise() -> None:
    from flows.prune_backups import prune_backups  # noqa: PLC0415

    assert (prune_backups.retries, prune_backups.name) == (0, "prune-backups")
    assert prune_backups.parameters.properties["mode"]["default"] == "plan"
