"""The manifest: written once, believed only if it is whole."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.backup.manifest import FULL, VERSION, Manifest, SchemasEntry, decode, encode
from armillary.errors import ManifestDamaged
from tests.backup.made import manifest_of

VERSION_1 = Path(__file__).with_name("manifest-1.json")
"""A page as the first version wrote it. Never to be changed: whatever comes later reads it."""

WRITTEN = encode(manifest_of())


def rehashed(**changed: Any) -> bytes:
    """A page with other content and the right hash for it."""
    page = {**json.loads(WRITTEN), **changed}
    del page["sha256"]
    plain = json.dumps(page, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    page["sha256"] = hashlib.sha256(plain.encode()).hexdigest()
    return json.dumps(page).encode()


def damage(content: bytes) -> str:
    with pytest.raises(ManifestDamaged) as caught:
        decode(content)
    return str(caught.value)


# Writing and reading


def test_what_is_written_is_read() -> None:
    manifest = manifest_of(
        filter={"field": "näme", "in": ["a", 1.10, None, {"b": []}]},
        problems=['a "quoted" sentence — with a dash'],
    )
    read = decode(encode(manifest))
    assert msgspec.structs.replace(read, sha256="") == manifest
    assert read.sha256
    assert decode(encode(read)) == read


def test_a_person_can_read_the_page() -> None:
    text = WRITTEN.decode()
    assert text.startswith('{\n  "backup_id": "2026-11-20T02-00-00Z",\n  "compression": "zstd",')
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_the_hash_can_be_checked_without_armillary() -> None:
    """As docs/reference/backup-layout.md says it."""
    page = json.loads(WRITTEN)
    told = page.pop("sha256")
    plain = json.dumps(page, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(plain.encode()).hexdigest() == told


def test_sums_and_coverage() -> None:
    manifest = manifest_of()
    assert (manifest.rows, len(manifest.files)) == (15, 7)
    assert manifest.stored_bytes == sum(entry.stored_bytes for entry in manifest.files)
    assert manifest.covers == FULL
    assert manifest.full_and_complete
    assert not manifest_of(state="PARTIAL").full_and_complete
    assert not manifest_of(coverage="subset").full_and_complete


def test_a_subset_is_told_apart_by_what_it_holds() -> None:
    subset = manifest_of(
        coverage="subset",
        resource_types=["instruments", "markets"],
        include_archived=False,
        filter={"b": 1, "a": "x"},
    )
    assert subset.covers == 'instruments, markets; without archived rows; filter {"a": "x", "b": 1}'


def test_the_schemas_are_named_with_what_is_missing() -> None:
    entry = SchemasEntry.of("schemas.json", b"{}", {"market_types": "answered 404"})
    assert entry.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert entry.missing == ["market_types: answered 404"]


# What was changed or damaged, S18


@pytest.mark.parametrize("field", Manifest.__struct_fields__)
def test_s18_a_changed_field_is_noticed(field: str) -> None:
    page = json.loads(WRITTEN)
    # Of another kind of value, and still JSON: what a slip of an editor looks like.
    page[field] = 1 if field == "manifest_version" and page[field] != 1 else [page[field]]
    message = damage(json.dumps(page).encode())
    assert "manifest" in message.lower()


def test_s18_a_believable_change_is_noticed() -> None:
    assert damage(WRITTEN.replace(b'"COMPLETE"', b'"PARTIAL"')).startswith(
        "The manifest is not as it was written: its content does not have the SHA-256 that it names"
    )


def test_s18_a_field_that_was_added_is_noticed() -> None:
    page = {**json.loads(WRITTEN), "note": "checked by hand"}
    assert "not as it was written" in damage(json.dumps(page).encode())


def test_s18_a_field_that_is_gone_is_noticed() -> None:
    page = json.loads(WRITTEN)
    del page["files"]
    assert "not as it was written" in damage(json.dumps(page).encode())


def test_s18_two_manifests_in_one_file() -> None:
    assert "cannot be read as JSON" in damage(WRITTEN + WRITTEN)


def test_s18_a_key_that_stands_twice_is_refused() -> None:
    """Two readers could believe two things, and the hash of one of them would be right."""
    twice = WRITTEN.replace(b'"state"', b'"state": "PARTIAL",\n  "state"', 1)
    assert "the key 'state' stands there twice" in damage(twice)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_s18_a_page_that_was_cut_off(share: float) -> None:
    message = damage(WRITTEN[: int(len(WRITTEN) * share)])
    assert "cut off or overwritten" in message if share else "an empty file" in message
    assert "This backup is not used for anything" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is an empty file"),
        (b" \n", "is an empty file"),
        (b"<html>503</html>", "cannot be read as JSON"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"a": ' * 100_000, "cannot be read as JSON"),
        (b"[]", "not a description of a backup"),
        (b"null", "not a description of a backup"),
        (b'{"manifest_version": 1, "sha256": "\\ud800"}', "not as it was written"),
        (b'{"manifest_version": 1, "a": "\\ud800"}', "not as it was written"),
    ],
)
def test_s18_what_is_no_manifest_at_all(content: bytes, words: str) -> None:
    assert words in damage(content)


def test_s18_a_whole_page_of_another_shape() -> None:
    """Whole by its hash, and still nothing to act on."""
    message = damage(rehashed(files="none"))
    assert "whole but is not a description of a backup" in message
    assert "$.files" in message


def test_s18_a_moment_without_a_zone_is_nobodys() -> None:
    assert "$.started_at" in damage(rehashed(started_at="2026-11-20T02:00:00"))


def test_a_message_does_not_repeat_a_whole_page() -> None:
    assert len(damage(rehashed(manifest_version="1" * 5000))) < 500
    assert len(damage(json.dumps({**json.loads(WRITTEN), "sha256": "f" * 5000}).encode())) < 500


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(WRITTEN) - 1), byte=st.integers(0, 255))
def test_s18_whatever_byte_turns_over(place: int, byte: int) -> None:
    """Either it is noticed, or it stood between two values and the page means the same."""
    changed = bytearray(WRITTEN)
    changed[place] = byte
    try:
        read = decode(bytes(changed))
    except ManifestDamaged:
        return
    assert read == decode(WRITTEN)


# Older and newer versions, J28


def test_j28_a_page_of_the_first_version_is_read() -> None:
    manifest = decode(VERSION_1.read_bytes())
    assert manifest.manifest_version == 1
    assert manifest.backup_id == "2026-11-20T02-00-00Z"
    assert [entry.resource_type for entry in manifest.files] == ["instruments", "markets"]
    assert manifest.files[0].exported_at == datetime(2026, 11, 20, 2, 5, tzinfo=UTC)


def test_j28_a_newer_version_is_refused_and_not_called_damaged() -> None:
    message = damage(rehashed(manifest_version=VERSION + 1, tool_version="9.0.0", files={}))
    assert message == (
        "The manifest has version 2 of the format, and this Armillary reads up to version 1. It "
        "was written by Armillary 9.0.0. The backup is not damaged by that: use that Armillary or "
        "a newer one."
    )


@pytest.mark.parametrize("version", [None, "1", True, 0, -1, 1.0, [1]])
def test_j28_no_version_is_no_manifest(version: Any) -> None:
    assert "does not say which version of the format" in damage(rehashed(manifest_version=version))


def test_j28_a_key_this_version_does_not_know_is_passed_over() -> None:
    """A later release may add one without making older ones blind."""
    assert decode(rehashed(weather="fine")).backup_id == "2026-11-20T02-00-00Z"
