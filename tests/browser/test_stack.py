"""The practice stack, its pages and its forms, as a person sees and uses them.

All of it is one file: the stack takes a minute or two to start, and is started once.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect

from cli.demo import FILES
from cli.up import TO_TRY
from simulator import Simulator
from tests.browser import forms
from tests.browser.stack import END_SECONDS, PracticeStack, left_of
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]

SYNC = "sync-instruments/sync-by-hand"
CUT = FILES / "northwind-equities-2026-11-23-cut.csv"
"""A broken delivery: without what it lacks, 284 instruments would be archived."""


# What is there from the start


def test_everything_is_there_and_has_run(stack: PracticeStack) -> None:
    told = stack.told
    assert told["ui"] != f"http://127.0.0.1:{stack.taken}"
    assert "<html" in httpx.get(stack.ui, follow_redirects=True).text.lower()
    runs = stack.api("POST", "/flow_runs/filter", {})
    assert {run["state_name"] for run in runs} == {"Completed"}, runs
    assert {run["name"] for run in runs} == {run["name"] for run in told["runs"]}
    assert [run["deployment"] for run in told["runs"]] == [
        "sync-instruments/sync-weekdays",
        "sync-venues/venues-hourly",
        "backup-workspace/backup-nightly",
    ]
    deployments = stack.api("POST", "/deployments/filter", {})
    described = {found["name"]: len(found["schedules"]) for found in DEPLOYMENTS}
    assert {found["name"]: len(found["schedules"]) for found in deployments} == described
    schedules = [one for found in deployments for one in found["schedules"]]
    assert not [schedule for schedule in schedules if schedule["active"]]
    assert set(TO_TRY) <= set(told["deployments"])
    named = _references(DEPLOYMENTS) | {"cadenza-feed/binance", "aws-credentials/main"}
    assert named <= set(told["blocks"])
    for slug in told["blocks"]:
        assert stack.block(slug)["is_anonymous"] is False
    ptolemy, cadenza = (told["places"][name] for name in ("Ptolemy", "Cadenza"))
    answer = httpx.get(
        f"{ptolemy['url']}/workspaces/{ptolemy['workspace']}/instruments",
        headers={"Authorization": f"Bearer {ptolemy['token']}"},
    )
    assert answer.is_success
    assert cadenza["password"]
    known = json.dumps(deployments)
    assert [one for one in (ptolemy["token"], cadenza["password"]) if one in known] == []


def _references(value: Any) -> set[str]:
    """Every block that is named by reference."""
    if isinstance(value, dict):
        if "block_document_slug" in value:
            return {value["block_document_slug"]}
        return _references(list(value.values()))
    return {slug for part in value for slug in _references(part)} if type(value) is list else set()


@pytest.mark.parametrize(
    ("path", "image", "words"),
    [
        ("dashboard", "dashboard.png", ["Flow Runs", "Work Pools"]),
        ("deployments", "deployments.png", ["backup-nightly", "compare-by-hand"]),
        ("blocks", "blocks.png", ["vendor", "binance", "Ptolemy Workspace", "Backup Store"]),
        ("automations", "automations.png", ["Armillary"]),
    ],
)
def test_a_page_shows_what_there_is(
    page: Page, stack: PracticeStack, screenshots: Path, path: str, image: str, words: list[str]
) -> None:
    page.goto(f"{stack.ui}/{path}", wait_until="networkidle")
    for word in words:
        expect(page.get_by_text(word).first).to_be_visible()
    if (offer := page.get_by_role("button", name="Not now")).is_visible():
        offer.click()  # of the other UI
    page.wait_for_timeout(1000)  # graphs are drawn
    page.screenshot(path=screenshots / image)


def test_the_first_backup_has_a_report(page: Page, stack: PracticeStack, screenshots: Path) -> None:
    _report(page, stack, "backup-demo")
    expect(page.get_by_text("is complete").or_(page.get_by_text("Complete")).first).to_be_visible()
    page.screenshot(path=screenshots / "backup-report.png")


def _report(page: Page, stack: PracticeStack, key: str) -> str:
    """The page of the newest report of a key, and what it says."""
    asked = {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC", "limit": 1}
    [found] = stack.api("POST", "/artifacts/filter", asked)
    page.goto(f"{stack.ui}/artifacts/artifact/{found['id']}", wait_until="networkidle")
    expect(page.get_by_text(key).first).to_be_visible()
    page.wait_for_timeout(300)  # the text fades in
    return page.inner_text("body")


# A run with everything going wrong that may

HELD = vendor_rows(30)
DELIVERED = [
    *[row | {"lot": "9"} if number < 2 else row for number, row in enumerate(HELD[:20])],
    *vendor_rows(34)[31:],
]
"""Two updates, three creates, and ten instruments that are not there any more."""

FAULTS = [
    {"method": "PATCH", "path": "/instruments/{id}", "nth": 1, "action": "delay", "seconds": 0.1},
    {"method": "PATCH", "path": "/instruments/{id}", "action": "status", "status": 503, "times": 4},
    {"method": "POST", "path": "/instruments", "contains": "co0032.ax", "action": "status",
     "status": 422, "body": '{"message": "lot_size must be positive"}', "times": None},
]  # fmt: skip


@pytest.fixture(scope="module")
def result(
    stack: PracticeStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """One sync by the command, as ``--json`` tells it."""
    folder = tmp_path_factory.mktemp("feed")
    definition = vendor(csv_file(folder / "v.csv", DELIVERED)).model_dump(exclude_defaults=True)
    feed = folder / "vendor.yaml"
    feed.write_text(yaml.safe_dump(definition))
    with Simulator() as sim:
        sim.seed(seeded(HELD))
        sim.faults = FAULTS
        done = stack.server.command(
            *["armillary", "sync", "--feed", str(feed), "--mode", "apply", "--json"],
            ARMILLARY_PTOLEMY_URL=f"{sim.url}/v1",
            ARMILLARY_PTOLEMY_WORKSPACE="demo",
            ARMILLARY_PTOLEMY_TOKEN=sim.token,
            ARMILLARY_RUNS=str(folder / "runs"),
        )
        assert done.returncode == 4, done.stdout + done.stderr
        yield json.loads(done.stdout)


def test_the_run_page_shows_its_state_and_each_record_by_name(
    page: Page, stack: PracticeStack, result: dict[str, Any], screenshots: Path
) -> None:
    page.goto(f"{stack.ui}/runs/flow-run/{result['run_id']}", wait_until="networkidle")
    forms.open_tab(page, "Task Runs")
    expect(page.get_by_text("sync vendor into demo (apply)").first).to_be_visible()
    expect(page.get_by_text("Withheld").first).to_be_visible()
    expect(page.get_by_text("update co0000.ax").first).to_be_visible()
    expect(page.get_by_text("update co0001.ax").first).to_be_visible()
    page.screenshot(path=screenshots / "run-tasks.png", full_page=True)

    # The log tells the story without a traceback.
    forms.open_tab(page, "Logs")
    milestone = page.get_by_text(re.compile("Workspace: 30 active records in scope")).first
    expect(milestone).to_be_visible()
    page.screenshot(path=screenshots / "run-logs.png", full_page=True)
    assert "Traceback" not in page.inner_text("body")


def test_the_report_holds_all_a_person_needs_at_night(
    page: Page, stack: PracticeStack, result: dict[str, Any], screenshots: Path
) -> None:
    page.goto(f"{stack.ui}/runs/flow-run/{result['run_id']}", wait_until="networkidle")
    forms.open_tab(page, "Artifacts")
    expect(page.get_by_text("Sync of vendor: Withheld").first).to_be_visible()
    page.get_by_text("sync-demo-vendor", exact=True).first.click()
    expect(page.get_by_text("Withheld by a guard").first).to_be_visible()
    text = page.inner_text("body")
    page.screenshot(path=screenshots / "report.png", full_page=True)
    for words in (
        "10 archives of 30 active records are 33.3%; the feed allows 20%",
        f"--mode apply --approve {result['digest']}",
        "once: the values were refused: lot_size must be positive. For example: create co0032.ax.",
        "API calls: ",
        "left in the billing period. The vendor guide's loop would take",
    ):
        assert words in text, words


# Runs from forms


def test_an_untouched_form_plans_and_its_report_shows_the_next_delivery(
    page: Page, stack: PracticeStack, screenshots: Path
) -> None:
    forms.opened(page, stack.ui, stack.deployed(SYNC)["id"])
    expect(page.get_by_text("The workspace to bring into line with the feed").first).to_be_visible()
    assert forms.field(page, "approve").locator("textarea, input").count() == 1, "one plain field"
    page.wait_for_timeout(3_000)  # what the selects offer comes later
    page.screenshot(path=screenshots / "sync-form.png")
    run_id, sent = forms.submitted(page)
    assert (sent["mode"], sent["only"], sent["approve"]) == ("plan", [], "")
    forms.at_its_end(page, stack.ui, run_id, "sync northwind-equities into demo (plan)", "Planned")
    text = _report(page, stack, "sync-demo-northwind-equities")
    assert "nothing was written" in text
    assert "unchanged: 381" in text, "the file that came after the deployments were made"
    page.screenshot(path=screenshots / "sync-report.png")


def test_an_untouched_form_of_the_second_feed_class_runs_that_very_feed(
    page: Page, stack: PracticeStack, screenshots: Path
) -> None:
    """By slug, as prefect.yaml names blocks: then the form opens another tab, and shows none."""
    by_slug = {"$ref": {"block_document_slug": "cadenza-feed/binance"}}
    workspace = {"$ref": {"block_document_slug": "ptolemy-workspace/main"}}
    made = stack.deploy(SYNC, "binance-by-hand", feed=by_slug, workspace=workspace)
    forms.opened(page, stack.ui, made)
    expect(page.get_by_text("CadenzaFeed", exact=True).first).to_be_visible()
    page.screenshot(path=screenshots / "second-feed-form.png")
    run_id, sent = forms.submitted(page)
    assert sent["feed"] == by_slug
    assert sent["workspace"] == workspace
    forms.at_its_end(page, stack.ui, run_id, "sync cadenza-binance into demo (plan)", "Planned")
    assert "cadenza-binance: Planned" in _report(page, stack, "sync-demo-cadenza-binance")


def test_what_was_typed_and_emptied_again_is_not_given(page: Page, stack: PracticeStack) -> None:
    forms.opened(page, stack.ui, stack.deployed(SYNC)["id"])
    forms.type_into(page, "approve", "ab")
    forms.type_into(page, "approve", "")
    forms.list_of(page, "only", "")
    with page.expect_response(re.compile("schemas/validate$")) as looked_at:
        page.get_by_role("button", name="Submit", exact=True).click()
    values = looked_at.value.request.post_data_json["values"]  # type: ignore[index]
    assert values["only"] == [None]
    assert values.get("approve") is None
    assert looked_at.value.json()["valid"] is False
    expect(page.get_by_text("None is not of type 'string'").first).to_be_visible()


def test_a_withheld_plan_is_looked_at_and_approved_from_the_form(
    page: Page, stack: PracticeStack, screenshots: Path
) -> None:
    stack.deliver(CUT)
    called = "sync northwind-equities into demo"
    forms.opened(page, stack.ui, stack.deployed(SYNC)["id"])
    run_id, _ = forms.submitted(page)
    forms.at_its_end(page, stack.ui, run_id, f"{called} (plan)", "PlannedWithheld")
    text = _report(page, stack, "sync-demo-northwind-equities")
    page.screenshot(path=screenshots / "withheld-report.png")
    assert "Withheld by a guard" in text
    [digest] = set(re.findall(r"approve[ =]([0-9a-f]{64})", text))

    forms.opened(page, stack.ui, stack.deployed(SYNC)["id"])
    forms.choose(page, "mode", "apply")
    forms.type_into(page, "approve", f" {digest}\n")
    page.screenshot(path=screenshots / "approve-form.png")
    run_id, sent = forms.submitted(page)
    assert sent["mode"] == "apply"
    forms.at_its_end(page, stack.ui, run_id, f"{called} (apply)", "Completed")
    expect(page.get_by_text("Done: every planned change is applied").first).to_be_visible()


def test_a_single_venue_is_refreshed_from_the_form(
    page: Page, stack: PracticeStack, screenshots: Path
) -> None:
    """The account is prefilled by the deployment; venue and symbols are typed in."""
    before = _refreshed(stack)
    forms.opened(page, stack.ui, stack.deployed("sync-venues/venues-by-hand")["id"])
    expect(page.get_by_text("Names of the venues to refresh").first).to_be_visible()
    forms.list_of(page, "venues", "BINANCE")
    forms.list_of(page, "symbols", "BTC/USDT", "ETH/USDT")
    page.screenshot(path=screenshots / "venue-form.png")
    run_id, _ = forms.submitted(page)
    called = "refresh BINANCE BTC/USDT, ETH/USDT in"
    forms.at_its_end(page, stack.ui, run_id, called, "Completed")
    forms.open_tab(page, "Task Runs")
    expect(page.get_by_role("link", name="BINANCE", exact=True).first).to_be_visible()
    assert _refreshed(stack)[len(before) :] == [["BTC/USDT", "ETH/USDT"]]

    forms.open_tab(page, "Artifacts")
    page.get_by_text(re.compile("^venues-[0-9-]+$")).first.click()
    fresh = page.get_by_text("Done: Cadenza's copies of the venues are fresh.").first
    expect(fresh).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=screenshots / "venue-report.png")


def _refreshed(stack: PracticeStack) -> list[Any]:
    """The symbols of every refresh that BINANCE was asked for."""
    state = httpx.get(f"{stack.control}/cadenza", timeout=30).raise_for_status().json()
    return [found["symbols"] for found in state["syncs"] if found["venue"] == "BINANCE"]


# The end


def test_after_ctrl_c_nothing_is_left(stack: PracticeStack) -> None:
    """The last test of this file: the stack is gone after it."""
    family = stack.family()
    assert len(family) >= 4, "simulator, S3, server, worker"
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(END_SECONDS) == 0, stack.errors.read_text()
    said = stack.errors.read_text()
    assert "Ending everything that was started" in said
    assert "Traceback" not in said
    assert left_of(family) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.ui)
