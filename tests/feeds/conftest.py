from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.feeds.rest_vendor import RestVendor, rest_vendor
from tests.feeds.vendor import Vendor


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    monkeypatch.chdir(tmp_path)
    return Vendor(tmp_path)


@pytest.fixture(scope="session")
def shared_vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    """For property tests, which may not start from a fresh folder each time."""
    return Vendor(tmp_path_factory.mktemp("vendor"))


@pytest.fixture(scope="module")
def rest_server() -> Iterator[RestVendor]:
    """One REST vendor for the tests of a file."""
    with rest_vendor() as started:
        yield started
