"""Every automation fires on a real Prefect server and arrives, exactly as often as it should.

The server's shortest wait for something that does not come is ten seconds, so all is set going
at once, and each test looks at what has come of its part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.flows import Flow
from prefect.states import Completed, Crashed, Failed, Running

from armillary.alerts.described import FILE, described
from armillary.alerts.standing import Kind
from armillary.backup.verified import Depth
from armillary.errors import ConfigurationError
from blocks import BackupStore, FileFeed, PtolemyWorkspace
from cli.automations import Became, ensure
from flows.backup_workspace import backup_workspace
from flows.compare_backups import compare_backups
from flows.sync_instruments import sync_instruments
from flows.sync_venues import sync_venues
from simulator import Config, Simulator
from tasks import alerts
from tasks.alert_subjects import Given, learnt
from tasks.report_backup import report_backup, report_verified
from tests.alerts.made import a_backup, a_verification
from tests.alerts.stage import Stage, shortened, staged, typed
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.flow, pytest.mark.long]

TOKEN = "rbt_secret_4711"


class Story:
    """The stage, and the runs that were made on it."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self.runs: dict[str, Any] = {}
        self.states: list[Any] = []
        self.said: dict[str, Any] = {}

    def subjects_with(self, words: str) -> list[str]:
        return [each["subject"] for each in self.stage.receiver.about(words)]

    def body(self, words: str) -> str:
        (only,) = self.stage.receiver.about(words)
        return only["body"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("alerts")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("ARMILLARY_RUNS", str(folder / "runs"))
        patch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        sim = stack.enter_context(Simulator(Config.preset("reference")))
        stage = stack.enter_context(staged(folder))
        patch.setenv("PREFECT_API_URL", f"{stage.server.url}/api")
        told = Story(stage, folder)
        _make_automations(told)
        feed = csv_file(folder / "vendor.csv", vendor_rows(40))
        sim.seed(seeded(vendor_rows(40)))
        given = _blocks(sim, FileFeed(**dict(vendor(feed))))
        _fail_twice_and_mend(told, given, feed)
        _crash(told, given)
        _say_nothing(told, given)
        _be_silent()
        stage.wait_for(lambda: len(told.subjects_with(": see its log")) == 2)
        stage.wait_for(lambda: bool(told.subjects_with("minutes late")))
        yield told


def _make_automations(told: Story) -> None:
    arguments = ["alerts", "--file", str(shortened(told.folder)), "--json"]
    told.said["missing block"] = typed(*arguments)
    told.said["after it"] = told.stage.client.read_automations()
    told.stage.save_block()
    told.said["first"] = typed(*arguments)
    told.said["again"] = typed(*arguments)


def _blocks(sim: Simulator, feed: FileFeed) -> dict[str, Any]:
    workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
    for block, name in (
        (workspace, "main"),
        (feed, "vendor"),
        (BackupStore(bucket="firm", prefix="ptolemy"), "main"),
    ):
        block.save(name)
    slugs = {
        "workspace": "ptolemy-workspace/main",
        "feed": "file-feed/vendor",
        "store": "backup-store/main",
    }
    return {name: {"$ref": {"block_document_slug": slug}} for name, slug in slugs.items()}


def sync_of(given: dict[str, Any]) -> dict[str, Any]:
    return {"workspace": given["workspace"], "feed": given["feed"], "mode": "apply"}


def _say_nothing(told: Story, given: dict[str, Any]) -> None:
    """Runs whose processes are gone, in one way or another."""
    stage = told.stage
    dead = told.runs["dead"] = stage.run_of(sync_instruments, sync_of(given))
    stage.become(dead, Running(), Crashed(message="Process exited"))
    zombie = told.runs["zombie"] = stage.run_of(sync_instruments, sync_of(given))
    stage.become(zombie, Running())
    stage.heartbeat(zombie)
    ended = told.runs["ended"] = stage.run_of(sync_instruments, sync_of(given))
    stage.become(ended, Running())
    stage.heartbeat(ended)
    stage.become(ended, Completed(name="Withheld"))
    for number in range(2):
        told.runs[f"late {number}"] = stage.run_of(sync_instruments, sync_of(given))


def _be_silent() -> None:
    """What has come once, and does not come again."""
    looked: tuple[tuple[str, Depth], ...] = (
        ("demo", "restore"),
        ("sliced", "content"),
        ("looked-at", "present"),
    )

    def reports() -> None:
        for workspace, coverage in (("demo", "full"), ("other", "subset")):
            report_backup(a_backup(workspace, coverage))
        for workspace, depth in looked:
            report_verified(workspace, a_verification(depth))

    Flow(reports, name="reports")()


def _fail_twice_and_mend(told: Story, given: dict[str, Any], feed: Path) -> None:
    away = feed.rename(feed.with_suffix(".away"))
    for _ in range(2):
        told.states.append(told.stage.perform(sync_instruments, sync_of(given)))
    # A plan that fails is looked at by whoever asked for it.
    planned = sync_of(given) | {"mode": "plan"}
    told.states.append(told.stage.perform(sync_instruments, planned))
    away.rename(feed)
    told.states.append(told.stage.perform(sync_instruments, sync_of(given)))


def _crash(told: Story, given: dict[str, Any]) -> None:
    """As the runner does it, in its own process: the parameters are bare references."""
    parameters = {"workspace": given["workspace"], "store": given["store"]}
    run = told.runs["crashed"] = told.stage.run_of(backup_workspace, parameters)
    state: Any = Crashed(message=f"Flow run process exited with status code -9. {TOKEN}")
    told.stage.become(run, Running(), state)
    for _ in range(2):
        alerts.tell_crash(backup_workspace, run, state)


def test_two_failed_runs_are_one_notification_and_the_good_one_is_another(story: Story) -> None:
    names = [state.name for state in story.states]
    assert names == ["Failed", "Failed", "Failed", "Completed"]
    assert story.subjects_with("sync of vendor into demo") == [
        "Armillary: sync of vendor into demo failed",
        "Armillary: sync of vendor into demo is good again",
    ]
    failed, good = (each["body"].splitlines() for each in story.stage.receiver.about("sync of"))
    run = story.states[0].state_details.flow_run_id
    assert failed[:2] == ["What: sync of vendor into demo", "State: Failed"]
    assert failed[2].startswith("Since: 20")
    assert "vendor.csv" in failed[3]
    assert failed[4] == "What to do: Do what the message says, then start the run again."
    url = f"{story.stage.server.url}/runs/flow-run/{run}"
    assert failed[5] == f"Run: sync vendor into demo (apply), {url}"
    assert good[1] == "State: Completed"
    assert good[2].startswith("It was: failed since 20")


def test_a_process_that_died_is_told_by_its_runner_once(story: Story) -> None:
    body = story.body("backup of demo in firm/ptolemy crashed")
    assert "Message: Its process died (status code -9)." in body
    assert TOKEN not in body
    assert "nothing is done twice" in body


def test_a_run_that_cannot_speak_is_told_by_the_server(story: Story) -> None:
    """Neither those that have told themselves, nor a plan, nor one that ended well."""
    silent = {story.runs[name].name for name in ("dead", "zombie")}
    assert set(story.subjects_with(": see its log")) == {
        f"Armillary: run {name} Crashed: see its log" for name in silent
    }
    body = next(
        each["body"]
        for each in story.stage.receiver.about(": see its log")
        if story.runs["dead"].name in each["subject"]
    )
    assert f"What: run {story.runs['dead'].name} of sync-instruments" in body
    assert "State: Crashed\nSince: 20" in body
    assert f"/runs/flow-run/{story.runs['dead'].id}" in body


def test_a_run_without_a_sign_of_life_is_marked_as_crashed(story: Story) -> None:
    zombie, ended = (
        story.stage.client.read_flow_run(story.runs[name].id) for name in ("zombie", "ended")
    )
    assert zombie.state_name == "Crashed"
    assert "It sent no heartbeat for 9 minutes." in str(zombie.state and zombie.state.message)
    assert ended.state_name == "Withheld"


def test_runs_that_nobody_takes_are_told_once_for_all(story: Story) -> None:
    (subject,) = story.subjects_with("minutes late")
    names = [run.name for name, run in story.runs.items() if name.startswith("late")]
    assert subject in {f"Armillary: run {name} is 15 minutes late" for name in names}
    assert "prefect worker start --pool default" in story.body("minutes late")


def test_a_backup_that_does_not_come_is_told_once_for_its_workspace(story: Story) -> None:
    """A subset is no backup of everything: it neither starts the time nor ends it."""
    assert story.subjects_with("26 hours") == ["Armillary: no backup of demo for 26 hours"]
    body = story.body("26 hours")
    assert "when the last one ended: 2026-11-20T02-00-00Z" in body
    assert "start backup-workspace/backup-by-hand" in body


def test_a_proof_and_a_verification_that_do_not_come_are_told(story: Story) -> None:
    assert story.subjects_with("proven") == ["Armillary: no backup of demo was proven for 40 days"]
    assert sorted(story.subjects_with("verified for 8 days")) == [
        "Armillary: no backup of demo was verified for 8 days",
        "Armillary: no backup of sliced was verified for 8 days",
    ]


def test_nothing_else_was_told(story: Story) -> None:
    assert len(story.stage.receiver.notifications) == 10


def test_a_missing_block_is_told_and_nothing_is_made(story: Story) -> None:
    missing = story.said["missing block"]
    assert missing.exit_code == 2
    assert "There is no block 'custom-webhook/alerts' on the Prefect server" in missing.stderr
    assert "Nothing was changed. Make it in the UI under Blocks" in missing.stderr
    assert story.said["after it"] == []


def test_the_command_twice_leaves_one_of_each(story: Story) -> None:
    first, again = (
        json.loads(story.said[name].stdout)["automations"] for name in ("first", "again")
    )
    names = [each.name for each in described()]
    assert [each["name"] for each in first] == names
    assert {each["became"] for each in first} == {"created"}
    assert {each["became"] for each in again} == {"unchanged"}
    there = story.stage.client.read_automations(limit=100)
    assert sorted(each.name for each in there) == sorted(names)


def test_a_change_is_made_and_what_others_made_is_left_alone(story: Story, tmp_path: Path) -> None:
    client = story.stage.client
    content = yaml.safe_load(FILE.read_text())
    for automation in content["automations"]:
        automation["name"] = f"copy of {automation['name']}"
    path = tmp_path / "automations.yaml"
    path.write_text(yaml.safe_dump(content))
    mine = described(path)[:2]
    assert {each.became for each in ensure(mine)} == {Became.CREATED}
    (first,) = client.read_automations_by_name(mine[0].name)
    doubled: Any = AutomationCore.model_validate(first.model_dump())
    client.create_automation(doubled)
    client.pause_automation(first.id)
    content["automations"][1]["description"] = "Another one."
    path.write_text(yaml.safe_dump(content))
    (paused, changed) = ensure(described(path)[:2])
    assert changed.became is Became.UPDATED
    assert client.read_automations_by_name(changed.name)[0].description == "Another one."
    assert paused.others == 1
    assert len(client.read_automations_by_name(paused.name)) == 2
    assert paused.paused
    assert client.read_automations_by_name(changed.name)[0].enabled


def test_what_prefect_does_not_take_is_told_by_its_place(story: Story, tmp_path: Path) -> None:
    content = yaml.safe_load(FILE.read_text())
    content["automations"][0]["trigger"]["posture"] = "Lying"
    path = tmp_path / "automations.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match=r"something is wrong.*trigger"):
        ensure(described(path))
    with pytest.raises(ConfigurationError, match="backup-store/main' cannot notify anybody"):
        ensure(described(FILE, block="backup-store/main"))
    assert story.said["after it"] == []


def test_without_a_server_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_PROFILES_PATH", "/nowhere/profiles.toml")
    said = typed("alerts")
    assert said.exit_code == 2
    assert "No Prefect server is configured, and a temporary one would forget" in said.stderr


def test_a_block_that_is_gone_is_named_by_its_reference(story: Story) -> None:
    gone = {"$ref": {"block_document_slug": "ptolemy-workspace/gone"}}
    feed = {"$ref": {"block_document_slug": "file-feed/vendor"}}
    ((subject, kind),) = learnt(
        "sync-instruments", Given({"workspace": gone, "feed": feed}), Failed()
    )
    assert subject.words == "sync of vendor into ptolemy-workspace/gone"
    assert kind is Kind.FAILED


@pytest.mark.parametrize(
    ("flow", "hook", "state", "changed", "path"),
    [
        (backup_workspace, "tell_start", Running(), {}, "/start"),
        (backup_workspace, "tell_end", Completed(), {}, ""),
        (backup_workspace, "tell_end", Failed(name="Partial"), {}, "/fail"),
        (backup_workspace, "tell_crash", Crashed(), {}, "/fail"),
        (backup_workspace, "tell_end", Completed(name="AlreadyRunning"), {}, None),
        (backup_workspace, "tell_start", Running(), {"auto_scheduled": False}, None),
        (sync_instruments, "tell_end", Completed(name="Withheld"), {"mode": "apply"}, ""),
        (sync_instruments, "tell_start", Running(), {"mode": "plan"}, None),
        (sync_instruments, "tell_start", Running(), {}, None),
        (sync_venues, "tell_start", Running(), {}, "/start"),
        (compare_backups, "tell_end", Failed(), {}, None),
    ],
)
def test_a_scheduled_run_that_writes_pings_the_heartbeat(
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
    flow: Flow[Any, Any],
    hook: str,
    state: Any,
    changed: dict[str, Any],
    path: str | None,
) -> None:
    receiver = story.stage.receiver
    monkeypatch.setenv("ARMILLARY_HEARTBEAT_URL", f"{receiver.url}/key/{{flow}}/{{deployment}}")
    receiver.pings.clear()
    run = story.runs["dead"].model_copy(
        update={
            "auto_scheduled": changed.pop("auto_scheduled", True),
            "parameters": dict(changed),
        }
    )
    getattr(alerts, hook)(flow, run, state)
    expected = [] if path is None else [f"/key/{flow.name}/nightly{path}"]
    assert receiver.pings == expected


def test_a_hook_never_raises_and_never_shows_a_secret(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ARMILLARY_HEARTBEAT_URL", f"ftp://{TOKEN}")
    run = story.runs["dead"].model_copy(update={"auto_scheduled": True})
    alerts.tell_crash(sync_instruments, run, Crashed())
    assert "The heartbeat (fail) did not arrive: ARMILLARY_HEARTBEAT_URL is no" in caplog.text
    monkeypatch.setenv("ARMILLARY_LEASE_SECONDS", "never")
    alerts.tell_end(sync_instruments, run, Failed(data=ValueError(TOKEN)))
    assert "People could not be told how this run ended: The environment has" in caplog.text
    assert TOKEN not in caplog.text


def test_the_message_of_a_defect_stays_at_home() -> None:
    state: Any = Failed(message=f"Flow run encountered an exception: {TOKEN}")
    state.data = ValueError(TOKEN)
    said = alerts._message(state)
    assert said == "It ended by an unexpected ValueError; the log of the run has the details."
