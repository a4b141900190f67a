"""``prefect.yaml``: every flow is deployed, and every set of parameters is one its flow takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from datetime import datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL
from prefect.utilities.schema_tools.validation import ValidationError, validate
from pydantic import SecretStr

import blocks
import flows
from armillary.backup.retention import Retention
from armillary.backup.verify import parse_slice
from blocks import BackupStore, CadenzaAccount, FileFeed, PtolemyWorkspace

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
CONTENT = yaml.safe_load(TEXT)
DEPLOYMENTS: list[dict[str, Any]] = CONTENT["deployments"]

ASKED_FOR = {"run_id": "2f6a1c52-0c4e-4f56-9a0b-6d2f6f1f2b11", "into": "demo", "venue": "BINANCE"}
"""What a person gives at the start, because no deployment can know it."""

BLOCKS: dict[str, Block] = {
    block.get_block_type_slug(): block
    for block in (
        PtolemyWorkspace(workspace="demo", token=SecretStr("made-up")),
        FileFeed.from_file(ROOT / "examples" / "demo" / "northwind.yaml"),
        BackupStore(bucket="backups"),
        CadenzaAccount(url="https://cadenza.invalid"),
    )
}
"""What a reference leads to, by the slug of its type."""


class ParameterSet(NamedTuple):
    """What one run is started with."""

    deployment: str
    schedule: str
    flow: Flow[Any, Any]
    given: dict[str, Any]


def by_name(name: str) -> dict[str, Any]:
    return next(found for found in DEPLOYMENTS if found["name"] == name)


def flow_of(deployment: dict[str, Any]) -> Flow[Any, Any]:
    module, name = deployment["entrypoint"].rsplit(".", 1)
    found: Flow[Any, Any] = getattr(import_module(module), name)
    return found


def parameter_sets() -> Iterator[ParameterSet]:
    """As the server merges them: a schedule's parameters win over its deployment's."""
    for deployment in DEPLOYMENTS:
        name, flow, given = deployment["name"], flow_of(deployment), deployment["parameters"]
        missing = set(flow.parameters.required) - set(given)
        yield ParameterSet(name, "", flow, given | {key: ASKED_FOR[key] for key in missing})
        for schedule in deployment["schedules"]:
            merged = given | schedule.get("parameters", {})
            yield ParameterSet(name, schedule["slug"], flow, merged)


SETS = list(parameter_sets())

each_deployment = pytest.mark.parametrize(
    "deployment", DEPLOYMENTS, ids=lambda found: str(found["name"])
)
each_set = pytest.mark.parametrize(
    "found", SETS, ids=lambda found: f"{found.deployment}-{found.schedule or 'by-hand'}"
)


# Parameters


def referred(value: Any) -> str | None:
    """The slug of the block that a parameter refers to, if it does."""
    return value["$ref"]["block_document_slug"] if isinstance(value, dict) else None


def allowed_kinds(flow: Flow[Any, Any], parameter: str) -> set[str]:
    """The slugs of the block types that the flow's schema takes there."""
    schema = flow.parameters.model_dump_for_openapi()

    def below(node: dict[str, Any]) -> Iterator[str]:
        if "block_type_slug" in node:
            yield node["block_type_slug"]
        if "$ref" in node:
            yield from below(schema["definitions"][node["$ref"].rsplit("/", 1)[1]])
        for choice in node.get("anyOf", []):
            yield from below(choice)

    return set(below(schema["properties"][parameter]))


@each_set
def test_the_server_takes_these_parameters(found: ParameterSet) -> None:
    """As it checks them before it makes a run."""
    schema = found.flow.parameters.model_dump_for_openapi()
    assert set(found.given) <= set(schema["properties"])
    validate(found.given, schema, raise_on_error=True, preprocess=True)


@each_set
def test_the_flow_takes_these_parameters(found: ParameterSet) -> None:
    """As it checks them when it starts, with blocks in the places of the references."""
    given = dict(found.given)
    for name, value in found.given.items():
        if slug := referred(value):
            kind = slug.split("/")[0]
            assert kind in allowed_kinds(found.flow, name), name
            given[name] = BLOCKS[kind]
    taken = found.flow.validate_parameters(given)
    assert {name: taken[name] for name in given} == given


