"""A backup over a workspace that has moved on: what is changed, what is kept, what is listed."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.restore import bringing
from armillary.restore.outcome import Difference, State
from simulator import Simulator
from tests.restore.by_hand import refusal, restore
from tests.restore.small import Small, backed_up, bucket, erase, filled, imported, imports, written
from tests.sync.chain import open_client

__all__ = ["backed_up", "bucket", "filled"]

EXTRA = {"identifier": "new.xasx", "name": "Came later", "type_id": "equity"}

ARCHIVED_LATER, CLEARED, REVIVED = "co000001.xasx", "co000002.xasx", "co000009.xasx"


def move_on(sim: Simulator) -> None:
    """What people did since the backup."""
    with open_client(sim) as ptolemy:
        changed = ptolemy.instruments
        changed.patch("co000000.xasx", {"name": "Renamed", "field_values": {"lot_size": "7"}})
        changed.archive(ARCHIVED_LATER)
        changed.patch(CLEARED, {"field_values": {"isin": None, "listed_on": "2026-01-05"}})
        [archived] = [row for row in changed.list(archived="true") if row["identifier"] == REVIVED]
        changed.restore(archived["id"])
        changed.create(EXTRA)
        [listing] = [row for row in ptolemy.listings.list() if row["local_code"] == "C3"]
        ptolemy.listings.patch(listing["id"], {"lot_size": 100, "currency": "USD"})
        value = ptolemy.values.list(instrument_id="co000004.xasx")[0]
        ptolemy.values.patch(value["id"], {"value": "99.5"})
        composite = ptolemy.composite_values.list(instrument_id="co000005.xasx")[0]
        items = [{"field_key": "open", "value": "2"}, {"field_key": "volume", "value": "5"}]
        ptolemy.composite_values.patch(composite["id"], {"items": items})
        day = ptolemy.calendars.list()[0]
        ptolemy.calendars.patch(day["id"], {"description": "Boxing Day"})


@pytest.fixture
def moved_on(filled: Simulator) -> Simulator:
    move_on(filled)
    filled.reset_calls()
    return filled


def without_extra(sim: Simulator) -> dict[str, Any]:
    state = sim.state()
    kept = [row for row in state["instruments"] if row["identifier"] != EXTRA["identifier"]]
    assert len(kept) + 1 == len(state["instruments"]), "what came later is still there"
    return state | {"instruments": kept}


DIFFERING = {
    "instruments": 4,
    "market_listings": 1,
    "market_calendars": 1,
    "time_series_values": 1,
    "composite_time_series_values": 1,
}


def test_j27_update_brings_back_what_the_backup_has(
    backed_up: Small, moved_on: Simulator, bucket: Bucket
) -> None:
    done = restore(moved_on, bucket, on_existing="update")
    assert done.result.state is State.COMPLETED, done.result
    assert without_extra(moved_on) == backed_up.state
    assert done.counts("updated") == done.counts("differs") == DIFFERING
    assert done.counts("extra") == {"instruments": 1}
    assert imported(moved_on) == 0, "a few rows are patched"
    moved_on.reset_calls()
    again = restore(moved_on, bucket, on_existing="update")
    assert again.result.state is State.COMPLETED
    assert written(moved_on) == [], "equal rows cost nothing"


def test_j27_skip_leaves_and_lists_them(
    backed_up: Small, moved_on: Simulator, bucket: Bucket
) -> None:
    before = moved_on.state()
    done = restore(moved_on, bucket, on_existing="skip")
    result = done.result
    assert result.state is State.PARTIAL, "what differs is not what was asked for"
    assert moved_on.state() == before
    assert written(moved_on) == []
    assert done.counts("skipped") == DIFFERING
    assert done.counts("failed") == {}
    found = {(one.row, one.field): (one.backup, one.workspace) for one in result.differences}
    assert found[("co000000.xasx", "name")] == ("Company 0", "Renamed")
    assert found[("co000000.xasx", "fields.lot_size")] == ("1.1", "7")
    assert found[(ARCHIVED_LATER, "archived")] == ("false", "true")
    assert found[(REVIVED, "archived")] == ("true", "false")
    assert found[(CLEARED, "fields.isin")] == ("AU0000000002", None)
    assert found[(CLEARED, "fields.listed_on")] == (None, "2026-01-05")
    assert found[("co000003.xasx xasx", "lot_size")] == ("1", "100")
    assert found[("xasx 2026-12-25", "description")] == ("Christmas", "Boxing Day")
    values = [one for one in result.differences if one.resource_type == "time_series_values"]
    assert [one.workspace for one in values] == ["99.5"]
    items = {
        one.field: (one.backup, one.workspace)
        for one in result.differences
        if one.resource_type == "composite_time_series_values"
    }
    assert items["items.open"] == ("1.1", "2")
    assert items["items.volume"] == (None, "5")


def test_j27_fail_imports_nothing(backed_up: Small, moved_on: Simulator, bucket: Bucket) -> None:
    erase(moved_on, "co000006.xasx")
    before = moved_on.state()
    moved_on.reset_calls()
    said = refusal(moved_on, bucket, on_existing="fail")
    assert (
        "on_existing is fail, and rows are there that differ from the backup: 4 instruments, "
        "1 market_listings, 1 market_calendars, 1 time_series_values, "
        "1 composite_time_series_values." in said
    )
    assert said.endswith("Nothing was imported.")
    assert moved_on.state() == before
    assert written(moved_on) == []


def test_absent_rows_come_back_among_rows_that_are_skipped(
    backed_up: Small, moved_on: Simulator, bucket: Bucket
) -> None:
    erase(moved_on, "co000006.xasx")
    done = restore(moved_on, bucket, on_existing="skip")
    assert done.result.state is State.PARTIAL
    assert done.counts("skipped") == DIFFERING
    assert done.counts("imported")["instruments"] == 1
    assert done.counts("failed") == {}
    assert imports(moved_on)["instruments"] == 1
    for kind, rows in moved_on.state().items():
        assert len(rows) == backed_up.rows[kind] + (kind == "instruments")
    names = {row["identifier"]: row["name"] for row in moved_on.state()["instruments"]}
    assert names["co000006.xasx"] == "Company 6"
    assert names["co000000.xasx"] == "Renamed"


def test_many_rows_that_differ_go_by_import(
    backed_up: Small, filled: Simulator, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "BULK_FROM", 5)
    with open_client(filled) as ptolemy:
        for number in range(6):
            ptolemy.instruments.patch(
                f"co{number:06}.xasx",
                {"name": "Renamed", "field_values": {"listed_on": "2026-01-05"}},
            )
    filled.reset_calls()
    done = restore(filled, bucket, resource_types=["instruments"], on_existing="update")
    assert done.result.state is State.COMPLETED, done.result
    assert done.counts("updated") == {"instruments": 6}
    assert filled.state() == backed_up.state
    assert imported(filled) == 1
    patches = [line for line in written(filled) if line.startswith("PATCH")]
    assert len(patches) == 6, "an import clears nothing: what it left is patched"


def test_differences_are_told_of_a_plan(
    backed_up: Small, moved_on: Simulator, bucket: Bucket
) -> None:
    result = restore(moved_on, bucket, mode="plan", resource_types=["market_listings"]).result
    assert result.state is State.PLANNED_WITHHELD, "on_existing was not chosen"
    assert result.differences == (
        Difference("market_listings", "co000003.xasx xasx", "currency", "AUD", "USD"),
        Difference("market_listings", "co000003.xasx xasx", "lot_size", "1", "100"),
    )
