"""The catalogue: what lies in the bucket, believed only as far as its manifests."""

from __future__ import annotations

import gc
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue, parsed, workspace_folder
from armillary.backup.journal import Coverage, Journal
from armillary.backup.manifest import Manifest, encode
from armillary.backup.opening import folder_of
from armillary.backup.place import BucketPlace
from armillary.errors import ConfigurationError
from tests.backup.made import Shelf, StoppedClock, manifest_of
from tests.runs.s3 import LoopbackS3

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def catalogue(bucket: Bucket) -> Catalogue:
    return Catalogue(bucket, "demo", clock=StoppedClock(NOW))


def ids(catalogue: Catalogue) -> list[str]:
    return [backup.backup_id for backup in catalogue.list()]


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments)
    return str(caught.value)


def rehashed(manifest: Manifest, **changed: Any) -> bytes:
    """A page of another version of the format; nothing is hashed before the version is known."""
    return json.dumps({**json.loads(encode(manifest)), **changed}).encode()


# What is listed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2026-11-20T02-00-00Z", 1),
        ("2026-11-20T02-00-00Z-2", 2),
        ("2026-11-20T02-00-00Z-10", 10),
        ("2024-02-29T23-59-59Z", 1),
        ("2026-1-2T02-00-00Z", None),
        ("2026-02-29T02-00-00Z", None),
        ("2026-11-20T02-00-00", None),
        ("2026-11-20T02-00-00Zx", None),
        ("2026-11-20T02-00-00Z-", None),
        ("2026-11-20T02-00-00Z-\u0662", None),
        ("manifest.json", None),
        ("", None),
    ],
)
def test_s22_what_is_an_id(text: str, number: int | None) -> None:
    made = parsed(text)
    assert (made[1] if made else None) == number
    assert made is None or made[0].tzinfo is UTC


def test_backups_are_listed_newest_first(catalogue: Catalogue, shelf: Shelf) -> None:
    made = [
        "2025-12-31T02-00-00Z",
        "2026-11-20T02-00-00Z",
        "2026-11-20T02-00-00Z-2",
        "2026-11-20T02-00-00Z-10",
        "2026-11-20T03-00-00Z",
    ]
    for backup_id in made:
        shelf.manifest(backup_id)
    assert ids(catalogue) == list(reversed(made))
    newest = next(catalogue.list())
    assert (newest.state, newest.rows, newest.age) == ("COMPLETE", 15, timedelta(hours=6))
    assert newest.bytes == manifest_of().stored_bytes
    assert newest.folder == "demo/2026-11-20T03-00-00Z"
    assert newest.full_and_complete


def test_what_is_not_ours_is_not_listed(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.manifest("2026-11-20T02-00-00Z")
    shelf.manifest("2026-11-20T03-00-00Z", workspace="other", workspace_slug="other")
    shelf.put("demo/notes/manifest.json", encode(manifest_of()))
    shelf.put("demo/2026-11-20T04-00-00Z", b"an object, and no folder")
    assert ids(catalogue) == ["2026-11-20T02-00-00Z"]
    assert not list(catalogue.unfinished())


def test_s16_a_folder_without_a_manifest_is_no_backup(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.manifest("2026-11-19T02-00-00Z")
    journal = Journal(
        backup_id="2026-11-20T02-00-00Z",
        workspace_id="7b0d",
        run_id="run-1",
        started_at=datetime(2026, 11, 20, 2, 0, 7, tzinfo=UTC),
        coverage=Coverage(("markets",), True, None, "json", "zstd"),
    )
    shelf.unfinished(journal.backup_id, journal=msgspec.json.encode(journal))
    shelf.unfinished("2026-11-20T03-00-00Z", journal=b"cut off {")
    assert ids(catalogue) == ["2026-11-19T02-00-00Z"]
    broken, begun = catalogue.unfinished()
    assert (begun.owner, begun.started_at) == ("run-1", journal.started_at)
    assert (broken.owner, broken.started_at) == ("", datetime(2026, 11, 20, 3, tzinfo=UTC))
    assert catalogue.latest().backup_id == "2026-11-19T02-00-00Z"


def test_s22_odd_characters_in_a_workspace(bucket: Bucket, shelf: Shelf) -> None:
    slug = "größe/../x y%"
    folder = workspace_folder_of(slug)
    assert "/" not in folder
    shelf.manifest("2026-11-20T02-00-00Z", workspace=folder, workspace_slug=slug)
    assert workspace_folder(bucket, slug) == folder
    assert workspace_folder(bucket, None) == folder
    assert Catalogue(bucket, folder).latest().damaged == ""


def workspace_folder_of(slug: str) -> str:
    from armillary.api.models import Workspace  # noqa: PLC0415

    return folder_of(Workspace(id="7b0d", slug=slug, name=slug, raw={}))


# The newest that counts


def test_latest_passes_over_what_does_not_count(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.manifest("2026-11-16T02-00-00Z")
    shelf.manifest("2026-11-17T02-00-00Z")
    shelf.manifest("2026-11-18T02-00-00Z", coverage="subset", resource_types=["markets"])
    shelf.manifest("2026-11-19T02-00-00Z", state="PARTIAL")
    shelf.put("demo/2026-11-20T02-00-00Z/manifest.json", b"{")
    shelf.manifest("2027-11-20T02-00-00Z")
    assert catalogue.latest().backup_id == "2026-11-17T02-00-00Z"
    assert catalogue.get("latest").backup_id == "2026-11-17T02-00-00Z"
    assert catalogue.latest(full_complete=False).backup_id == "2026-11-19T02-00-00Z"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "PARTIAL"}, "PARTIAL"),
        (
            {"coverage": "subset", "resource_types": ["markets", "instruments"]},
            "a subset (markets, instruments)",
        ),
    ],
)
def test_without_a_complete_one_it_is_said_what_there_is(
    catalogue: Catalogue, shelf: Shelf, changed: dict[str, Any], words: str
) -> None:
    shelf.manifest("2026-11-19T02-00-00Z", **changed)
    assert refusal(catalogue.latest) == (
        "There is no complete backup of everything in s3://backups/desk/demo. 1 other lies there, "
        f"the newest being 2026-11-19T02-00-00Z: {words}. Make one with `armillary backup`, or "
        "name the one you want by its id."
    )


