"""Verifying backups that were harmed in a real bucket, from outside and byte by byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.manifest import Manifest, encode
from armillary.backup.outcome import size
from armillary.backup.place import BucketPlace
from armillary.backup.stored import read_stored
from armillary.backup.verified import Depth, Verified, summary, verified_message
from armillary.backup.verify import verify
from armillary.errors import FileDamaged
from tests.backup.made import Shelf, StoppedClock, entry_of, manifest_of, rows_of
from tests.runs.s3 import LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
FOLDER = "demo/2026-11-20T02-00-00Z"
MARKETS = f"{FOLDER}/markets.json.zst"
INSTRUMENTS = f"{FOLDER}/instruments.json.zst"

Look = Callable[..., Verified]


@pytest.fixture
def look(bucket: Bucket) -> Look:
    """``look("present")`` verifies the only backup there is."""

    def run(depth: Depth = "content", part: tuple[int, int] | None = None) -> Verified:
        (backup,) = Catalogue(bucket, "demo", clock=StoppedClock(NOW)).list()
        return verify(bucket, backup, depth=depth, slice=part)

    return run


@pytest.fixture
def versioned(s3: S3Client) -> None:
    s3.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})


def problem(found: Verified, key: str = MARKETS) -> str:
    assert [told.key for told in found.problems] == [key], found.problems
    assert (found.state, found.exit_code) == ("Failed", 1)
    return found.problems[0].what


# What is whole


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_a_whole_backup_is_what_was_written(look: Look, shelf: Shelf, compression: str) -> None:
    manifest = shelf.backup(compression=compression)
    found = look()
    assert (found.state, found.problems, found.notes, found.exit_code) == ("Completed", (), (), 0)
    assert (found.files, found.files_read, found.bytes_read) == (7, 7, manifest.stored_bytes)
    assert verified_message(found) == (
        "Backup 2026-11-20T02-00-00Z is what was written (7 of 7 files read back, "
        f"{size(manifest.stored_bytes)})."
    )
    outside = look("present")
    assert (outside.state, outside.files, outside.files_read) == ("Completed", 7, 0)
    assert verified_message(outside) == (
        "Backup 2026-11-20T02-00-00Z is what was written (7 files looked at from outside)."
    )


def test_the_keys_that_scripts_use(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    shelf.delete(MARKETS)
    told = json.loads(json.dumps(look().as_dict()))
    assert (told["state"], told["depth"], told["proven"]) == ("Failed", "content", False)
    assert told["problems"] == [
        {"resource_type": "markets", "key": MARKETS, "what": "nothing lies at this key."}
    ]


# What was harmed at rest


@pytest.mark.parametrize("depth", ["present", "content"])
def test_s08_a_file_that_was_deleted(look: Look, shelf: Shelf, depth: Depth) -> None:
    shelf.backup()
    shelf.delete(MARKETS)
    found = look(depth)
    assert problem(found) == "nothing lies at this key."
    assert found.files_read == (0 if depth == "present" else 6)


@pytest.mark.parametrize("depth", ["present", "content"])
def test_s08_a_file_that_was_cut_off(look: Look, shelf: Shelf, depth: Depth) -> None:
    shelf.backup()
    whole = shelf.get(MARKETS)
    shelf.put(MARKETS, whole[:-10])
    assert problem(look(depth)) == (
        f"{len(whole) - 10} bytes lie there where the backup stored {len(whole)}: it was cut off "
        "or replaced."
    )


@pytest.mark.parametrize("depth", ["present", "content"])
def test_s08_a_file_that_grew(look: Look, shelf: Shelf, depth: Depth) -> None:
    shelf.backup()
    whole = shelf.get(MARKETS)
    shelf.put(MARKETS, whole + b"\0")
    assert "it was overwritten or replaced." in problem(look(depth))


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_s08_a_byte_that_turned_over_is_found_by_reading(
    look: Look, shelf: Shelf, s3_server: LoopbackS3, compression: str
) -> None:
    manifest = shelf.backup(compression=compression)
    key = f"{FOLDER}/{manifest.files[-1].key}"
    shelf.change(key, at=20)
    assert problem(look(), key).startswith(
        f"it is as long as it was stored ({len(shelf.get(key))} bytes) but holds other bytes: it "
        "was altered or replaced (its SHA-256 is not that of the manifest). From outside: "
    )


def test_s08_a_byte_that_turned_over_without_the_stores_notice(
    look: Look, bucket: Bucket, shelf: Shelf
) -> None:
    """Rot changes neither length nor ETag: only reading finds it."""
    manifest = shelf.backup()
    shelf.change(MARKETS, at=20)
    head = bucket.head(MARKETS)
    assert head
    rewrite(shelf, manifest, "markets", etag=head.etag)
    assert look("present").state == "Completed"
    found = problem(look())
    assert "holds other bytes" in found
    assert "From outside" not in found


def test_s08_a_file_replaced_by_one_of_equal_length(look: Look, shelf: Shelf) -> None:
    """The same program wrote it, for the same backup: another export of as many bytes."""
    manifest = shelf.backup(compression="none")
    key, rows = f"{FOLDER}/instruments.json", rows_of()["instruments"]
    rows[0]["name"] = "Emca"
    _, stored = entry_of("instruments", rows, compression="none")
    assert len(stored) == manifest.files[5].stored_bytes
    metadata = {"backup-id": manifest.backup_id, "resource-type": "instruments"}
    shelf.put(key, stored, Metadata=metadata)
    assert "holds other bytes: it was altered or replaced" in problem(look(), key)
    assert problem(look("present"), key) == (
        "its ETag has changed: it was replaced, or copied here by another program."
    )


def test_s08_something_else_wrote_the_file(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    shelf.put(MARKETS, shelf.get(MARKETS))
    words = "it does not carry the metadata that the backup gave it: something else wrote it."
    assert problem(look("present")) == words
    found = look()
    assert found.state == "Completed"
    assert found.notes == (f"markets.json.zst holds the right bytes, but {words}",)


def test_s08_the_stores_own_checksum(look: Look, shelf: Shelf, bucket: Bucket) -> None:
    manifest = shelf.backup()
    head = bucket.head(MARKETS)
    assert head
    assert head.checksums, "boto3 sends one, and this store keeps it"
    rewrite(shelf, manifest, "markets", checksums=head.checksums)
    assert look("present").state == "Completed"
    name = next(iter(head.checksums))
    rewrite(shelf, manifest, "markets", checksums={name: "AAAAAA=="})
    assert problem(look("present")) == (
        f"the store's own checksum ({name}) has changed: it was replaced."
    )


# Versions


@pytest.mark.parametrize("depth", ["present", "content"])
def test_s08_another_version_is_current(
    versioned: None, look: Look, shelf: Shelf, depth: Depth
) -> None:
    manifest = shelf.backup()
    assert look(depth).state == "Completed"
    written = manifest.files[-1].version_id
    shelf.change(MARKETS)
    found = problem(look(depth))
    assert (
        "another version is current than the one that the backup wrote: it was overwritten. The "
        f"version that the backup wrote ({written}) is still there: copy it onto the key to bring "
        "it back."
    ) in found
    assert ("holds other bytes" in found) is (depth == "content")
    shelf.s3.delete_object(Bucket=shelf.bucket, Key=shelf.prefix + MARKETS, VersionId=str(written))
    assert f"The version that the backup wrote ({written}) is gone as well." in problem(look(depth))


def test_s08_deleted_where_versions_are_kept(versioned: None, look: Look, shelf: Shelf) -> None:
    written = shelf.backup().files[-1].version_id
    shelf.delete(MARKETS)
    assert problem(look()) == (
        f"nothing lies at this key. The version that the backup wrote ({written}) is still there: "
        "copy it onto the key to bring it back."
    )


def test_a_file_that_was_brought_back_is_whole(versioned: None, look: Look, shelf: Shelf) -> None:
    """The advice that verify gives works: another version, the same bytes."""
    written = shelf.backup().files[-1].version_id
    shelf.delete(MARKETS)
    source = {"Bucket": shelf.bucket, "Key": shelf.prefix + MARKETS, "VersionId": str(written)}
    shelf.s3.copy_object(Bucket=shelf.bucket, Key=shelf.prefix + MARKETS, CopySource=source)  # type: ignore[arg-type]
    found = look()
    assert found.state == "Completed"
    assert "markets.json.zst holds the right bytes, but another version is" in found.notes[0]


class Replaced(Bucket):
    """A bucket in which somebody overwrites a file just after the store told of it."""

    def __init__(self, place: BucketPlace, shelf: Shelf) -> None:
        super().__init__(place)
        self._shelf = shelf

    def head(self, key: str, *, version_id: str | None = None) -> Any:
        told = super().head(key, version_id=version_id)
        if key == MARKETS and version_id is None:
            self._shelf.put(MARKETS, b"something else")
        return told


def test_what_is_read_is_what_was_judged(
    versioned: None, place: BucketPlace, shelf: Shelf, look: Look
) -> None:
    shelf.backup()
    replaced = Replaced(place, shelf)
    (backup,) = Catalogue(replaced, "demo", clock=StoppedClock(NOW)).list()
    assert verify(replaced, backup).state == "Completed"
    assert "another version is current" in problem(look())


# Schemas and manifests


def test_the_schemas_are_verified_too(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    key = f"{FOLDER}/schemas.json"
    shelf.put(key, b"{}")
    assert problem(look("present"), key) == (
        "it holds other bytes than were written (2 bytes lie there): it was altered or replaced."
    )
    shelf.delete(key)
    assert problem(look(), key) == "nothing lies at this key."


def test_s18_a_damaged_manifest_leaves_nothing_to_verify(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    key = f"{FOLDER}/manifest.json"
    shelf.put(key, shelf.get(key)[:-40])
    found = look()
    assert (found.files, found.files_read) == (0, 0)
    assert problem(found, key).startswith("The manifest cannot be read as JSON")
    told = verified_message(found)
    assert told.startswith(f"Backup 2026-11-20T02-00-00Z cannot be verified. {key}: The manifest")
    assert "the version of manifest.json that was written first can be brought back." in told
    assert "is not what was written" not in summary(found)


def test_s18_a_renamed_folder_names_the_original(look: Look, shelf: Shelf) -> None:
    shelf.put(f"{FOLDER}/manifest.json", encode(manifest_of("2026-11-19T02-00-00Z")))
    told = problem(look(), f"{FOLDER}/manifest.json")
    assert "The manifest is that of backup 2026-11-19T02-00-00Z of workspace demo" in told
    assert "look for the original" in told


def test_a_newer_manifest_is_not_called_damage(look: Look, shelf: Shelf) -> None:
    page = {**json.loads(encode(manifest_of())), "manifest_version": 2}
    shelf.put(f"{FOLDER}/manifest.json", json.dumps(page).encode())
    told = verified_message(look())
    assert "The backup is not damaged by that: use that Armillary or a newer one." in told
    assert "is not what was written" not in told


# References and counts


def test_j16_a_reference_to_nothing_is_found_by_reading(look: Look, shelf: Shelf) -> None:
    rows = rows_of()
    del rows["instruments"][1]
    shelf.backup(rows=rows)
    assert look("present").state == "Completed"
    found = look()
    assert {told.resource_type for told in found.problems} == {
        *("time_series_values", "composite_time_series_values", "market_listings")
    }
    assert found.problems[0].what == (
        "its instrument_id has 1 name that instruments of this backup does not have: i-ACME1."
    )
    assert found.problems[0].key == f"{FOLDER}/time_series_values.json.zst"


def test_j16_what_the_backup_said_itself_makes_it_partial_and_not_damaged(
    look: Look, shelf: Shelf
) -> None:
    rows = rows_of()
    rows["market_calendars"] = [{"id": "k-1", "market_id": "XNYS"}]
    words = (
        "market_calendars: its market_id has 1 name that markets of this backup does not have: "
        "XNYS."
    )
    shelf.backup(rows=rows, state="PARTIAL", problems=[words])
    found = look()
    assert (found.state, found.exit_code, found.problems) == ("Partial", 1, ())
    assert found.notes == (f"The backup itself is PARTIAL. {words}",)
    assert verified_message(found).startswith(
        "Backup 2026-11-20T02-00-00Z is what was written, but was never complete (7 of 7 files"
    )


def test_references_of_a_damaged_file_are_not_followed(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    shelf.delete(INSTRUMENTS)
    found = look()
    assert len(found.problems) == 1
    assert found.notes == ("References from and to damaged files were not followed: instruments.",)


def test_a_subset_is_whole_without_the_types_it_refers_to(look: Look, shelf: Shelf) -> None:
    rows = {"market_listings": rows_of()["market_listings"], "markets": rows_of()["markets"]}
    shelf.backup(rows=rows, coverage="subset", resource_types=list(rows))
    assert (look().state, look().files) == ("Completed", 2)


def test_a_file_that_was_written_wrongly(look: Look, shelf: Shelf) -> None:
    manifest = shelf.backup()
    rewrite(shelf, manifest, "markets", rows=7)
    assert problem(look()) == (
        "it holds 1 rows where the manifest says 7, although not a byte has changed since it was "
        "stored: it was written wrongly."
    )
    rewrite(shelf, manifest, "markets", sha256="0" * 64)
    assert "bytes that are not the" in problem(look())


def test_a_file_that_cannot_be_unpacked_was_written_wrongly(look: Look, shelf: Shelf) -> None:
    manifest = shelf.backup(compression="none")
    rewrite(shelf, manifest, "markets", compression="zstd")
    found = problem(look(), f"{FOLDER}/markets.json")
    assert found.startswith("it cannot be unpacked (")
    assert "although not a byte has changed since it was stored" in found


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_s08_no_byte_can_turn_over_unnoticed(
    bucket: Bucket, shelf: Shelf, compression: str
) -> None:
    """Whatever it does to zstd or JSON: the finding is of the file, never a crash."""
    rows = rows_of(2)["market_listing_suspensions"]
    entry, stored = entry_of("market_listing_suspensions", rows, compression=compression)
    shelf.put(f"{FOLDER}/{entry.key}", stored)
    read_stored(bucket, FOLDER, entry)
    for at in range(len(stored)):
        harmed = bytearray(stored)
        harmed[at] ^= 1 << (at % 8)
        shelf.put(f"{FOLDER}/{entry.key}", bytes(harmed))
        with pytest.raises(FileDamaged, match="holds other bytes"):
            read_stored(bucket, FOLDER, entry)


def rewrite(shelf: Shelf, manifest: Manifest, resource_type: str, **changed: Any) -> None:
    """Have the manifest say something else of one file, with the right hash of its own."""
    page = json.loads(encode(manifest))
    for entry in page["files"]:
        if entry["resource_type"] == resource_type:
            entry.update(changed)
    shelf.put(f"{FOLDER}/manifest.json", encode(manifest_from(page)))


def manifest_from(page: dict[str, Any]) -> Manifest:
    import msgspec  # noqa: PLC0415

    return msgspec.convert(page, Manifest)
