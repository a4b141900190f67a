"""Verifying a part a day, and what a verification says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.place import BucketPlace
from armillary.backup.resources import RESOURCE_TYPES
from armillary.backup.verified import Depth, Verified, summary, verified_message
from armillary.backup.verify import parse_slice, verify
from armillary.errors import ConfigurationError, StoreFailed
from tests.backup.made import Shelf, rows_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "demo/2026-11-20T02-00-00Z"
MARKETS = f"{FOLDER}/markets.json.zst"

Look = Callable[..., Verified]


@pytest.fixture
def look(bucket: Bucket) -> Look:
    """``look("present")`` verifies the only backup there is."""

    def run(depth: Depth = "content", part: tuple[int, int] | None = None) -> Verified:
        (backup,) = Catalogue(bucket, "demo").list()
        return verify(bucket, backup, depth=depth, slice=part)

    return run


# Slices


def test_seven_slices_read_each_type_once(look: Look, shelf: Shelf) -> None:
    manifest = shelf.backup()
    read = []
    for number in range(1, 8):
        found = look(part=(number, 7))
        assert (found.state, found.files, found.files_read) == ("Completed", 7, 1)
        (note,) = found.notes
        assert note.endswith("references from file to file need all of them and were not followed.")
        read.append(note.removeprefix(f"Slice {number}/7 read ").partition(";")[0])
    assert read == [entry.key for entry in manifest.files]
    assert [name.partition(".")[0] for name in read] == list(RESOURCE_TYPES)


@pytest.mark.parametrize("of", [1, 2, 3, 10])
def test_all_slices_together_read_everything(look: Look, shelf: Shelf, of: int) -> None:
    manifest = shelf.backup()
    found = [look(part=(number, of)) for number in range(1, of + 1)]
    assert sum(part.files_read for part in found) == 7
    assert sum(part.bytes_read for part in found) == manifest.stored_bytes


def test_a_slice_looks_at_the_other_files_from_outside(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    shelf.delete(MARKETS)
    (problem,) = look(part=(1, 7)).problems
    assert (problem.key, problem.what) == (MARKETS, "nothing lies at this key.")


def test_a_slice_that_reads_nothing_says_so(look: Look, shelf: Shelf) -> None:
    shelf.backup()
    assert look(part=(8, 10)).notes[0].startswith("Slice 8/10 read no file;")


@pytest.mark.parametrize(
    "text", ["0/7", "8/7", "2", "2/", "a/7", "-1/7", "1/0", "2/7/7", "\u0662/7"]
)
def test_what_is_no_slice(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_slice(text, "content")
    assert str(caught.value) == (
        f"{text!r} is no slice. Write it as 2/7: the second of seven parts; seven runs, 1/7 to "
        "7/7, read everything."
    )


def test_a_slice_of_what_is_not_read() -> None:
    assert parse_slice(" 2/7 ", "content") == (2, 7)
    with pytest.raises(ConfigurationError) as caught:
        parse_slice("2/7", "present")
    assert str(caught.value) == (
        "Slice '2/7' is a part of the files to read back, and depth present reads none. Leave the "
        "slice out, or verify with depth content."
    )


# The store itself


def test_a_store_that_does_not_answer_says_nothing_of_the_backup(
    bucket: Bucket, shelf: Shelf, s3: S3Client
) -> None:
    shelf.backup()
    (backup,) = Catalogue(bucket, "demo").list()
    elsewhere = Bucket(BucketPlace("nowhere", endpoint_url=s3.meta.endpoint_url))
    with pytest.raises((StoreFailed, ConfigurationError), match="no such bucket"):
        verify(elsewhere, backup)


# In words


def test_the_summary_lists_everything_and_the_line_three(look: Look, shelf: Shelf) -> None:
    manifest = shelf.backup()
    for entry in manifest.files[:5]:
        shelf.delete(f"{FOLDER}/{entry.key}")
    found = look("present")
    told = summary(found)
    assert told.startswith(
        "# Backup 2026-11-20T02-00-00Z: Failed\n\nBackup 2026-11-20T02-00-00Z is"
    )
    assert told.count("\n| `demo/") == 5
    assert "Not proven by a restore." in told
    assert told.endswith(f"Place: `s3://backups/desk/{FOLDER}`")
    line = verified_message(found)
    assert line.count("nothing lies at this key.") == 3
    assert line.endswith("And 2 more.")


def test_names_of_records_do_not_break_the_table(look: Look, shelf: Shelf) -> None:
    rows = rows_of()
    rows["market_calendars"] = [{"id": "k-1", "market_id": "a|b\nc"}]
    shelf.backup(rows=rows)
    line = next(line for line in summary(look()).splitlines() if line.startswith("| `demo"))
    assert line.endswith("does not have: a\\|b c. |")
