"""Backing up through the flow."""

from __future__ import annotations

import hashlib
import json

import pytest
import zstandard

from armillary.backup.manifest import decode
from armillary.backup.resources import RESOURCE_TYPES
from simulator import Simulator
from tests.backup.conftest import RunBackup
from tests.backup.made import Shelf
from tests.backup.workspace import seed

pytestmark = pytest.mark.flow


def test_a_whole_backup(sim: Simulator, run_backup: RunBackup, shelf: Shelf) -> None:
    rows = seed(sim)
    state = run_backup(sim)
    result = state.result()
    assert state.name == "Completed", state.message
    assert {file.resource_type: file.rows for file in result.files} == rows
    assert [file.resource_type for file in result.files] == list(RESOURCE_TYPES)
    manifest = decode(shelf.get(f"demo/{result.backup_id}/manifest.json"))
    assert manifest.state == "COMPLETE"
    assert manifest.coverage == "full"
    for entry in manifest.files:
        stored = shelf.get(f"demo/{result.backup_id}/{entry.key}")
        assert hashlib.sha256(stored).hexdigest() == entry.stored_sha256
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
        assert hashlib.sha256(plain).hexdigest() == entry.sha256
        assert len(json.loads(plain)) == entry.rows
