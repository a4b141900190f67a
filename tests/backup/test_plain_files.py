"""A backup without compression: what the service exported, as the vendor's own script reads it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from armillary.backup.bucket import Bucket
from benchmarks.guide.connection import RESOURCE_TYPES, connect
from benchmarks.guide.restore_loop import restore
from simulator import Simulator
from tests.backup.by_hand import back_up
from tests.backup.made import Shelf
from tests.backup.workspace import seed
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client


@pytest.fixture
def guide(make_simulator: MakeSimulator) -> Simulator:
    """The guides' Ptolemy, a full workspace and an empty one."""
    workspaces = [{"slug": "demo"}, {"slug": "spare"}]
    sim = make_simulator("guide", workspaces=workspaces, import_keeps_ids=True)
    seed(sim)
    return sim


def test_each_file_is_byte_for_byte_what_was_exported(
    guide: Simulator, bucket: Bucket, shelf: Shelf
) -> None:
    manifest = back_up(guide, bucket, compression="none").manifest
    assert manifest
    assert len(manifest.files) >= 6
    with open_client(guide) as ptolemy:
        for entry in manifest.files:
            link = ptolemy.exports.get(entry.job_id).download_url
            assert link
            exported = httpx.get(link.get_secret_value()).content
            assert shelf.get(f"demo/{manifest.backup_id}/{entry.key}") == exported
            assert len(exported) == entry.bytes == entry.stored_bytes
            assert entry.sha256 == entry.stored_sha256


def test_the_vendor_guides_restore_loop_restores_it(
    guide: Simulator, bucket: Bucket, shelf: Shelf, tmp_path: Path
) -> None:
    manifest = back_up(guide, bucket, compression="none").manifest
    assert manifest
    for entry in manifest.files:
        content = shelf.get(f"demo/{manifest.backup_id}/{entry.key}")
        (tmp_path / f"{entry.resource_type}.json").write_bytes(content)
    token = guide.token_for("member", "spare")
    with connect(guide.url_of("spare"), token) as spare:
        counts = restore(spare, tmp_path, poll_seconds=0)
    rows = {entry.resource_type: entry.rows for entry in manifest.files}
    assert counts.rows == {kind: (rows[kind], 0) for kind in RESOURCE_TYPES}
    source, restored = guide.state("demo"), guide.state("spare")
    assert {kind: restored[kind] for kind in RESOURCE_TYPES} == {
        kind: source[kind] for kind in RESOURCE_TYPES
    }
    assert sum(map(len, restored.values())) > 200