def test_without_a_usable_one_it_is_said_why(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.put("demo/2026-11-19T02-00-00Z/manifest.json", b"{")
    assert "2026-11-19T02-00-00Z: its manifest cannot be believed." in refusal(catalogue.latest)
    shelf.manifest("2026-11-20T09-30-00Z")
    said = refusal(lambda: catalogue.latest(full_complete=False))
    assert said.startswith("There is no usable backup in s3://backups/desk/demo. 2 others lie")
    assert "2026-11-20T09-30-00Z: dated in the future." in said


def test_t10_a_clock_that_is_a_little_ahead_is_no_future(
    catalogue: Catalogue, shelf: Shelf
) -> None:
    shelf.manifest("2026-11-20T09-09-00Z")
    assert catalogue.latest().backup_id == "2026-11-20T09-09-00Z"


def test_no_backup_at_all(catalogue: Catalogue) -> None:
    assert refusal(catalogue.latest) == (
        "There is no complete backup of everything in s3://backups/desk/demo. No backup lies "
        "there at all. Make one with `armillary backup`."
    )
    assert refusal(catalogue.get, "2026-11-20T02-00-00Z").startswith(
        "There is no backup '2026-11-20T02-00-00Z' in s3://backups/desk/demo. No backup lies there"
    )


# One by its id


def test_a_wrong_id_names_the_closest(catalogue: Catalogue, shelf: Shelf) -> None:
    for day in range(10, 20):
        shelf.manifest(f"2026-11-{day}T02-00-00Z")
    assert catalogue.get("2026-11-15T02-00-00Z").manifest
    said = refusal(catalogue.get, "2026-11-15")
    assert said.startswith("There is no backup '2026-11-15' in s3://backups/desk/demo. The closest")
    assert "2026-11-15T02-00-00Z" in said
    assert "`armillary backups` lists all" in said
    assert "There is no backup '../other'" in refusal(catalogue.get, "../other")


def test_s16_an_unfinished_one_is_waited_for_or_given_up(
    catalogue: Catalogue, bucket: Bucket, shelf: Shelf
) -> None:
    shelf.unfinished("2026-11-20T04-00-00Z")
    assert refusal(catalogue.get, "2026-11-20T04-00-00Z") == (
        "Backup 2026-11-20T04-00-00Z in s3://backups/desk/demo has no manifest: it was begun at "
        "2026-11-20 04:00 UTC, and is under way or was interrupted. Wait for that run, or start "
        "`armillary backup` again: within 6 hours it goes on with it. There is nothing to verify "
        "or restore before."
    )
    later = Catalogue(bucket, "demo", clock=StoppedClock(NOW + timedelta(days=1)))
    said = refusal(later.get, "2026-11-20T04-00-00Z")
    assert "nobody goes on with it any more. Choose another one (`armillary backups`)." in said
    assert "somebody deleted its manifest.json" in said


# Manifests that cannot be believed


def damaged(catalogue: Catalogue) -> Backup:
    (found,) = catalogue.list()
    assert (found.state, found.manifest, found.rows, found.bytes) == ("DAMAGED", None, 0, 0)
    assert not found.full_and_complete
    return found


def test_s18_a_manifest_that_is_cut_off(catalogue: Catalogue, shelf: Shelf) -> None:
    key = "demo/2026-11-20T02-00-00Z/manifest.json"
    shelf.manifest("2026-11-20T02-00-00Z")
    shelf.put(key, shelf.get(key)[:-40])
    assert "it is cut off or overwritten" in damaged(catalogue).damaged


def test_s18_a_manifest_that_was_edited(catalogue: Catalogue, shelf: Shelf) -> None:
    key = "demo/2026-11-20T02-00-00Z/manifest.json"
    shelf.manifest("2026-11-20T02-00-00Z", state="PARTIAL")
    shelf.put(key, shelf.get(key).replace(b"PARTIAL", b"COMPLETE"))
    assert "Somebody or something has changed it." in damaged(catalogue).damaged


def test_s18_a_folder_that_was_renamed(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.put(
        "demo/2026-11-20T02-00-00Z/manifest.json", encode(manifest_of("2026-11-19T02-00-00Z"))
    )
    assert damaged(catalogue).damaged == (
        "The manifest is that of backup 2026-11-19T02-00-00Z of workspace demo, but it lies in the "
        "folder demo/2026-11-20T02-00-00Z. Somebody copied or renamed it: look for the original, "
        "and use that."
    )


def test_s18_a_manifest_of_another_workspace(catalogue: Catalogue, shelf: Shelf) -> None:
    shelf.manifest("2026-11-20T02-00-00Z", workspace_slug="a b")
    assert "of workspace a b, but it lies" in damaged(catalogue).damaged


def test_a_manifest_of_a_newer_armillary_is_not_called_damaged(
    catalogue: Catalogue, shelf: Shelf
) -> None:
    page = rehashed(manifest_of(), manifest_version=2, tool_version="9.1")
    shelf.put("demo/2026-11-20T02-00-00Z/manifest.json", page)
    assert damaged(catalogue).damaged == (
        "The manifest has version 2 of the format, and this Armillary reads up to version 1. It "
        "was written by Armillary 9.1. The backup is not damaged by that: use that Armillary or a "
        "newer one."
    )


# Proof


@pytest.mark.parametrize(
    ("page", "proven", "words"),
    [
        ({}, True, ""),
        ({"sample": "all"}, True, ""),
        ({"proven": False}, False, "a restore showed differences"),
        ({"manifest_sha256": "0" * 64}, False, "verification.json is about another manifest"),
        ({"verified_at": "2026-11-20T05:00:00"}, False, "verification.json cannot be read"),
        ({"sample": "some"}, False, "verification.json cannot be read"),
    ],
)
def test_proof_is_of_one_manifest(
    catalogue: Catalogue, shelf: Shelf, page: dict[str, Any], proven: bool, words: str
) -> None:
    shelf.manifest("2026-11-20T02-00-00Z")
    written = json.loads(shelf.get("demo/2026-11-20T02-00-00Z/manifest.json"))
    told = {
        "manifest_sha256": written["sha256"],
        "proven": True,
        "verified_at": "2026-11-20T05:00:00Z",
        "sample": 200,
        "differences": [],
    }
    key = "demo/2026-11-20T02-00-00Z/verification.json"
    shelf.put(key, json.dumps(told | page).encode())
    (found,) = catalogue.list()
    assert (found.proven is not None, found.not_proven) == (proven, words)
    assert found.state == "COMPLETE"


# Which workspace


def test_the_workspace_need_not_be_named_if_there_is_one(bucket: Bucket, shelf: Shelf) -> None:
    said = refusal(workspace_folder, bucket, None)
    assert said == "No backup lies in s3://backups/desk. Make one with `armillary backup`."
    assert refusal(workspace_folder, bucket, "demo") == said
    shelf.manifest("2026-11-20T02-00-00Z")
    assert workspace_folder(bucket, None) == workspace_folder(bucket, "demo") == "demo"
    assert refusal(workspace_folder, bucket, "dmeo") == (
        "No backup of workspace 'dmeo' lies in s3://backups/desk; there is demo. Name one of these "
        "(`--workspace`), or make one with `armillary backup`."
    )
    shelf.manifest("2026-11-20T02-00-00Z", workspace="a%20b", workspace_slug="a b")
    assert refusal(workspace_folder, bucket, None) == (
        "s3://backups/desk holds the folders of several workspaces: a b, demo. Name the one you "
        "mean (`--workspace`)."
    )
    assert workspace_folder(bucket, "a b") == "a%20b"


# Thousands


class Watched(Bucket):
    """A bucket that notes what is read of it, and how many manifests are held then."""

    def __init__(self, place: BucketPlace) -> None:
        super().__init__(place)
        self.keys: list[str] = []
        self.held = 0

    def read(self, key: str) -> bytes | None:
        self.keys.append(key)
        if len(self.keys) % 20 == 0:
            self.held = max(self.held, sum(type(found) is Manifest for found in gc.get_objects()))
        return super().read(key)


def test_s19_thousands_are_paged_and_few_are_held(
    place: BucketPlace, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    first = datetime(2025, 1, 1, 2, tzinfo=UTC)
    made = [f"{first + timedelta(hours=8 * number):%Y-%m-%dT%H-%M-%SZ}" for number in range(140)]
    for backup_id in made[:60]:
        shelf.put(f"demo/{backup_id}/_run.json", b"{}")
    for backup_id in made[60:]:
        shelf.manifest(backup_id)
    s3_server.page_keys = 25
    watched = Watched(place)
    catalogue = Catalogue(watched, "demo", clock=StoppedClock(first + timedelta(days=400)))
    assert catalogue.latest().backup_id == made[-1]
    assert len(watched.keys) <= 2 * 9, "the newest one, and those read ahead"
    listed = [entry.backup_id for entry in catalogue.entries()]
    assert listed == list(reversed(made))
    assert 0 < watched.held <= 12
