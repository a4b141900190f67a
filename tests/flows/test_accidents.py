"""The accidents that really happen to a delivery, through the whole flow, in mode ``apply``.

A file cut in half and a shifted column, in several forms each: ``test_bad_deliveries.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from simulator import Simulator
from tests.flows.conftest import RunRevert, RunSync
from tests.flows.test_sync_instruments import result_of
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = pytest.mark.flow

ROWS = vendor_rows(60)


def writes(sim: Simulator) -> list[str]:
    reading = {"POST /instruments/filter", "POST /instruments/count"}
    return [
        call
        for call in sim.calls()
        if call.startswith(("POST", "PATCH", "DELETE", "PUT")) and call not in reading
    ]


def test_a_changed_identifier_template_makes_nothing_twice(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    """Every record looks new and every instrument looks gone."""
    sim.seed(seeded(ROWS))
    before = sim.digest()
    feed = vendor(csv_file(tmp_path / "v.csv", ROWS), identifier="{id}.{mic}")
    state = run_sync(sim, feed)
    result = result_of(state)
    assert state.name == "Withheld"
    assert result.withheld == {"restore": 0, "create": 60, "update": 0, "archive": 60}
    assert sim.digest() == before
    assert writes(sim) == []
    assert result.withheld_because == {
        "create": (
            "60 creates of 60 active records are 100%; the feed allows 50% "
            "(limits.max_create_share); 60 creates beside withheld archives: it looks as if the "
            "identifiers changed, which would make every instrument twice"
        ),
        "archive": (
            "60 archives of 60 active records are 100%; the feed allows 20% "
            "(limits.max_archive_share)"
        ),
    }


def test_a_template_that_changed_for_a_quarter_makes_nothing_twice(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    """Below the limit for creates, but beside archives that are withheld."""
    sim.seed(seeded(ROWS))
    changed = [row | {"id": row["id"].replace(".ax", ".asx")} for row in ROWS[:15]] + ROWS[15:]
    state = run_sync(sim, vendor(csv_file(tmp_path / "v.csv", changed)))
    result = result_of(state)
    assert result.withheld["create"] == result.withheld["archive"] == 15
    assert "it looks as if the identifiers changed" in result.withheld_because["create"]
    assert writes(sim) == []


def test_f05_an_older_delivery_again_waits_for_a_person(
    sim: Simulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path
) -> None:
    """Small changes, far below every limit: only the content tells that they go backwards."""
    monday = vendor(csv_file(tmp_path / "monday.csv", ROWS))
    tuesday_rows = [ROWS[0] | {"lot": "77"}, *ROWS[2:], *vendor_rows(61)[60:]]
    tuesday = vendor(csv_file(tmp_path / "tuesday.csv", tuesday_rows))
    first = result_of(run_sync(sim, monday))
    second = result_of(run_sync(sim, tuesday))
    assert second.state == "Completed"
    again = result_of(run_sync(sim, tuesday))
    [said] = [warning for warning in again.warnings if "once more" in warning]
    assert said.startswith(
        "Look at the delivery: it is the last good delivery once more: the content is that of run "
        f"{second.run_id}, applied on 20"
    )
    assert again.state == "Completed", "the latest one again is no accident"
    before = sim.digest()

    sim.reset_calls()
    state = run_sync(sim, monday)
    result = result_of(state)
    assert state.name == "Withheld"
    assert result.withheld == {"restore": 1, "create": 0, "update": 1, "archive": 1}
    assert set(result.withheld_because) == {"restore", "update", "archive"}
    reason = result.withheld_because["update"]
    assert reason.startswith("this very delivery was applied on 20")
    assert f"by run {first.run_id}, and a newer one was applied since" in reason
    assert reason.endswith("its changes would take theirs back")
    assert sim.digest() == before
    assert writes(sim) == []

    # Undoing Tuesday makes Monday's the latest delivery again: then it is no accident.
    undone = run_revert(sim, second.run_id)
    assert undone.name == "Completed", undone.message
    again = result_of(run_sync(sim, monday))
    assert (again.state, sum(again.planned.values())) == ("Completed", 0)


def no_rows(folder: Path, kind: str) -> Path:
    path = folder / f"v.{kind}"
    if kind == "csv":
        path.write_text("id,name,isin,mic,lot,listed\n")
    elif kind == "parquet":
        pl.DataFrame(schema=dict.fromkeys(ROWS[0], pl.String)).write_parquet(path)
    else:
        path.write_text({"json": "[]", "ndjson": "\n"}[kind])
    return path


EMPTY: dict[str, str] = {
    "csv": "v.csv has a header (id, name, isin, mic, lot, listed) and not a single row.",
    "json": "v.json holds not a single record.",
    "ndjson": "v.ndjson is empty: it holds nothing but blanks.",
    "parquet": "v.parquet holds not a single record.",
}


@pytest.mark.parametrize("kind", EMPTY)
def test_f02_a_source_that_answers_well_and_holds_nothing(
    sim: Simulator, run_sync: RunSync, tmp_path: Path, kind: str
) -> None:
    sim.seed(seeded(ROWS))
    before = sim.digest()
    facts: dict[str, Any] = {"format": kind}
    state = run_sync(sim, vendor(no_rows(tmp_path, kind), **facts))
    assert state.name == "Failed"
    assert EMPTY[kind] in state.message
    assert "Nothing was written. Ask for the file again" in state.message
    assert sim.digest() == before
    assert writes(sim) == []
