"""One notification per change, not per run: what of a run's end is news."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from armillary.alerts.standing import Kind, News, learn
from armillary.alerts.subject import Subject
from armillary.runs.folder_store import FolderStore
from armillary.runs.store import RunStore

SYNC = Subject("sync", ("demo", "vendor"), "sync of vendor into demo")
MONDAY = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return FolderStore(tmp_path / "runs")


def told(store: RunStore, *kinds: Kind, subject: Subject = SYNC) -> list[News | None]:
    """What each of these runs, a day apart, had to tell."""
    return [
        learn(store, subject, kind, run_id=f"run-{day}", now=MONDAY + timedelta(days=day))
        for day, kind in enumerate(kinds)
    ]


def test_what_was_always_good_is_no_news_and_leaves_nothing(store: RunStore) -> None:
    assert told(store, Kind.GOOD, Kind.GOOD) == [None, None]
    assert list(store.list("")) == []


def test_trouble_is_told_once_and_once_that_it_is_over(store: RunStore) -> None:
    first, second, over, good = told(store, Kind.FAILED, Kind.FAILED, Kind.GOOD, Kind.GOOD)
    assert first == News(SYNC, Kind.FAILED, Kind.GOOD, MONDAY)
    assert second is None
    assert over == News(SYNC, Kind.GOOD, Kind.FAILED, MONDAY)
    assert over.cleared
    assert good is None


def test_the_second_trouble_is_told_like_the_first(store: RunStore) -> None:
    news = told(store, Kind.FAILED, Kind.GOOD, Kind.FAILED)
    assert news[2] == News(SYNC, Kind.FAILED, Kind.GOOD, MONDAY + timedelta(days=2))


def test_another_kind_of_trouble_is_told_and_keeps_its_beginning(store: RunStore) -> None:
    _, other, over = told(store, Kind.WITHHELD, Kind.FAILED, Kind.GOOD)
    assert other == News(SYNC, Kind.FAILED, Kind.WITHHELD, MONDAY)
    assert over == News(SYNC, Kind.GOOD, Kind.FAILED, MONDAY)


def test_a_crash_after_a_failure_is_the_same_trouble(store: RunStore) -> None:
    assert told(store, Kind.FAILED, Kind.CRASHED, Kind.FAILED)[1:] == [None, None]


def test_subjects_do_not_mix(store: RunStore) -> None:
    other = Subject("sync", ("demo", "ven/dor"), "sync of ven/dor into demo")
    assert told(store, Kind.FAILED)[0] is not None
    assert told(store, Kind.FAILED, subject=other)[0] is not None
    assert list(store.list("")) == ["alerts/sync/demo/ven%2Fdor.json", SYNC.key]


@pytest.mark.parametrize("names", [("", ".."), (".hidden", "a/b"), ("ä b", "%2F")])
def test_any_name_has_a_key(store: RunStore, names: tuple[str, ...]) -> None:
    subject = Subject("sync", names, "it")
    assert told(store, Kind.FAILED, Kind.FAILED, subject=subject)[1] is None


def test_a_damaged_standing_errs_towards_telling(store: RunStore) -> None:
    store.write(SYNC.key, b'{"kind": "fai')
    assert told(store, Kind.FAILED)[0] == News(SYNC, Kind.FAILED, Kind.FAILED, MONDAY)
    assert told(store, Kind.FAILED)[0] is None
    store.write(SYNC.key, b"")
    assert told(store, Kind.GOOD)[0] == News(SYNC, Kind.GOOD, Kind.FAILED, MONDAY)


def test_a_lost_standing_tells_trouble_once_more(store: RunStore) -> None:
    told(store, Kind.FAILED)
    store.delete(SYNC.key)
    assert told(store, Kind.FAILED)[0] == News(SYNC, Kind.FAILED, Kind.GOOD, MONDAY)


def test_a_store_that_cannot_be_used_fails_nothing_and_tells_trouble_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    broken = FolderStore(tmp_path / "runs")
    first, second, good = told(broken, Kind.FAILED, Kind.FAILED, Kind.GOOD)
    assert first is not None
    assert second is not None
    assert good is None
    assert "How sync of vendor into demo stands cannot be kept" in caplog.text


def test_of_two_runs_at_once_one_tells(store: RunStore) -> None:
    start, news = threading.Barrier(8), list[News | None]()

    def end(number: int) -> None:
        start.wait()
        news.append(learn(store, SYNC, Kind.FAILED, run_id=f"run-{number}", now=MONDAY))

    runs = [threading.Thread(target=end, args=(number,)) for number in range(8)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len([each for each in news if each is not None]) == 1


class Forgetful(FolderStore):
    """Writes, and loses the answer: False is what a bucket says to the repeat."""

    def create(self, key: str, content: bytes) -> bool:
        super().create(key, content)
        return False

    def swap(self, key: str, content: bytes, version: str) -> bool:
        super().swap(key, content, version)
        return False


def test_an_own_write_whose_answer_was_lost_is_known_again(tmp_path: Path) -> None:
    first, second, over = told(Forgetful(tmp_path / "runs"), Kind.FAILED, Kind.FAILED, Kind.GOOD)
    assert first is not None
    assert second is None
    assert over is not None
    assert over.cleared


class Contested(FolderStore):
    """Somebody else is always faster."""

    def swap(self, key: str, content: bytes, version: str) -> bool:
        del key, content, version
        return False

    def create(self, key: str, content: bytes) -> bool:
        del key, content
        return False


def test_trouble_that_can_never_be_noted_is_told_all_the_same(tmp_path: Path) -> None:
    assert told(Contested(tmp_path / "runs"), Kind.FAILED)[0] is not None
