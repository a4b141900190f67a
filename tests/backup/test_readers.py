"""Files of a backup read at once: the same finding as one after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest

from armillary import progress
from armillary.backup import stored
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue
from armillary.backup.place import BucketPlace
from armillary.backup.readers import READERS, ThreadReaders
from armillary.backup.verified import Verified
from armillary.backup.verify import files_to_read, verify
from armillary.errors import StoreFailed, TransferFailed
from tests.backup.made import Shelf, rows_of

FOLDER = "demo/2026-11-20T02-00-00Z"


def harmed(shelf: Shelf) -> None:
    """A backup with something of everything: gone, cut off, altered, a reference that dangles."""
    rows = rows_of(40)
    rows["market_calendars"] = [{"id": "k-1", "market_id": "XNYS"}]
    shelf.backup(rows=rows)
    shelf.delete(f"{FOLDER}/market_listing_suspensions.json.zst")
    cut = f"{FOLDER}/composite_time_series_values.json.zst"
    shelf.put(cut, shelf.get(cut)[:-5])
    shelf.change(f"{FOLDER}/time_series_values.json.zst", at=30)
    shelf.put(f"{FOLDER}/instruments.json.zst", shelf.get(f"{FOLDER}/instruments.json.zst"))


def the_backup(bucket: Bucket) -> Backup:
    (backup,) = Catalogue(bucket, "demo").list()
    return backup


def heard(work: Callable[[], Verified]) -> tuple[Verified, list[progress.Progress]]:
    said: list[progress.Progress] = []
    with progress.listening(said.append):
        return work(), said


@pytest.mark.parametrize("part", [None, (2, 3)])
def test_one_reader_and_several_find_the_same(
    bucket: Bucket, shelf: Shelf, part: tuple[int, int] | None
) -> None:
    harmed(shelf)
    backup = the_backup(bucket)
    found = {
        readers: heard(
            lambda n=readers: verify(bucket, backup, slice=part, readers=ThreadReaders(bucket, n))  # type: ignore[misc]
        )
        for readers in (1, READERS)
    }
    one, several = found[1], found[READERS]
    assert several[0] == one[0]
    assert {(it.step, it.total) for it in several[1]} == {(it.step, it.total) for it in one[1]}
    assert several[1][-1] == one[1][-1]
    wanted = sum(entry.stored_bytes for entry in files_to_read(backup, "content", part))
    assert (several[1][-1].step, several[1][-1].total) == ("reading back, bytes", wanted)


def test_problems_come_in_the_order_of_the_manifest(bucket: Bucket, shelf: Shelf) -> None:
    harmed(shelf)
    found = verify(bucket, the_backup(bucket))
    assert [told.resource_type for told in found.problems] == [
        "time_series_values",
        "composite_time_series_values",
        "market_listing_suspensions",
        "market_calendars",
    ]
    assert found.notes[0].startswith("instruments.json.zst holds the right bytes, but it does not")
    assert (found.files, found.files_read) == (7, 6)


class Meeting(Bucket):
    """A bucket in which two files must be under way before either is given."""

    def __init__(self, place: BucketPlace) -> None:
        super().__init__(place)
        self._two = Barrier(2, timeout=20)
        self._turns = 2
        self._counting = Lock()

    def open(self, key: str, *, version_id: str | None = None) -> Any:
        with self._counting:
            self._turns -= 1
            met = self._turns >= 0
        if met:
            self._two.wait()
        return super().open(key, version_id=version_id)


def test_files_are_read_at_once(place: BucketPlace, shelf: Shelf) -> None:
    shelf.backup()
    meeting = Meeting(place)
    assert verify(meeting, the_backup(meeting)).state == "Completed"


class Refusing(Bucket):
    """A bucket that gives one file no more."""

    def open(self, key: str, *, version_id: str | None = None) -> Any:
        if "markets.json" in key:
            raise StoreFailed("the store is down")
        return super().open(key, version_id=version_id)


def test_a_store_that_fails_ends_the_reading(place: BucketPlace, shelf: Shelf) -> None:
    shelf.backup()
    refusing = Refusing(place)
    with pytest.raises(StoreFailed, match="the store is down"):
        verify(refusing, the_backup(refusing))


@pytest.fixture
def rows_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is as good as a large one: its rows are looked at by another process."""
    monkeypatch.setattr(stored, "ELSEWHERE_BYTES", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_rows_of_large_files_tell_the_same_from_another_process(
    bucket: Bucket, shelf: Shelf, request: pytest.FixtureRequest
) -> None:
    harmed(shelf)
    here = verify(bucket, the_backup(bucket))
    request.getfixturevalue("rows_elsewhere")
    assert verify(bucket, the_backup(bucket)) == here


def test_a_process_that_ends_by_itself_says_nothing_of_the_backup(
    rows_elsewhere: None, bucket: Bucket, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.backup()
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert Path("/bin/false").exists()
    with pytest.raises(TransferFailed) as raised:
        verify(bucket, the_backup(bucket))
    assert "ended by itself (exit code 1). If the machine ran out of memory" in str(raised.value)
    assert str(raised.value).endswith("then start the run again.")
