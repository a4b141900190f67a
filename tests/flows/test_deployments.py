"""``prefect.yaml``: every deployment names a flow that exists and parameters it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL

from armillary.backup.retention import Retention
from armillary.backup.verify import parse_slice

ROOT = Path(__file__).resolve().parents[2]
CONTENT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = CONTENT["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda found: str(found["name"]))
def test_a_deployment_fits_its_flow(deployment: dict[str, Any]) -> None:
    module, name = deployment["entrypoint"].rsplit(".", 1)
    schema = getattr(import_module(module), name).parameters
    assert set(deployment["parameters"]) <= set(schema.properties)
    asked_for_at_the_start = {"run_id", "into", "venue"}
    assert set(schema.required) - asked_for_at_the_start <= set(deployment["parameters"])
    for schedule in deployment["schedules"]:
        assert set(schedule.get("parameters", {})) <= set(schema.properties)
        assert ZoneInfo(schedule["timezone"])
    # Venues are kept apart one by one, by leases: several of them may be refreshed at once.
    of_venues = "venues" in deployment["tags"] and not deployment["schedules"]
    assert deployment["concurrency_limit"]["limit"] == (4 if of_venues else 1)
    assert deployment["description"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda found: str(found["name"]))
def test_a_deployment_plans_unless_nobody_is_there_to_look(deployment: dict[str, Any]) -> None:
    module, name = deployment["entrypoint"].rsplit(".", 1)
    if "mode" not in getattr(import_module(module), name).parameters.properties:
        assert "mode" not in deployment["parameters"]
        return
    scheduled = any(schedule["active"] for schedule in deployment["schedules"])
    # What is removed cannot be had back: a person looks at the plan of a pruning first.
    applies = scheduled and name != "prune_backups"
    assert deployment["parameters"]["mode"] == ("apply" if applies else "plan")


@pytest.mark.parametrize("name", ["backup-nightly", "verify-slices", "publish-nightly"])
def test_a_night_that_meets_another_run_waits_and_is_not_cancelled(name: str) -> None:
    assert by_name(name)["concurrency_limit"]["collision_strategy"] == "ENQUEUE"


def test_a_week_of_slices_reads_everything() -> None:
    schedules = by_name("verify-slices")["schedules"]
    parts = [schedule["parameters"]["slice"] for schedule in schedules]
    assert [parse_slice(part, "content") for part in parts] == [(day, 7) for day in range(1, 8)]
    days = {schedule["cron"].split()[4] for schedule in schedules}
    assert days == {"0", "1", "2", "3", "4", "5", "6"}


def test_the_scheduled_pruning_has_a_policy_that_keeps_something() -> None:
    given = by_name("prune-weekly")["parameters"]
    rules = {field.name for field in fields(Retention)}
    assert Retention(**{key: value for key, value in given.items() if key in rules})


def test_the_nightly_backup_is_of_everything() -> None:
    assert set(by_name("backup-nightly")["parameters"]) == {"workspace", "store"}


def test_each_schedule_of_a_publish_names_its_venue() -> None:
    schedules = by_name("publish-nightly")["schedules"]
    assert [schedule["parameters"]["venue"] for schedule in schedules] == ["BINANCE", "OKX"]


def by_name(name: str) -> dict[str, Any]:
    return next(found for found in DEPLOYMENTS if found["name"] == name)


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
        made = {deployment.name: deployment for deployment in client.read_deployments()}
    assert set(made) == {deployment["name"] for deployment in DEPLOYMENTS}
    slices = [schedule.parameters["slice"] for schedule in made["verify-slices"].schedules]
    assert sorted(slices) == [f"{day}/7" for day in range(1, 8)]
