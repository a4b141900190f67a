"""Objects in a folder and in a bucket: whole, exclusive, swapped only as they were read."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from armillary.errors import ConfigurationError
from armillary.runs import folder_store
from armillary.runs.store import RunStore
from tests.runs.conftest import Place
from tests.runs.s3 import LoopbackS3

ODD = "w%2F1/ä ö/+&=?#%41/'\"<>|*/~x.json"


def test_an_object_is_created_once_and_never_replaced(store: RunStore) -> None:
    assert store.create("a/b", b"first") is True
    assert store.create("a/b", b"second") is False
    assert store.read("a/b") == b"first"


def test_a_swap_wins_only_against_what_was_read(store: RunStore) -> None:
    assert store.read_versioned("a/b") is None
    assert store.swap("a/b", b"1", "of nothing") is False
    store.create("a/b", b"0")
    read = store.read_versioned("a/b")
    assert read is not None
    assert read.content == b"0"
    assert store.swap("a/b", b"1", read.version) is True
    assert store.swap("a/b", b"2", read.version) is False
    assert store.read("a/b") == b"1"


def test_a_removed_object_is_not_swapped_back(store: RunStore) -> None:
    store.create("a/b", b"0")
    read = store.read_versioned("a/b")
    assert read is not None
    store.delete("a/b")
    assert store.swap("a/b", b"1", read.version) is False
    assert store.read("a/b") is None


def test_deleting_twice_is_no_error(store: RunStore) -> None:
    store.write("a/b", b"0")
    store.delete("a/b")
    store.delete("a/b")
    assert store.read("a/b") is None


def test_keys_are_listed_sorted_by_how_they_start(store: RunStore) -> None:
    keys = ["a/1", "a/b/2", "a-b", "a.b", "ab/3", ODD]
    for key in keys:
        store.write(key, b"")
    version = store.read_versioned("a/1")
    assert version is not None
    store.swap("a/1", b"1", version.version)
    assert list(store.list("")) == sorted(keys)
    assert list(store.list("a")) == ["a-b", "a.b", "a/1", "a/b/2", "ab/3"]
    assert list(store.list("a/")) == ["a/1", "a/b/2"]
    assert list(store.list("a/b")) == ["a/b/2"]
    assert list(store.list("none/at/all/")) == []


def test_a_listing_of_many_pages_is_whole(bucket: Place, s3_server: LoopbackS3) -> None:
    store, keys = bucket.open(), [f"w/batches/{number:05d}" for number in range(23)]
    for key in keys:
        store.create(key, b"")
    s3_server.page_keys = 5
    assert list(store.list("w/batches/")) == keys


def test_odd_keys_are_kept_apart(store: RunStore) -> None:
    store.create(ODD, b"odd")
    assert store.create(ODD.replace("%41", "A"), b"other") is True
    assert store.read(ODD) == b"odd"


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "../a", "a/..", "./a", "a/\0", "a/.lock", ".part-x/a"]
)
def test_a_key_that_would_leave_the_place_is_refused(store: RunStore, key: str) -> None:
    for act in (
        lambda: store.read(key),
        lambda: store.write(key, b""),
        lambda: store.create(key, b""),
        lambda: store.swap(key, b"", "v"),
        lambda: store.delete(key),
        lambda: store.list(f"{key}/"),
    ):
        with pytest.raises(ConfigurationError, match="The run records have no place for"):
            act()


def test_a_reader_never_sees_half_an_object(folder: Place) -> None:
    store, whole = folder.open(), b"x" * 2_000_000

    def read() -> bytes | None:
        while (found := store.read("a/b")) is None:
            pass
        return found

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        store.create("a/b", whole)
        assert reading.result() == whole


def test_of_many_creators_one_wins(place: Place) -> None:
    stores = [place.open() for _ in range(16)]
    start = threading.Barrier(16)

    def create(number: int) -> bool:
        start.wait()
        return stores[number].create("a/b", b"%d" % number)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(create, range(16)))
    assert won.count(True) == 1
    assert place.open().read("a/b") == b"%d" % won.index(True)


def test_swaps_of_many_lose_no_count(place: Place) -> None:
    stores = [place.open() for _ in range(6)]
    stores[0].create("count", b"0")

    def count(store: RunStore) -> None:
        done = 0
        while done < 10:
            read = store.read_versioned("count")
            assert read is not None
            done += store.swap("count", b"%d" % (int(read.content) + 1), read.version)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count, stores))
    assert stores[0].read("count") == b"60"


COUNT = """
import sys
from armillary.runs.store import open_store
store = open_store(sys.argv[1])
done = 0
while done < 40:
    read = store.read_versioned("count")
    done += store.swap("count", b"%d" % (int(read.content) + 1), read.version)
"""


def test_swaps_of_several_processes_lose_no_count(folder: Place) -> None:
    folder.open().create("count", b"0")
    command = [sys.executable, "-c", COUNT, folder.address]
    children = [subprocess.Popen(command) for _ in range(3)]
    assert [child.wait(30) for child in children] == [0, 0, 0]
    assert folder.open().read("count") == b"120"


def test_nothing_of_the_stores_own_is_left_or_shown(folder: Place) -> None:
    store = folder.open()
    store.create("a/b", b"0")
    store.create("a/b", b"1")
    store.write("a/c", b"2")
    read = store.read_versioned("a/b")
    assert read is not None
    store.swap("a/b", b"3", "another version")
    store.swap("a/b", b"4", read.version)
    assert sorted(path.name for path in Path(folder.address, "a").iterdir()) == [".lock", "b", "c"]
    assert list(store.list("")) == ["a/b", "a/c"]


def test_a_lock_that_a_stopped_process_holds_is_named(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_store, "LOCK_WAIT_SECONDS", 0.1)
    store = folder.open()
    store.create("a/b", b"0")
    read = store.read_versioned("a/b")
    assert read is not None
    with (Path(folder.address) / "a" / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match=r"another process has held .*a/\.lock"):
            store.swap("a/b", b"1", read.version)
    assert store.swap("a/b", b"1", read.version) is True


def test_a_folder_that_is_a_file_is_a_configuration_error(folder: Place) -> None:
    Path(folder.address).write_text("in the way")
    store = folder.open()
    for act in (
        lambda: store.read("a"),
        lambda: store.create("a", b""),
        lambda: store.swap("a", b"", "v"),
        lambda: store.list(""),
    ):
        with pytest.raises(ConfigurationError, match="Check ARMILLARY_RUNS"):
            act()


@pytest.mark.parametrize("code", ["409 ConditionalRequestConflict", "412 PreconditionFailed"])
def test_a_condition_decided_for_another_is_not_won(
    bucket: Place, s3_server: LoopbackS3, code: str
) -> None:
    store = bucket.open()
    s3_server.refuse_puts = code
    assert store.create("a/b", b"0") is False
    assert store.swap("a/b", b"0", '"etag"') is False


def test_other_refusals_are_configuration_errors(bucket: Place, s3_server: LoopbackS3) -> None:
    store = bucket.open()
    s3_server.refuse_puts = "403 AccessDenied"
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        store.create("a/b", b"0")
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        store.swap("a/b", b"0", '"etag"')
    s3_server.behave()
    with pytest.raises(ConfigurationError, match="NoSuchBucket"):
        Place("s3://absent", bucket.endpoint_url).open().create("a/b", b"0")
