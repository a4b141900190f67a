"""Reading what a workspace holds by pages, where no export tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from armillary.errors import NotFound, PagesLeadNowhere
from simulator import Simulator
from tests.backup.workspace import seed
from tests.restore.targets import COUNTS, Targets, calls, everyone, fault, identifiers, rows_of


@pytest.fixture
def target_of(tmp_path: Path) -> Iterator[Targets]:
    with Targets(tmp_path) as targets:
        yield targets


def test_d13_calendars_that_are_not_exported_are_read_by_pages(
    sim: Simulator, target_of: Targets
) -> None:
    sim.configure(calendar_export="refused")
    seed(sim)
    found = target_of(sim).read("market_calendars")
    assert (found.rows, found.tells_ids) == (1, True)
    assert [row["date"] for row in rows_of(found)] == ["2026-12-25"]


def test_d13_calendars_that_are_nowhere_are_told_as_such(
    sim: Simulator, target_of: Targets
) -> None:
    sim.configure(calendar_export="refused", calendars="absent")
    with pytest.raises(NotFound, match="/market-calendars"):
        target_of(sim).read("market_calendars")


@pytest.mark.parametrize("archived_true", ["only", "include"])
@pytest.mark.parametrize("kind", ["instruments", "markets", "market_listings"])
def test_n12_rows_whose_ids_are_needed_and_not_exported_are_read_by_pages(
    sim: Simulator, target_of: Targets, kind: str, archived_true: str, tmp_path: Path
) -> None:
    sim.configure(export_ids="absent", archived_true=archived_true)
    seed(sim)
    found = target_of(sim).read(kind)
    assert (found.rows, found.tells_ids, found.tells_archived) == (COUNTS[kind], True, True)
    assert len({row["id"] for row in rows_of(found)}) == COUNTS[kind]
    assert list(tmp_path.iterdir()) == [found.path]


def test_n12_values_need_no_ids_to_be_compared(sim: Simulator, target_of: Targets) -> None:
    sim.configure(export_ids="absent")
    seed(sim)
    found = target_of(sim).read("time_series_values")
    assert (found.rows, found.tells_ids) == (120, False)
    assert calls(sim, "GET /time-series-values") == 0


@pytest.mark.parametrize("archived_true", ["only", "include"])
def test_d06_pages_are_whole_where_all_is_not_understood(
    sim: Simulator, target_of: Targets, archived_true: str
) -> None:
    sim.configure(export_ids="absent", archived_true=archived_true)
    seed(sim)
    fault(sim, contains="archived=all", action="status", status=422, times=None)
    found = target_of(sim).read("instruments")
    assert identifiers(found) == everyone()


def test_a30_a_page_that_repeats_a_record_repeats_no_row(
    sim: Simulator, target_of: Targets
) -> None:
    sim.configure(export_ids="absent", page_limit_max=10, large_limit="clamp")
    seed(sim)
    fault(sim, path="/instruments", action="duplicate_rows", times=None)
    assert identifiers(target_of(sim).read("instruments")) == everyone()


def test_a28_pages_that_end_too_early_are_read_again(
    sim: Simulator, target_of: Targets, tmp_path: Path
) -> None:
    sim.configure(export_ids="absent", page_limit_max=10, large_limit="clamp")
    seed(sim)
    fault(sim, path="/market-listings", action="early_last_page", times=2)
    found = target_of(sim).read("market_listings")
    assert found.rows == 27
    fault(sim, path="/market-listings", action="early_last_page", times=None)
    with pytest.raises(PagesLeadNowhere) as caught:
        target_of(sim).read("market_listings")
    assert (
        "the pages held 10 rows of market_listings, which is not what the workspace counts (27 "
        "before, 27 after)"
    ) in str(caught.value)
    assert list(tmp_path.iterdir()) == [found.path]


def test_a29_an_expired_cursor_begins_the_pages_again(
    sim: Simulator, target_of: Targets, tmp_path: Path
) -> None:
    sim.configure(export_ids="absent", page_limit_max=10, large_limit="clamp")
    seed(sim)
    fault(sim, path="/instruments", action="expired_cursor", after=1)
    found = target_of(sim).read("instruments")
    assert identifiers(found) == everyone()
    assert found.rows == 30
    assert list(tmp_path.iterdir()) == [found.path]


def test_numbers_keep_their_decimal_text_in_pages(sim: Simulator, target_of: Targets) -> None:
    sim.configure(export_ids="absent")
    long = 12345678901234567890
    sim.seed([{"identifier": "a", "name": "A", "type_id": "equity", "extras": {"n": long}}])
    assert [row["extras"] for row in rows_of(target_of(sim).read("instruments"))] == [{"n": long}]
