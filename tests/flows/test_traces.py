"""What a run leaves with Prefect: artifacts a person can use, events, and never the token."""

from __future__ import annotations

import gzip
import json
import logging
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact
from prefect.flows import Flow

import flows
from simulator import Simulator
from tasks import apply_changes, make_backup
from tests.conftest import MakeSimulator
from tests.flows.conftest import RunSync
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows
from tests.task_runs import task_runs_of

pytestmark = pytest.mark.flow


def artifacts_of(client: SyncPrefectClient, state: Any) -> dict[str, Artifact]:
    run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    found = client.read_artifacts(flow_run_filter=run)
    return {artifact.key or artifact.type or "": artifact for artifact in found}


def table(artifact: Artifact) -> str:
    return json.dumps(json.loads(str(artifact.data)), ensure_ascii=False)


def test_the_artifacts_tell_the_story(sim: Simulator, run_sync: RunSync, tmp_path: Path) -> None:
    rows = vendor_rows(40)
    sim.seed(seeded(rows))
    spoiled = [rows[0] | {"lot": "9"}, rows[1] | {"lot": "many"}, *rows[2:25]]
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", spoiled)))
    with get_client(sync_client=True) as client:
        found = artifacts_of(client, state)
    summary = str(found["sync-demo-vendor"].data)
    assert "# vendor: Withheld" in summary
    assert "| update | 1 | 1 | 0 |" in summary
    assert "archive: 15 archives of 40 active records are 37.5%" in summary
    assert "'many' is not a number" in summary
    assert "The vendor guide's loop would take" in summary
    changes = table(found["sync-demo-vendor-changes"])
    assert changes.index("archive") < changes.index("update")
    assert "lot_size: 0.5 → 9" in changes
    assert "rejected" in table(found["sync-demo-vendor-problems"])
    assert found["progress"].data == 100.0


def test_a_long_table_says_how_much_it_left_out(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", vendor_rows(130))), "plan")
    with get_client(sync_client=True) as client:
        changes = table(artifacts_of(client, state)["sync-demo-vendor-changes"])
    assert "… and 30 more" in changes
    assert changes.count("create") == 100


def test_no_table_of_an_earlier_run_stays_as_the_current_one(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(3)))
    run_sync(sim, feed)
    nothing_to_do = run_sync(sim, feed, "plan")
    (tmp_path / "v.csv").write_text("")
    refused = run_sync(sim, feed, "plan")
    with get_client(sync_client=True) as client:
        quiet, none = (artifacts_of(client, state) for state in (nothing_to_do, refused))
    run_id = nothing_to_do.state_details.flow_run_id
    for kind, words in {"changes": "Planned changes", "problems": "Rejected and held"}.items():
        left = quiet[f"sync-demo-vendor-{kind}"]
        assert (table(left), left.description) == (
            '[{"rows": "none"}]',
            f"{words} of run {run_id}, mode plan",
        )
        assert table(none[f"sync-demo-vendor-{kind}"]) == '[{"rows": "none"}]'
    text = str(none["sync-demo-vendor"].data)
    assert text.count("Nothing was written") == 1
    run_id = refused.state_details.flow_run_id
    assert f"Workspace `demo`, mode `plan`, run `{run_id}`, 20" in text


def readable(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def test_the_token_is_nowhere(
    make_simulator: MakeSimulator,
    run_sync: RunSync,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    runs_folder: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    sim = make_simulator()
    token = sim.token_for("viewer")
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(3)))
    state = run_sync(sim, feed, token=token)
    assert state.is_failed()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        tasks = task_runs_of(client, FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
        left = [run.model_dump_json(), caplog.text, str(state.data), repr(state)]
        left += [task.model_dump_json() for task in tasks]
        left += [artifact.model_dump_json() for artifact in artifacts_of(client, state).values()]
    files = [path for path in runs_folder.rglob("*") if path.is_file()]
    assert len(files) >= 5, "plan, changes, batches, summary, memory"
    left += [readable(path) for path in files]
    assert not [text for text in left if token in text or token.removeprefix("ptk_live_") in text]


def test_no_flow_has_retries_and_no_task_that_writes_repeats_itself() -> None:
    names = [module.name for module in pkgutil.iter_modules(flows.__path__)]
    found = {name: getattr(import_module(f"flows.{name}"), name) for name in names}
    assert len(found) >= 5
    assert all(isinstance(flow, Flow) for flow in found.values())
    assert {name: flow.retries for name, flow in found.items()} == dict.fromkeys(names, 0)
    assert not [name for name, flow in found.items() if flow.persist_result]
    for task in (apply_changes.apply_batch, make_backup.export_type, make_backup.store_type):
        assert task.retries == 0
