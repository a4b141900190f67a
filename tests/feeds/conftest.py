from __future__ import annotations

from pathlib import Path

import pytest

from tests.feeds.vendor import Vendor


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    monkeypatch.chdir(tmp_path)
    return Vendor(tmp_path)


@pytest.fixture(scope="session")
def shared_vendor(tmp_path_factory: pytest.TempPathFactory) -> Vendor:
    """For property tests, which may not start from a fresh folder each time."""
    return Vendor(tmp_path_factory.mktemp("vendor"))