def test_a_wrong_parameter_set_would_be_noticed() -> None:
    wrong = by_name("sync-weekdays")["parameters"] | {"mode": "now"}
    schema = flow_of(by_name("sync-weekdays")).parameters.model_dump_for_openapi()
    with pytest.raises(ValidationError, match="'now' is not one of"):
        validate(wrong, schema, raise_on_error=True, preprocess=True)
    assert allowed_kinds(flow_of(by_name("sync-weekdays")), "feed") >= {"file-feed", "cadenza-feed"}
    assert allowed_kinds(flow_of(by_name("restore-drills")), "scratch") == {"ptolemy-workspace"}


@each_deployment
def test_a_deployment_plans_unless_nobody_is_there_to_look(deployment: dict[str, Any]) -> None:
    flow, given = flow_of(deployment), deployment["parameters"]
    if "mode" not in flow.parameters.properties:
        assert "mode" not in given
        return
    # What is removed cannot be had back: a person looks at the plan of a pruning first.
    applies = deployment["schedules"] and flow.name != "prune-backups"
    assert given["mode"] == ("apply" if applies else "plan")
    assert not [found for found in deployment["schedules"] if "mode" in found.get("parameters", {})]


def test_nothing_secret_is_in_it() -> None:
    """Of a block, only where it lies; Prefect's templates would copy it, with its token."""
    assert "{{" not in TEXT
    assert not re.search(r"(?i)(token|password|secret|key)\w*\"?\s*:", TEXT)

    def references(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            if "$ref" in node:
                yield node
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    assert all(
        set(found) == {"$ref"} and set(found["$ref"]) == {"block_document_slug"}
        for found in references(DEPLOYMENTS)
    )
    blocks_in_use = {found["$ref"]["block_document_slug"] for found in references(DEPLOYMENTS)}
    assert blocks_in_use == {
        "ptolemy-workspace/main",
        "ptolemy-workspace/scratch",
        "file-feed/vendor",
        "backup-store/main",
        "cadenza-account/main",
    }


# What the UI shows


def test_every_flow_is_deployed_for_a_person_to_start() -> None:
    modules = [import_module(f"flows.{found.name}") for found in iter_modules(flows.__path__)]
    known = {
        value.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Flow) and value.fn.__module__ == module.__name__
    }
    assert {flow_of(deployment).name for deployment in DEPLOYMENTS} == known
    # Pruning by hand is the scheduled deployment, started with mode apply.
    by_hand = {flow_of(found).name for found in DEPLOYMENTS if not found["schedules"]}
    assert by_hand == known - {"prune-backups"}


