"""Changes handed to other processes: small at first, none lost, none twice."""

from __future__ import annotations

import polars as pl
import pytest

from armillary.sync.breaker import Breaker
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES
from armillary.sync.waves import LONGEST_BATCH, next_wave


def changes(count: int) -> pl.DataFrame:
    rows: list[tuple[object, ...]] = [
        ("update", f"c{number:04}", "id", number, []) for number in range(count)
    ]
    return pl.DataFrame(rows, schema=CHANGES, orient="row")


def heights(count: int, *, width: int, size: int) -> list[list[int]]:
    left, seen, waves = changes(count), 0, []
    while not left.is_empty():
        wave = next_wave(left, seen=seen, width=width, size=size)
        waves.append([part.height for part in wave])
        done = sum(waves[-1])
        assert pl.concat(wave).equals(left.head(done))
        left, seen = left.slice(done), seen + done
    return waves


def test_a18_until_a_hundred_outcomes_are_known_no_more_than_those_are_out() -> None:
    waves = heights(1_000, width=4, size=50)
    assert [sum(wave) for wave in waves] == [10, 90, 200, 200, 200, 200, 100]
    assert waves[:3] == [[3, 3, 3, 1], [23, 23, 23, 21], [50, 50, 50, 50]]


def test_no_batch_is_so_long_that_a_stop_comes_late() -> None:
    waves = heights(5_000, width=2, size=2_500)
    assert max(max(wave) for wave in waves) == LONGEST_BATCH


@pytest.mark.parametrize(("count", "width", "size"), [(1, 16, 25), (7, 16, 1), (300, 1, 25)])
def test_every_change_goes_out_once(count: int, width: int, size: int) -> None:
    assert sum(sum(wave) for wave in heights(count, width=width, size=size)) == count


def test_a_breaker_elsewhere_goes_on_where_the_run_stands() -> None:
    """Rejects are counted over the whole run; the first questions are the run's own."""
    refused = Outcome("update", "c1", Fate.REJECTED, "no", status=422)
    late = Breaker(1_000, 0.05, seen=100, rejected=40)
    for _ in range(10):
        late.saw(refused)
    assert not late.stopped
    late.saw(refused)
    assert late.stopped.startswith("51 writes were rejected, more than the feed allows")
    assert (late.seen, late.rejected) == (111, 51)
