"""What a backup leaves: artifacts a person can use, events, and no secret anywhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from pydantic import SecretStr

from simulator import Simulator
from tests.backup.conftest import NAME, RunBackup
from tests.backup.made import Shelf
from tests.backup.workspace import seed
from tests.sync.chain import open_client
from tests.task_runs import task_runs_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.flow

STORE_SECRET = "shelf-key-that-nobody-may-see"


def run_filter(state: Any) -> FlowRunFilter:
    return FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))


def left_with_prefect(state: Any) -> dict[str, str]:
    """Artifacts by key, and everything else the server knows of a run."""
    chosen = run_filter(state)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        tasks = task_runs_of(client, chosen)
        artifacts = client.read_artifacts(flow_run_filter=chosen)
    return {
        "run": run.model_dump_json(),
        **{f"task {task.name}": task.model_dump_json() for task in tasks},
        **{artifact.key or str(artifact.type): str(artifact.data) for artifact in artifacts},
    }


def signatures_of(sim: Simulator) -> set[str]:
    """What makes a link a secret."""
    with open_client(sim) as ptolemy:
        jobs = [ptolemy.exports.get(job.id) for job in ptolemy.exports.list()]
    links = [job.download_url.get_secret_value() for job in jobs if job.download_url]
    return {link.partition("signature=")[2].partition("&")[0] for link in links}


def test_the_artifacts_are_the_evidence(sim: Simulator, run_backup: RunBackup) -> None:
    rows = seed(sim)
    state = run_backup(sim)
    found = left_with_prefect(state)
    summary = found["backup-demo"]
    assert "Complete: every type is stored, counted and referenced whole." in summary
    assert f"| time_series_values | {rows['time_series_values']} |" in summary
    assert "No export covers: tags, webhooks, members" in summary
    files = json.loads(found["backup-demo-files"])
    assert {line["type"]: line["rows"] for line in files} == rows
    assert all(len(line["sha256 of the export"]) == 64 for line in files)
    assert float(found["progress"]) == 100
    names = [name.removeprefix("task ") for name in found if name.startswith("task ")]
    assert {"export instruments", "store instruments", "judge and write the manifest"} <= set(names)


def test_no_secret_in_anything_a_run_left_behind(
    sim: Simulator,
    s3: S3Client,
    run_backup: RunBackup,
    shelf: Shelf,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    runs_folder: Path,
) -> None:
    """Token, keys and links: over a good run, and over one in which links fail in many ways."""
    caplog.set_level(logging.DEBUG)
    seed(sim)
    sim.configure(link_refresh="fixed")  # the links that were used can be asked for afterwards
    keys = {"aws_access_key_id": "shelf", "aws_secret_access_key": SecretStr(STORE_SECRET)}
    good = run_backup(sim, credentials=keys)
    assert good.name == "Completed"
    sim.faults = [
        {"path": "/downloads/{id}", "action": "drop_before", "times": 2},
        {"path": "/downloads/{id}", "action": "status", "status": 403, "times": 2},
        {"path": "/downloads/{id}", "action": "truncate", "bytes": 0, "times": None},
    ]
    bad = run_backup(sim, credentials=keys)
    assert bad.name == "Partial"
    texts = {"log": caplog.text, "terminal": "".join(capfd.readouterr())}
    for name, state in (("good", good), ("bad", bad)):
        texts |= {f"{name} {key}": text for key, text in left_with_prefect(state).items()}
        texts[f"{name} state"] = repr(state) + str(state.data)
    texts |= {f"runs/{path.name}": path.read_text() for path in runs_folder.rglob("*.json")}
    for key in shelf.keys():  # noqa: SIM118 - a shelf is no dict
        content = shelf.get(key)
        if key.endswith(".zst"):
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        texts[key] = content.decode()
    signatures = signatures_of(sim)
    assert len(signatures) >= 14
    assert all(len(signature) >= 20 for signature in signatures)
    secrets = {sim.token, sim.token.removeprefix("ptk_live_"), STORE_SECRET, *signatures}
    found = [(name, secret) for name, text in texts.items() for secret in secrets if secret in text]
    assert found == []
    assert len(texts) > 30
    assert NAME in texts["good state"]