@each_deployment
def test_a_deployment_says_what_it_is(deployment: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", deployment["name"])
    assert deployment["name"].endswith("-by-hand") == (not deployment["schedules"])
    assert ("scheduled" in deployment["tags"]) == bool(deployment["schedules"])
    assert deployment["tags"][0] == "armillary"
    assert deployment["version"] == version("armillary")
    assert re.fullmatch(r"[A-Z].{40,250}\.", deployment["description"])


def test_a_name_is_given_once() -> None:
    names = [found["name"] for found in DEPLOYMENTS]
    assert len(set(names)) == len(names)
    for found in DEPLOYMENTS:
        slugs = [schedule["slug"] for schedule in found["schedules"]]
        assert len(set(slugs)) == len(slugs)


# When they start


@each_deployment
def test_a_schedule_comes_once_on_each_of_its_days(deployment: dict[str, Any]) -> None:
    """Also when the clocks change: an hour that is skipped, or comes twice, is not used."""
    for schedule in deployment["schedules"]:
        assert schedule["active"] is True
        assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
        minute, hour = schedule["cron"].split()[:2]
        zone = ZoneInfo(schedule["timezone"])
        for day in range(365) if hour != "*" else ():
            local = datetime(2026, 1, 1, int(hour), int(minute), tzinfo=zone) + timedelta(days=day)
            assert local.utcoffset() == local.replace(fold=1).utcoffset(), local


def test_every_feed_venue_and_slice_has_a_schedule_of_its_own() -> None:
    def given(name: str, parameter: str) -> list[Any]:
        return [found["parameters"][parameter] for found in by_name(name)["schedules"]]

    feeds = [referred(feed) for feed in given("sync-weekdays", "feed")]
    assert feeds == ["file-feed/vendor"]
    assert given("venues-one-by-one", "venues") == [["BINANCE"], ["OKX"]]
    assert given("publish-nightly", "venue") == ["BINANCE", "OKX"]
    assert given("restore-drills", "sample") == [200, 2000]


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


# What becomes of a second start


STRATEGIES = {
    # The run under way is what was asked for, or decides what is asked for next.
    (1, "CANCEL_NEW"): {
        "revert-by-hand", "backup-by-hand", "restore-by-hand", "prune-weekly", "venues-hourly",
    },
    # Another feed, night, slice or backup: it must not be lost.
    (1, "ENQUEUE"): {
        "sync-weekdays", "backup-nightly", "verify-slices", "verify-by-hand", "restore-drills",
        "compare-by-hand", "publish-nightly",
    },
    # Another venue, or a plan: it need not even wait.
    (4, "ENQUEUE"): {
        "sync-by-hand", "venues-one-by-one", "venues-by-hand", "publish-by-hand",
        "compare-venue-by-hand",
    },
}  # fmt: skip


def test_each_deployment_has_the_collision_strategy_that_suits_it() -> None:
    found: dict[tuple[int, str], set[str]] = {}
    for deployment in DEPLOYMENTS:
        limit = deployment["concurrency_limit"]
        # A container that is started for the first time brings its image with it.
        assert limit["grace_period_seconds"] == 300
        key = (limit["limit"], limit["collision_strategy"])
        found.setdefault(key, set()).add(deployment["name"])
    assert found == STRATEGIES


def test_what_has_several_schedules_never_cancels_one_for_another() -> None:
    for deployment in DEPLOYMENTS:
        if len(deployment["schedules"]) > 1:
            assert deployment["concurrency_limit"]["collision_strategy"] == "ENQUEUE"


def deploy(described: Path) -> None:
    """Deploy all of a file, as the guide does."""
    prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(described))


def prefect(*command: str) -> None:
    """Run a command of Prefect's against the session's server."""
    told = subprocess.run(
        [sys.executable, "-m", "prefect", *command],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.flow
def test_the_blocks_are_registered_by_the_command_of_the_guide(prefect_server: None) -> None:
    prefect("block", "register", "-m", "blocks")
    with get_client(sync_client=True) as client:
        known = {kind.slug for kind in client.read_block_types()}
    ours = {getattr(blocks, name).get_block_type_slug() for name in blocks.__all__}
    assert ours <= known


@pytest.mark.flow
def test_all_of_them_deploy_to_a_real_server_without_a_question(
    prefect_server: None, tmp_path: Path
) -> None:
    """And once more, after somebody paused a schedule and somebody else took one out."""
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="default", type="process"))
        deploy(ROOT / "prefect.yaml")
        made = {
            one.name: one for one in client.read_deployments() if one.work_pool_name == "default"
        }
    assert set(made) == {deployment["name"] for deployment in DEPLOYMENTS}
    for described in DEPLOYMENTS:
        found = made[described["name"]]
        assert found.description == described["description"]
        assert found.version == described["version"]
        assert found.parameters == described["parameters"]
        assert found.entrypoint == described["entrypoint"]
        assert found.enforce_parameter_schema
        assert {
            schedule.slug: (schedule.active, schedule.parameters) for schedule in found.schedules
        } == {
            schedule["slug"]: (schedule["active"], schedule.get("parameters", {}))
            for schedule in described["schedules"]
        }

    verify = made["verify-slices"]
    monday = next(one for one in verify.schedules if one.slug == "monday")
    slices = deepcopy(by_name("verify-slices"))
    slices["schedules"] = [one for one in slices["schedules"] if one["slug"] != "tuesday"]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(CONTENT | {"deployments": [slices]}))
    with get_client(sync_client=True) as client:
        client.update_deployment_schedule(verify.id, monday.id, active=False)
        deploy(tmp_path / "prefect.yaml")
        again = client.read_deployment(verify.id)
    # As docs/guides/deploy.md tells it: the one is on again, the other is still there.
    assert {one.slug: one.active for one in again.schedules} == {
        one["slug"]: True for one in by_name("verify-slices")["schedules"]
    }
