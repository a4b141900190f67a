"""automations.yaml: what Prefect takes, and what a person wrote wrong."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore, Posture
from rich.console import Console

from armillary.alerts.described import FILE, Described, described
from armillary.backup.outcome import State as BackupState
from armillary.errors import ConfigurationError
from armillary.restore.outcome import State as RestoreState
from armillary.sync.outcome import State as SyncState
from armillary.venues.outcome import State as VenuesState
from cli.alerts import shown
from cli.automations import Became, Ensured
from tasks.alerts import TAG

OURS = described()
ZOMBIES = "armillary: a run gives no sign of life"
SILENT = "armillary: a run ended without a word"


def by_name(name: str) -> AutomationCore:
    (found,) = (each for each in OURS if each.name == name)
    return AutomationCore.model_validate(found.resolved({"custom-webhook/alerts": str(uuid4())}))


@pytest.mark.parametrize("ours", OURS, ids=lambda each: str(each.name))
def test_prefect_takes_it_and_a_person_understands_it(ours: Described) -> None:
    body = ours.resolved({"custom-webhook/alerts": str(uuid4())})
    assert set(body) == {"name", "description", "trigger", "actions"}
    assert body["description"].endswith(".")
    assert set(body["trigger"]) <= set(type(by_name(ours.name).trigger).model_fields)


def test_all_notifications_go_to_one_block() -> None:
    assert {block for each in OURS for block in each.blocks} == {"custom-webhook/alerts"}


def test_every_name_a_run_may_end_under_is_a_sign_of_life() -> None:
    """A run that ends under a name that is missing here would be marked as Crashed."""
    names = {
        state.value
        for states in (SyncState, BackupState, RestoreState, VenuesState)
        for state in states
    }
    names |= {"Completed", "Failed", "Crashed", "Cancelled"}
    trigger: Any = by_name(ZOMBIES).trigger
    assert {f"prefect.flow-run.{name}" for name in names} < trigger.expect


def test_every_name_of_a_failed_run_starts_the_wait_for_its_word() -> None:
    failed = {SyncState.TOO_MANY_REJECTS, BackupState.PARTIAL, VenuesState.FAILED}
    trigger: Any = by_name(SILENT).trigger
    assert trigger.after == {f"prefect.flow-run.{name}" for name in (*failed, "Crashed")}


def test_the_waits_are_as_long_as_their_names_say() -> None:
    hours = {
        each.name: each.body["trigger"]["within"] / 3600
        for each in OURS
        if each.body["trigger"]["posture"] == Posture.Proactive.value
    }
    assert hours["armillary: no backup for 26 hours"] == 26
    assert hours["armillary: no verification for 8 days"] == 8 * 24
    assert hours["armillary: no proof by restore for 40 days"] == 40 * 24
    assert hours["armillary: a run is 15 minutes late"] == 0.25
    # Three heartbeats, each every 180 seconds unless Prefect is told otherwise.
    assert hours[ZOMBIES] == 0.15


def test_another_block_can_be_used_for_all(tmp_path: Path) -> None:
    found = described(FILE, block="slack-webhook/ops")
    assert {block for each in found for block in each.blocks} == {"slack-webhook/ops"}


def test_every_deployment_has_the_tag_by_which_automations_know_our_runs() -> None:
    content = yaml.safe_load((FILE.parent / "prefect.yaml").read_text())
    assert [each["name"] for each in content["deployments"] if TAG not in each["tags"]] == []
    related: Any = [each.body["trigger"].get("match_related") for each in OURS]
    tags = {each["prefect.resource.id"] for each in related if each}
    assert tags == {f"prefect.tag.{TAG}"}


ONE = {"name": "a", "trigger": {}, "actions": [{"type": "send-notification"}]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("automations: [", "it cannot be read"),
        ("other: 1", "it has no list `automations`"),
        ("automations: []", "it has no list `automations`"),
        ("- a", "it has no list `automations`"),
        (yaml.safe_dump({"automations": [{"name": " "}]}), "automation 1 has no name"),
        (yaml.safe_dump({"automations": ["a"]}), "automation 1 has no name"),
        (yaml.safe_dump({"automations": [{"name": "a"}]}), "'a' needs a trigger and a list"),
        (yaml.safe_dump({"automations": [ONE]}), "names the block None"),
        (
            yaml.safe_dump({"automations": [ONE | {"actions": []}] * 2}),
            "two automations are called 'a'",
        ),
    ],
)
def test_a_wrong_file_is_told_and_changes_nothing(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "automations.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=re.escape(said)) as told:
        described(path)
    assert "Nothing was changed. docs/guides/alerts.md says how it is written." in str(told.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Start the command in a clone of Armillary"):
        described(tmp_path / "automations.yaml")


def test_the_command_says_what_became_of_each() -> None:
    ensured = [
        Ensured("one", Became.CREATED, ("slack-webhook/ops",), paused=False, others=0),
        Ensured("two", Became.UNCHANGED, (), paused=True, others=2),
    ]
    said = StringIO()
    Console(file=said, width=200).print(shown(ensured))
    lines = [line.split() for line in said.getvalue().splitlines()]
    assert lines[1] == ["one", "created", "slack-webhook/ops"]
    assert " ".join(lines[2]) == (
        "two unchanged nobody paused in the UI: it stays so; 2 more of this name: delete those in "
        "the UI"
    )
