"""A run form of the Prefect UI, filled in as a person does it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

RUN_MILLISECONDS = 120_000
"""A run in a process of its own starts for some seconds, on a machine that does more."""

TRIES = 8


def opened(page: Page, ui: str, deployment_id: str) -> None:
    """Open the form of a deployment."""
    page.goto(f"{ui}/deployments/deployment/{deployment_id}", wait_until="networkidle")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").first.click()
    expect(page.get_by_text("Parameters", exact=True).first).to_be_visible()
    page.wait_for_timeout(500)  # the form fades in


def field(page: Page, parameter: str) -> Locator:
    """The field of a parameter, with its label."""
    label = page.locator(
        ".schema-form-property__label",
        has_text=re.compile(rf"^\s*{parameter}( \(Optional\))?\s*$"),
    )
    return page.locator(".schema-form-property").filter(has=label).last


def type_into(page: Page, parameter: str, value: str) -> None:
    """Fill a text in."""
    field(page, parameter).locator("textarea, input").first.fill(value)


def list_of(page: Page, parameter: str, *values: str) -> None:
    """Add an item for each value, and type it in."""
    found = field(page, parameter)
    for number, value in enumerate(values):
        found.get_by_role("button", name="Add item").click()
        found.locator("textarea, input").nth(number).fill(value)


def choose(page: Page, parameter: str, value: str) -> None:
    """Choose from a select, by its keys."""
    control = field(page, parameter).locator(".p-select-button__control")
    control.focus()
    control.press("ArrowDown")
    page.locator(".p-select-option", has_text=re.compile(rf"^\s*{value}\s*$")).click()
    expect(control).to_have_text(value)


def submitted(page: Page) -> tuple[str, dict[str, Any]]:
    """The run's id, and the parameters the form sent.

    A server whose database is busy is asked again, as a person would.
    """
    for _ in range(TRIES):
        with page.expect_response(re.compile("create_flow_run$")) as made:
            page.get_by_role("button", name="Submit", exact=True).click()
        if made.value.ok:
            break
        page.wait_for_timeout(1000)
    assert made.value.ok, made.value.text()
    sent = made.value.request.post_data_json
    assert isinstance(sent, dict)
    return str(made.value.json()["id"]), sent["parameters"]


def at_its_end(page: Page, ui: str, run_id: str, name: str, state: str) -> None:
    """The page of a run, once it is called so and has ended so."""
    page.goto(f"{ui}/runs/flow-run/{run_id}", wait_until="networkidle")
    expect(page.get_by_text(name).first).to_be_visible(timeout=RUN_MILLISECONDS)
    expect(page.get_by_text(state, exact=True).first).to_be_visible(timeout=RUN_MILLISECONDS)


def open_tab(page: Page, name: str) -> None:
    """Open a tab of the page of a run."""
    page.get_by_text(name, exact=True).first.click()
    page.wait_for_load_state("networkidle")
