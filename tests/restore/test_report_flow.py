"""What a restore leaves in Prefect: artifacts a person can use."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from simulator import Config, Simulator
from tests.backup.by_hand import SCHEDULED, back_up
from tests.backup.workspace import seed

pytestmark = pytest.mark.flow

BACKUP = f"{SCHEDULED:%Y-%m-%dT%H-%M-%SZ}"


def artifacts_of(state: Any) -> dict[str, str]:
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(flow_run_filter=chosen)
    return {artifact.key or str(artifact.type): str(artifact.data) for artifact in found}


def test_the_artifacts_tell_what_differs_and_what_to_do_next(
    sim: Simulator,
    bucket: Bucket,
    place: BucketPlace,
    prefect_server: None,
    runs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from blocks import BackupStore, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.restore_workspace import restore_workspace  # noqa: PLC0415

    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.1")
    seed(sim, 3)
    assert back_up(sim, bucket, resource_types=["markets"]).state == "COMPLETE"
    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)
    with Simulator(Config(seed=2)) as other:
        other.seed_all({"markets": [{"identifier": "xasx", "name": "Old", "type_id": "exchange"}]})
        target = PtolemyWorkspace(url=f"{other.url}/v1", workspace="demo", token=other.token)
        asked = {"backup": BACKUP, "resource_types": ["markets"]}
        state = restore_workspace(store, target, "demo", **asked, return_state=True)
    assert state.name == "PlannedWithheld"
    found = artifacts_of(state)
    told = found["restore-demo"]
    assert told.startswith(f"# Restore of {BACKUP}: PlannedWithheld")
    assert "is not empty: it holds markets." in told
    assert "| markets | xasx | name | XASX | Old |" in told
    assert "start this run again with mode plan, on_existing skip and everything else" in told
    [line] = json.loads(found["restore-demo-types"])
    assert (line["type"], line["differ"], line["to import"]) == ("markets", 1, 1)
    assert {row["field"] for row in json.loads(found["restore-demo-differences"])} >= {"name"}
    assert "restore-demo-failures" not in found
    record = re.findall(r"Record: `([^`]+)`", told)[0]
    with (Path(record) / "differing" / "markets.csv").open(encoding="utf-8", newline="") as lines:
        listed = list(csv.DictReader(lines))
    assert {"row": "xasx", "field": "name", "backup": "XASX", "workspace": "Old"} in listed
    assert float(found["progress"]) == 100
