"""``prefect.yaml``: every deployment names a flow that exists and parameters it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL

ROOT = Path(__file__).resolve().parents[2]
CONTENT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = CONTENT["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda found: str(found["name"]))
def test_a_deployment_fits_its_flow(deployment: dict[str, Any]) -> None:
    module, name = deployment["entrypoint"].rsplit(".", 1)
    schema = getattr(import_module(module), name).parameters
    assert set(deployment["parameters"]) <= set(schema.properties)
    asked_for_at_the_start = {"run_id"}
    assert set(schema.required) - asked_for_at_the_start <= set(deployment["parameters"])
    scheduled = any(schedule["active"] for schedule in deployment["schedules"])
    assert deployment["parameters"]["mode"] == ("apply" if scheduled else "plan")
    assert deployment["concurrency_limit"]["limit"] == 1
    assert deployment["description"]


def test_no_deployment_holds_a_resolved_block() -> None:
    assert "{{" not in (ROOT / "prefect.yaml").read_text()


@pytest.mark.flow
def test_all_of_them_deploy_to_a_real_server_without_a_question(prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="default", type="process"))
        told = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
            cwd=ROOT,
            env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        names = {deployment.name for deployment in client.read_deployments()}
    assert names == {deployment["name"] for deployment in DEPLOYMENTS}
