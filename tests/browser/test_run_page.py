"""What a person sees of a run in the Prefect UI, with everything going wrong that may."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect

from simulator import Simulator
from tests.servers import Server
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]

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
def result(ui: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One sync by the command, as ``--json`` tells it."""
    folder = tmp_path_factory.mktemp("feed")
    definition = vendor(csv_file(folder / "v.csv", DELIVERED)).model_dump(exclude_defaults=True)
    feed = folder / "vendor.yaml"
    feed.write_text(yaml.safe_dump(definition))
    with Simulator() as sim:
        sim.seed(seeded(HELD))
        sim.faults = FAULTS
        done = ui.command(
            *["armillary", "sync", "--feed", str(feed), "--mode", "apply", "--json"],
            ARMILLARY_PTOLEMY_URL=f"{sim.url}/v1",
            ARMILLARY_PTOLEMY_WORKSPACE="demo",
            ARMILLARY_PTOLEMY_TOKEN=sim.token,
        )
        assert done.returncode == 4, done.stdout + done.stderr
        yield json.loads(done.stdout)


def opened(page: Page, ui: Server, result: dict[str, Any], tab: str) -> Page:
    page.goto(f"{ui.url}/runs/flow-run/{result['run_id']}", wait_until="networkidle")
    page.get_by_text(tab, exact=True).first.click()
    page.wait_for_load_state("networkidle")
    return page


def test_the_run_page_shows_its_state_and_each_record_by_name(
    page: Page, ui: Server, result: dict[str, Any], screenshots: Path
) -> None:
    opened(page, ui, result, "Task Runs")
    expect(page.get_by_text("sync vendor into demo (apply)").first).to_be_visible()
    expect(page.get_by_text("Withheld").first).to_be_visible()
    expect(page.get_by_text("update co0000.ax").first).to_be_visible()
    expect(page.get_by_text("update co0001.ax").first).to_be_visible()
    page.screenshot(path=screenshots / "run-tasks.png", full_page=True)


def test_the_log_tells_the_story_without_a_traceback(
    page: Page, ui: Server, result: dict[str, Any], screenshots: Path
) -> None:
    opened(page, ui, result, "Logs")
    expect(
        page.get_by_text(re.compile("Workspace: 30 active records in scope")).first
    ).to_be_visible()
    page.screenshot(path=screenshots / "run-logs.png", full_page=True)
    assert "Traceback" not in page.inner_text("body")


def test_the_report_holds_all_a_person_needs_at_night(
    page: Page, ui: Server, result: dict[str, Any], screenshots: Path
) -> None:
    opened(page, ui, result, "Artifacts")
    expect(page.get_by_text("Sync of vendor: Withheld").first).to_be_visible()
    page.screenshot(path=screenshots / "run-artifacts.png", full_page=True)
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


@pytest.fixture(scope="module")
def deployed(ui: Server) -> None:
    """Registered and deployed by the README's commands."""
    for command in (
        ("prefect", "block", "register", "-m", "blocks"),
        ("prefect", "work-pool", "create", "default", "--type", "process"),
        ("prefect", "--no-prompt", "deploy", "--all"),
    ):
        done = ui.command(*command)
        assert done.returncode == 0, done.stdout + done.stderr


def open_form(page: Page, ui: Server, deployment: str) -> None:
    """Of ``<flow>/<deployment>``; the list of all deployments has several pages."""
    found = httpx.get(f"{ui.url}/api/deployments/name/{deployment}").raise_for_status().json()
    page.goto(f"{ui.url}/deployments/deployment/{found['id']}", wait_until="networkidle")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").first.click()


@pytest.mark.usefixtures("deployed")
def test_the_run_form_offers_the_blocks(page: Page, ui: Server, screenshots: Path) -> None:
    open_form(page, ui, "sync-instruments/by-hand")
    expect(page.get_by_text("The workspace to bring into line with the feed").first).to_be_visible()
    page.wait_for_timeout(500)  # the form fades in
    page.screenshot(path=screenshots / "run-form.png", full_page=True)


MAKE_BLOCK = """
import sys
from blocks import CadenzaAccount
url, email, password = sys.argv[1:]
CadenzaAccount(url=url, email=email, password=password).save("main")
"""

RUN_MILLISECONDS = 90_000
"""A worker polls every few seconds, and a run in a process of its own starts for some more."""


@pytest.fixture(scope="module")
def cadenza(ui: Server, deployed: None) -> Iterator[Simulator]:
    """A Cadenza whose account is the block the deployments name, and a worker for them."""
    with Simulator() as sim:
        account = (sim.cadenza_url, sim.cadenza.email, sim.cadenza.password)
        done = ui.command("python", "-c", MAKE_BLOCK, *account)
        assert done.returncode == 0, done.stdout + done.stderr
        with _worker(ui):
            yield sim


@contextmanager
def _worker(ui: Server) -> Iterator[None]:
    with ui.start("prefect", "worker", "start", "--pool", "default") as process:
        yield
        process.terminate()
        process.communicate(timeout=30)


def test_a_single_venue_is_refreshed_from_the_form(
    page: Page, ui: Server, cadenza: Simulator, screenshots: Path
) -> None:
    """The account is prefilled by the deployment; venue and symbols are typed in."""
    open_form(page, ui, "sync-venues/venues-by-hand")
    expect(page.get_by_text("Names of the venues to refresh").first).to_be_visible()
    _list_of(page, "venues", "BINANCE")
    _list_of(page, "symbols", "BTC/USDT", "ETH/USDT")
    page.screenshot(path=screenshots / "venue-form.png", full_page=True)
    run_id = _submitted(page)
    page.goto(f"{ui.url}/runs/flow-run/{run_id}", wait_until="networkidle")
    called = page.get_by_text("refresh BINANCE BTC/USDT, ETH/USDT in").first
    expect(called).to_be_visible(timeout=RUN_MILLISECONDS)
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=RUN_MILLISECONDS)
    page.get_by_text("Task Runs", exact=True).first.click()
    expect(page.get_by_role("link", name="BINANCE", exact=True).first).to_be_visible()
    page.screenshot(path=screenshots / "venue-run.png", full_page=True)
    asked = [(record.venue, tuple(record.symbols or ())) for record in cadenza.cadenza.syncs]
    assert asked == [("BINANCE", ("BTC/USDT", "ETH/USDT"))]

    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text(re.compile("^venues-[0-9-]+$")).first.click()
    expect(
        page.get_by_text("Done: Cadenza's copies of the venues are fresh.").first
    ).to_be_visible()
    page.screenshot(path=screenshots / "venue-report.png", full_page=True)


def _submitted(page: Page) -> str:
    """The run's id; a server whose database is busy is asked again, as a person would."""
    for _ in range(3):
        with page.expect_response(re.compile("create_flow_run$")) as made:
            page.get_by_role("button", name="Submit", exact=True).click()
        if made.value.ok:
            break
    assert made.value.ok, made.value.text()
    return str(made.value.json()["id"])


def _list_of(page: Page, parameter: str, *values: str) -> None:
    """Choose a list instead of None, and type its values in."""
    label = page.locator(".schema-form-property__label", has_text=f"{parameter} (Optional)")
    field = page.locator(".schema-form-property-any-of-input").filter(has=label)
    field.get_by_role("button", name="list", exact=True).click()
    for number, value in enumerate(values):
        field.get_by_role("button", name="Add item").click()
        field.locator("textarea, input").nth(number).fill(value)
