"""What prefect.yaml describes against what a server has."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from armillary import __version__
from armillary.errors import ConfigurationError
from armillary.readiness import Finding, Level
from armillary.readiness.deployments import (
    Deployment,
    blocks_in,
    check_deployments,
    described_in,
    parameter_sets,
    venues_in,
)

ROOT = Path(__file__).resolve().parents[2]
NIGHTLY = Deployment(
    name="backup-workspace/backup-nightly",
    version=__version__,
    pool="default",
    schedules={"night": True},
    zones=frozenset({"Australia/Sydney"}),
    given=({"store": "backup-store/main"},),
)
BY_HAND = replace(NIGHTLY, name="backup-workspace/backup-by-hand", schedules={})
BOTH = [NIGHTLY, BY_HAND]


def found(*deployed: Deployment) -> dict[str, Finding]:
    return {one.subject: one for one in check_deployments(BOTH, deployed)}


def test_the_own_prefect_yaml_is_read_with_the_names_that_its_flows_have() -> None:
    described = described_in(ROOT / "prefect.yaml")
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert len(described) == len(content)
    for one, entry in zip(described, content, strict=True):
        module, _, function = entry["entrypoint"].rpartition(".")
        assert one.name == f"{getattr(import_module(module), function).name}/{entry['name']}"
        assert one.version == __version__
        assert one.pool == "default"
        assert len(one.given) == 1 + len(entry["schedules"])
    assert {block for one in described for given in one.given for block in given.values()} >= {
        *("backup-store/main", "cadenza-account/main", "file-feed/vendor"),
        *("ptolemy-workspace/main", "ptolemy-workspace/scratch"),
    }
    assert "BINANCE" in {venue for one in described for venue in one.venues}


@pytest.mark.parametrize(
    "content",
    ["deployments: 7", "[", "{}", "deployments: [{name: x}]", "deployments: [x]", "\xff"],
)
def test_a_file_that_is_no_prefect_yaml_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prefect.yaml"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigurationError, match="cannot be read as a prefect") as caught:
        described_in(path)
    assert "--prefect-file" in str(caught.value)


def test_all_is_there_of_this_version_and_active() -> None:
    assert [(one.subject, one.level, one.found) for one in check_deployments(BOTH, BOTH)] == [
        ("deployments", Level.OK, "all 2 of prefect.yaml are on the server"),
        ("their versions", Level.OK, f"{__version__}, as installed here"),
        ("schedules", Level.OK, "all 1 are active"),
    ]


def test_nothing_deployed_is_told_once_and_stops_no_command() -> None:
    (only,) = check_deployments(BOTH, [])
    assert (only.subject, only.level) == ("deployments", Level.WARNING)
    assert only.found == (
        "none of the 2 of prefect.yaml is on the server: nothing starts by itself"
    )
    assert "prefect --no-prompt deploy --all. For commands alone none is needed." in only.todo


def test_one_that_is_missing_is_named() -> None:
    missing = found(BY_HAND)["deployments"]
    assert (missing.level, missing.found) == (
        Level.FAILED,
        "not on the server: backup-workspace/backup-nightly",
    )
    assert "deploy --all" in missing.todo


def test_an_older_version_is_named() -> None:
    old = found(replace(NIGHTLY, version="0.0.9"), replace(BY_HAND, version=""))["their versions"]
    assert old.level is Level.WARNING
    assert "backup-workspace/backup-nightly (0.0.9), " in old.found
    assert "backup-workspace/backup-by-hand (none)" in old.found
    assert f"not of {__version__}" in old.found


@pytest.mark.parametrize(
    "changed",
    [{"schedules": {"night": False}}, {"schedules": {}}, {"paused": True}],
    ids=["paused", "removed", "the deployment is paused"],
)
def test_a_schedule_that_does_not_start_anything_is_named(changed: dict[str, object]) -> None:
    resting = found(replace(NIGHTLY, **changed), BY_HAND)["schedules"]  # type: ignore[arg-type]
    assert (resting.level, resting.found) == (
        Level.WARNING,
        "paused or missing: backup-workspace/backup-nightly (night)",
    )


def test_a_schedule_that_is_paused_in_prefect_yaml_is_meant_so() -> None:
    resting = replace(NIGHTLY, schedules={"night": False})
    last = [*check_deployments([resting], [resting])][-1]
    assert (last.level, last.found) == (Level.OK, "all 0 are active")


def test_parameters_of_a_schedule_win_over_the_deployments_own() -> None:
    own = {"feed": {"$ref": {"block_document_slug": "file-feed/a"}}, "venue": "OKX", "mode": "plan"}
    sets = parameter_sets(own, [{"feed": {"$ref": {"block_document_id": "1-2"}}}, None])
    assert [blocks_in(one) for one in sets] == [
        {"feed": "file-feed/a"},
        {"feed": "1-2"},
        {"feed": "file-feed/a"},
    ]
    assert blocks_in({"feed": {"$ref": "1-2"}}) == {"feed": "1-2"}
    assert venues_in({"venue": " okx ", "venues": ["BINANCE", ""]}) == {"okx", "BINANCE"}
    assert venues_in({"venue": None, "venues": None}) == set()
