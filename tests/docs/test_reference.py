"""The pages and the code say the same: what exists is described, what is described exists."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import httpx
import msgspec
import pytest
import yaml
from prefect import Flow, Task
from pydantic import BaseModel
from typer.main import get_command

import flows.compare_backups
import flows.prune_backups
import flows.verify_backup
import tasks.compare_venue
from armillary.errors import ArmillaryError
from armillary.feeds.definition import FeedDefinition, FieldRule, Limits
from armillary.feeds.loading import load_feed
from armillary.feeds.reading import read_feed
from armillary.feeds.rest_definition import Paging, RestSource
from armillary.feeds.sanity_definition import Sanity
from armillary.feeds.sql_definition import SqlSource
from armillary.runs.record import APPROVAL_HOURS, Done, Head
from armillary.settings import Settings
from armillary.sync.bulk.route import Cost, Route
from armillary.sync.canonical import DataType
from armillary.sync.outcome import EXIT_CODES, FAILED_STATES, Calls, State, SyncResult
from cli.main import app
from flows.backup_workspace import backup_workspace
from flows.compare_backups import compare_backups
from flows.compare_venue import compare_venue
from flows.prune_backups import prune_backups
from flows.publish_venue import publish_venue
from flows.restore_workspace import restore_workspace
from flows.revert_run import revert_run
from flows.sync_instruments import sync_instruments
from flows.sync_venues import sync_venues
from flows.verify_backup import verify_backup
from simulator import Simulator
from simulator.config import Config, FieldConfig, WorkspaceConfig
from simulator.faults import Action, FaultRates, JobScript, Rule
from simulator.presets import PRESETS
from tasks import (
    apply_changes,
    compare_run,
    make_backup,
    plan_changes,
    plan_revert,
    read_records,
    read_workspace,
    report,
    report_backup,
    report_publish,
    report_restore,
    report_venues,
    restore_run,
    venues,
)
from tests.docs.pages import (
    ROOT,
    anchors,
    links,
    mentioned_commands,
    named_paths,
    pages,
    reference,
    section,
    shown_commands,
    table_rows,
    text_of,
)

PAGES = pages()

NIGHTS = ("sync", "backup", "restore", "venue")

FLOWS = [
    sync_instruments, revert_run, backup_workspace, verify_backup, compare_backups, prune_backups,
    restore_workspace, sync_venues, publish_venue, compare_venue,
]  # fmt: skip


def of_page(page: Path) -> str:
    return str(page)


def names_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def written(value: Any) -> str:
    """A default as the tables show it."""
    if value in (None, "", []):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


# Settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert f"ARMILLARY_{name.upper()}" in table_rows(reference("settings.md"))


def test_no_setting_is_described_that_is_not_there() -> None:
    known = {f"ARMILLARY_{name.upper()}" for name in Settings.model_fields}
    of_the_tests = {"ARMILLARY_REQUIRE_REAL", "ARMILLARY_LONG"}
    for page in PAGES:
        named = set(re.findall(r"ARMILLARY_[A-Z_]+[A-Z]", text_of(page)))
        told_to_users = page.parts[:2] in {("docs", "guides"), ("docs", "reference")}
        # ARMILLARY_STORE_… stands for all that begin so.
        named -= {"ARMILLARY_STORE"}
        assert named <= (known if told_to_users else known | of_the_tests), page


# Feed definition


@pytest.mark.parametrize(
    "model", [FeedDefinition, FieldRule, Limits, Sanity, RestSource, Paging, SqlSource]
)
def test_every_key_of_a_feed_is_described(model: type[BaseModel]) -> None:
    rows = table_rows(reference("feed-definition.md"))
    assert [name for name in names_of(model) if name not in rows] == []


@pytest.mark.parametrize("model", [FeedDefinition, Limits, Sanity])
def test_the_defaults_of_a_feed_are_the_described_ones(model: type[BaseModel]) -> None:
    rows = table_rows(reference("feed-definition.md"))
    for name, field in model.model_fields.items():
        told = rows[name][0][3]
        if field.is_required():
            assert told == "required", name
        elif isinstance(field.default, str | int | float):
            assert told.replace('"', "") == written(field.default), name


def test_the_worked_example_is_what_a_reading_makes_of_it(tmp_path: Path) -> None:
    example = reference("feed-definition.md").partition("## A worked example")[2]
    csv_text, definition = re.findall(r"```\w*\n(.*?)```", example, re.DOTALL)
    (tmp_path / "equities.csv").write_text(csv_text)
    (tmp_path / "example.yaml").write_text(definition)
    types = {
        "isin": DataType.TEXT,
        "exchange": DataType.TEXT,
        "lot_size": DataType.NUMBER,
        "etf": DataType.BOOLEAN,
    }
    reading = read_feed(load_feed(tmp_path / "example.yaml"), types)
    told = {cells[0]: cells[1] for cells in _rows(example) if cells[0].isdigit()}
    for row in reading.records.iter_rows(named=True):
        assert told[str(row["row"])].startswith(f"`{row['identifier']}`")
    for row in reading.rejects.iter_rows(named=True):
        assert f"rejected: `{row['reason']}`" in told[str(row["row"])]
    assert len(told) == reading.rows_read
    assert reading.records["field.lot_size"].to_list() == ["1", "", "1"]
    assert reading.records["field.etf"].to_list() == ["false", "false", "true"]


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.split("|")[1:-1]]


# States and results


@pytest.mark.parametrize("state", State)
def test_every_state_is_described_with_type_and_exit_code(state: State) -> None:
    _, prefect_type, code, _ = table_rows(reference("states-and-exit-codes.md"))[state][0]
    assert prefect_type == ("failed" if state in FAILED_STATES else "completed")
    assert code == str(EXIT_CODES[state])


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_line_at_three_in_the_morning(state: State) -> None:
    rows = table_rows(text_of(Path("docs/guides/when-a-sync-says.md")))
    assert rows[state][0][1] == str(EXIT_CODES[state])


def test_every_error_is_told_what_to_do_about() -> None:
    at_night = "\n".join(text_of(Path(f"docs/guides/when-a-{it}-says.md")) for it in NIGHTS)
    missing = [
        error.__name__ for error in _errors() if not re.search(rf"\b{error.__name__}\b", at_night)
    ]
    # The base is never raised itself.
    assert missing == ["ApiError"]


def _errors(base: type[ArmillaryError] = ArmillaryError) -> list[type[ArmillaryError]]:
    found = [kind for kind in base.__subclasses__() if kind.__module__ == "armillary.errors"]
    return found + [below for kind in found for below in _errors(kind)]


def test_every_key_of_a_result_is_described() -> None:
    rows = table_rows(section(reference("result.md"), "Of a sync or a revert"))
    known = {field.name for kind in (SyncResult, Calls) for field in fields(kind)}
    assert set(rows) == known | set(Route(False, "", Cost(0, 0), None, {}, 0).as_dict())


@pytest.mark.parametrize("event", sorted(set(report.EVENTS.values())))
def test_every_event_is_described(event: str) -> None:
    rows = table_rows(reference("states-and-exit-codes.md"))
    told = " ".join(cell for cells in rows[f"armillary.sync.{event}"] for cell in cells[1:])
    states = [state for state, emitted in report.EVENTS.items() if emitted == event]
    assert [state for state in states if f"`{state}`" not in told] == []


# Flows


@pytest.mark.parametrize("flow", FLOWS)
def test_every_parameter_of_a_flow_is_described_and_no_other(flow: Flow[..., Any]) -> None:
    page = reference("flows.md")
    assert f"## `{flow.name}`\n" in page
    rows = table_rows(section(page, f"`{flow.name}`").partition("Task runs")[0])
    parameters = inspect.signature(flow.fn).parameters
    assert list(rows) == list(parameters)
    for name, parameter in parameters.items():
        default = parameter.default
        told = "required" if default is inspect.Parameter.empty else written(default)
        assert rows[name][0][3] == told, name


def test_every_task_is_described() -> None:
    modules = [apply_changes, plan_changes, plan_revert, read_records, read_workspace, report]
    modules += [make_backup, report_backup, flows.verify_backup, flows.prune_backups]
    modules += [compare_run, flows.compare_backups, restore_run, report_restore]
    modules += [venues, report_venues, report_publish, tasks.compare_venue]
    names = {task.name for module in modules for task in vars(module).values() if _is_task(task)}
    assert len(names) > 20
    page = reference("flows.md")
    assert [name for name in names if f"`{name}`" not in page] == []


def _is_task(value: object) -> bool:
    return isinstance(value, Task)


# Run records


@pytest.mark.parametrize("entry", [Head, Done])
def test_every_key_of_a_run_record_is_described(entry: type[msgspec.Struct]) -> None:
    rows = table_rows(reference("run-record.md"))
    assert [name for name in entry.__struct_fields__ if name not in rows] == []


def test_the_hours_of_an_approval_are_told() -> None:
    assert f"within {APPROVAL_HOURS} hours" in text_of(Path("docs/guides/withheld-at-night.md"))


# Simulator


@pytest.mark.parametrize(("name", "field"), Config.model_fields.items())
def test_every_key_of_the_simulator_is_described(name: str, field: Any) -> None:
    rows = [cells for cells in table_rows(reference("simulator.md"))[name] if len(cells) == 5]
    [[_, row, values, default, _]] = rows
    assert default == ("see below" if field.default_factory else written(field.default))
    for value in get_args(field.annotation):
        if isinstance(value, str | int):
            assert f"`{value}`" in values
    named = re.match(r"((?:[DNAJ]\d+)(?:, [DNAJ]\d+)*): ", field.description)
    assert row == named[1] if named else row in ("", *re.findall(r"(Section \d+)", row))


def test_every_preset_is_described_as_it_is() -> None:
    rows = table_rows(reference("simulator.md"))
    for place, preset in enumerate(PRESETS.values(), start=1):
        for key, value in preset.items():
            told = next(cells for cells in rows[key] if len(cells) == 4)[place]
            assert told == ("see below" if key == "fault_rates" else written(value)), key


@pytest.mark.parametrize("model", [Rule, JobScript, FaultRates, WorkspaceConfig, FieldConfig])
def test_every_key_of_a_fault_and_of_a_workspace_is_described(model: type[BaseModel]) -> None:
    page = reference("simulator.md")
    assert [name for name in names_of(model) if f"`{name}`" not in page] == []


def test_every_fault_and_every_control_is_described(sim: Simulator) -> None:
    page = reference("simulator.md")
    assert [action for action in get_args(Action) if f"| `{action}` |" not in page] == []
    answer: str = httpx.get(f"{sim.url}/_simulator/nothing").json()["message"]
    known = answer.removeprefix("The control path knows: ").split(", ")
    told = re.findall(r"\| `([A-Z]+) /_simulator/([a-z-]+)`", page)
    assert sorted(known) == sorted(f"{method} {name}" for method, name in told)


def test_the_examples_of_the_simulator_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", reference("simulator.md"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        path = tmp_path / "simulator.yaml"
        path.write_text(block)
        assert Config.load(path).workspaces


# Links, paths and commands of every page


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        place, _, anchor = link.partition("#")
        target = (ROOT / page.parent / place).resolve() if place else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.relative_to(ROOT)), link


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/map.md"])
def test_every_path_that_is_named_exists(page: str) -> None:
    paths = list(named_paths(Path(page)))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_command_that_is_shown_can_be_run(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in shown_commands(page):
        command = get_command(app)
        for sub in command.commands.values():  # type: ignore[attr-defined]
            sub.callback = lambda **_: None
        with pytest.raises(SystemExit) as ended:
            command.main(arguments, prog_name="armillary")
        assert ended.value.code == 0, f"{arguments}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_command_that_is_mentioned_exists(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for arguments in mentioned_commands(page):
        if not arguments:
            continue
        assert arguments[0] in commands, arguments
        options = {name for param in commands[arguments[0]].params for name in param.opts}
        given = {part for part in arguments[1:] if part.startswith("--")}
        assert given <= options | {"--help"}, arguments


def test_the_pages_do_show_and_mention_commands() -> None:
    """Else the two tests above would look at nothing."""
    shown = [arguments[0] for page in PAGES for arguments in shown_commands(page)]
    mentioned = [arguments for page in PAGES for arguments in mentioned_commands(page)]
    assert set(shown) >= {"check", "revert", "simulate", "sync"}
    assert set(shown) >= {"backup", "backups", "verify", "prune", "compare-backups", "history"}
    assert set(shown) >= {"restore", "venues", "publish", "compare-venue"}
    assert len(mentioned) > 10


def test_every_command_and_option_is_told_somewhere() -> None:
    told = "\n".join(text_of(page) for page in PAGES)
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert re.search(rf"armillary {name}\b", told), name
        for option in {opt for param in command.params for opt in param.opts if opt[0] == "-"}:
            assert option in told, f"{name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = re.findall(r"(?:`|^ *)make ([a-z]+)", text_of(page), re.MULTILINE)
    assert set(named) <= targets


def test_the_deployments_the_guides_name_exist() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    flow_of = {entry["name"]: entry["entrypoint"].rsplit(".", 1)[1] for entry in deployments}
    guides = "\n".join(text_of(page) for page in PAGES if page.parts[:2] == ("docs", "guides"))
    assert set(re.findall(r"deploy --name ([\w-]+)", guides)) == set(flow_of)
    started = re.findall(r"deployment run ([\w-]+)/([\w-]+)", guides)
    assert len(started) > 8
    for flow, name in started:
        assert flow_of[name] == flow.replace("-", "_")


def test_typer_still_ends_wrong_usage_with_two() -> None:
    """What the test of the shown commands relies on."""
    with pytest.raises(SystemExit) as ended:
        get_command(app).main(["sync", "--mood", "plan"], prog_name="armillary")
    assert ended.value.code == 2
