"""The practice stack, and a headless Chromium that sees nothing but loopback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from tests.browser.stack import PracticeStack, practice_stack

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
NO_IMAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
SIZE = {"width": 1440, "height": 1000}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeStack]:
    """``armillary up``, once for all: it takes a minute or two."""
    with practice_stack(tmp_path_factory.mktemp("stack") / "errors") as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page that may load nothing from outside this machine."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; .ci/run installs it")

    def on_loopback_only(route: Route) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            route.continue_()
        elif route.request.resource_type == "image":
            # Logos of Prefect's own block types come from its site: none, rather than broken ones.
            route.fulfill(content_type="image/svg+xml", body=NO_IMAGE)
        else:
            route.abort()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        opened.route("**/*", on_loopback_only)
        opened.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield opened
        browser.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: SCREENSHOTS, to look at them, else away."""
    named = os.environ.get("SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
