"""Whether an export can be all of it: against counts, and against earlier backups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.backup.completeness import SMALLEST_JUDGED, against_counts, shrunk
from armillary.backup.journal import Coverage
from armillary.backup.manifest import Manifest
from tests.backup.made import entry_of, manifest_of

EVERYTHING = Coverage(("instruments", "markets"), True, None, "json", "zstd")


def earlier(backup_id: str = "2026-11-19T02-00-00Z", **rows: int) -> Manifest:
    files = [
        entry_of(kind, [{"id": str(number)} for number in range(count)])[0]
        for kind, count in rows.items()
    ]
    return manifest_of(backup_id, files=files)


def changed(manifest: Manifest, **facts: Any) -> Manifest:
    return manifest_of(manifest.backup_id, files=manifest.files, **facts)


# Against /count


@pytest.mark.parametrize(
    ("rows", "active", "counts"),
    [
        (100, 100, (100, 100)),
        (100, 90, (100, 100)),
        (100, 90, (90, 90)),
        (100, None, (100, 100)),
        (105, 100, (100, 110)),
        (105, 95, (110, 100)),
        (100, 90, (85, 95)),
        # Nothing tells the archived rows apart, and they may make the difference.
        (120, None, (100, 100)),
        # A count that does not answer proves nothing.
        (1, 1, (None, 100)),
        (1, 1, (100, None)),
        (0, 0, (0, 0)),
    ],
)
def test_j13_an_export_that_can_be_all_of_it(
    rows: int, active: int | None, counts: tuple[int | None, int | None]
) -> None:
    assert against_counts("instruments", rows, active, counts) == ""


@pytest.mark.parametrize(
    ("rows", "active", "counts", "words"),
    [
        (99, 99, (100, 100), "holds 99 rows but the workspace counts 100."),
        (99, 90, (100, 100), "holds 99 rows, 90 of them active, but the workspace counts 100."),
        (1200, 1100, (1150, 1160), "1,200 rows, 1,100 of them active, but the workspace counts "),
        (99, None, (100, 100), "holds 99 rows but the workspace counts 100."),
        (0, 0, (100, 110), "holds 0 rows but the workspace counts 100 to 110."),
        (120, 110, (100, 100), "120 rows, 110 of them active, but the workspace counts 100."),
    ],
)
def test_j13_an_export_that_cannot_be_all_of_it(
    rows: int, active: int | None, counts: tuple[int, int], words: str
) -> None:
    told = against_counts("instruments", rows, active, counts)
    assert told.startswith("instruments: the export ")
    assert words in told


@given(
    before=st.integers(0, 50),
    after=st.integers(0, 50),
    share=st.floats(0, 1),
)
def test_what_was_there_at_some_moment_is_never_doubted(
    before: int, after: int, share: float
) -> None:
    """Rows come and go one by one between the counts, so any number in between was true once."""
    low, high = sorted((before, after))
    rows = low + round((high - low) * share)
    assert against_counts("markets", rows, rows, (before, after)) == ""


# Against earlier backups


def test_j15_a_size_that_shrank_sharply_is_doubted() -> None:
    told = shrunk(
        {"instruments": 69, "markets": 100}, EVERYTHING, [earlier(instruments=100, markets=100)]
    )
    assert told == [
        "instruments: 69 rows, where backup 2026-11-19T02-00-00Z has 100. If that is right, the "
        "next backup of this size counts as complete, or start one with accept_shrink."
    ]
    assert not shrunk({"instruments": 70}, EVERYTHING, [earlier(instruments=100)])
    assert shrunk({"instruments": 70}, EVERYTHING, [earlier(instruments=100)], max_shrink_share=0.2)


def test_j15_the_same_size_again_is_accepted() -> None:
    last = changed(earlier("2026-11-20T02-00-00Z", instruments=50), state="PARTIAL")
    assert not shrunk({"instruments": 50}, EVERYTHING, [last, earlier(instruments=100)])


def test_few_rows_prove_nothing() -> None:
    assert not shrunk({"markets": 0}, EVERYTHING, [earlier(markets=SMALLEST_JUDGED - 1)])
    assert shrunk({"markets": 0}, EVERYTHING, [earlier(markets=SMALLEST_JUDGED)])


def test_only_backups_of_equal_coverage_are_compared() -> None:
    small = earlier("2026-11-20T02-00-00Z", instruments=100)
    others = [
        changed(small, filter={"field": "status"}),
        changed(small, include_archived=False),
    ]
    assert not shrunk({"instruments": 10}, EVERYTHING, others)
    assert shrunk({"instruments": 10}, EVERYTHING, [*others, small])
    assert shrunk({"instruments": 10}, EVERYTHING, [changed(small, filter={})])


def test_a_type_is_compared_with_the_newest_backup_that_has_it() -> None:
    backups = [
        earlier("2026-11-20T02-00-00Z", markets=100),
        earlier("2026-11-19T02-00-00Z", instruments=100, markets=1000),
        earlier("2026-11-18T02-00-00Z", instruments=1000),
    ]
    told = shrunk({"instruments": 60, "markets": 100}, EVERYTHING, backups)
    assert [words.partition(".")[0] for words in told] == [
        "instruments: 60 rows, where backup 2026-11-19T02-00-00Z has 100"
    ]


def test_s19_earlier_backups_are_read_only_as_far_as_needed() -> None:
    def read() -> Iterator[Manifest]:
        yield earlier(instruments=100, markets=100)
        raise AssertionError("everything was compared already")

    assert not shrunk({"instruments": 100, "markets": 100}, EVERYTHING, read())
