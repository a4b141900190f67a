"""A backup read by a client that knows nothing of Armillary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armillary.backup.catalogue import Catalogue
from armillary.backup.verify import verify
from tests.real.aws_command import digest, sha256sum, unpacked
from tests.real.conftest import MakeAwsCommand
from tests.real.made_backup import WORKSPACE, MadeBackup

pytestmark = [pytest.mark.real, pytest.mark.flow, pytest.mark.slow]


@pytest.mark.parametrize("which", ["in_moto", "plain", "packed"])
def test_a_backup_is_plain_files_to_anybody(
    which: str, request: pytest.FixtureRequest, aws: MakeAwsCommand, tmp_path: Path
) -> None:
    backup: MadeBackup = request.getfixturevalue(which)
    folder = tmp_path / "downloaded"
    client = aws(backup.service)
    listed = client.listed(backup.address)
    client.s3("sync", "--only-show-errors", backup.address, str(folder))
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == listed
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["state"] == "COMPLETE"
    assert len(manifest["files"]) == 7
    own = {manifest["schemas"]["key"], "manifest.json"}
    assert {entry["key"] for entry in manifest["files"]} <= listed.keys() - own
    hashes = sha256sum(folder)
    assert hashes["schemas.json"] == manifest["schemas"]["sha256"]
    for entry in manifest["files"]:
        kind, content = entry["resource_type"], unpacked(folder / entry["key"])
        assert hashes[entry["key"]] == entry["stored_sha256"]
        assert listed[entry["key"]] == entry["stored_bytes"]
        assert digest(content) == entry["sha256"] == backup.exported[kind]
        assert len(json.loads(content)) == entry["rows"]
        if which == "plain":
            assert hashes[entry["key"]] == backup.exported[kind]


def test_a_backup_that_was_carried_elsewhere_is_found_and_verified(
    plain: MadeBackup, aws: MakeAwsCommand, tmp_path: Path
) -> None:
    client, elsewhere = aws(plain.service), plain.service.make_bucket()
    copied = plain.address.replace(plain.bucket_name, elsewhere)
    client.s3("sync", "--only-show-errors", plain.address, str(tmp_path))
    client.s3("sync", "--only-show-errors", str(tmp_path), copied)
    bucket = plain.service.bucket(elsewhere)
    carried = Catalogue(bucket, WORKSPACE).latest()
    assert carried.backup_id == plain.result.backup_id
    result = verify(bucket, carried, depth="content")
    assert result.state == "Completed", result.problems
    assert result.files_read == 7
    notes = " ".join(result.notes)
    assert "holds the right bytes, but it does not carry the metadata that the backup" in notes
