"""Run records in a folder: for the user of the worker alone, whatever the umask says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from armillary.runs.folder_store import FolderStore


@pytest.fixture
def careless() -> Iterator[None]:
    """A umask under which everybody could read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_nobody_else_can_read_or_write_a_record(careless: None, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "runs")
    store.write("w/runs/1/plan.json", b"{}")
    assert store.create("w/leases/sync.json", b"{}")
    found = store.read_versioned("w/leases/sync.json")
    assert found is not None
    assert store.swap("w/leases/sync.json", b"[]", found.version)
    files = [path for path in (tmp_path / "runs").rglob("*.json") if path.is_file()]
    assert len(files) == 2
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
