"""The work pool for containers: a real server takes the template, and our deployments fit it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL

from flows.sync_instruments import sync_instruments

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "docker-pool.json"
TEMPLATE: dict[str, Any] = json.loads(FILE.read_text())
VARIABLES: dict[str, Any] = TEMPLATE["variables"]["properties"]


def test_every_variable_is_used_and_every_use_is_a_variable() -> None:
    used = {value.strip("{ }") for value in TEMPLATE["job_configuration"].values()}
    assert used == set(VARIABLES)


def test_a_container_is_fenced_in() -> None:
    fence = VARIABLES["container_create_kwargs"]["default"]
    assert fence["read_only"] is True
    assert list(fence["tmpfs"]) == ["/tmp"]
    assert fence["cap_drop"] == ["ALL"]
    assert fence["security_opt"] == ["no-new-privileges:true"]
    # Nobody can lift that for a single deployment.
    assert "privileged" not in VARIABLES


def test_what_it_sets_for_runs_is_shared_and_not_secret() -> None:
    assert VARIABLES["env"]["default"] == {"ARMILLARY_RUNS": "s3://change-me/runs"}
    assert "no secrets here" in VARIABLES["env"]["description"]


@pytest.mark.flow
def test_a_real_server_makes_the_pool_of_the_file(prefect_server: None) -> None:
    """The type is known to the server, also where no Docker worker is installed."""
    create = ["work-pool", "create", "containers", "--type", "docker"]
    told = subprocess.run(
        [sys.executable, "-m", "prefect", *create, "--base-job-template", str(FILE)],
        env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    with get_client(sync_client=True) as client:
        pool = client.read_work_pool("containers")
        assert (pool.type, pool.base_job_template) == ("docker", TEMPLATE)
        flow_id = client.create_flow(sync_instruments)

        def deploy(**job_variables: Any) -> None:
            client.create_deployment(
                flow_id, "in-a-container", work_pool_name="containers", job_variables=job_variables
            )

        deploy(image="registry.invalid/armillary:0.1.0", mem_limit="4g")
        with pytest.raises(PrefectHTTPStatusError, match="4 is not valid"):
            deploy(mem_limit=4)
        client.delete_deployment(
            client.read_deployment_by_name("sync-instruments/in-a-container").id
        )
