"""Renames through the flow: withheld over their limit, approved, undone; and a chain in batches."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import Simulator
from tests.flows.conftest import RunRevert, RunSync
from tests.flows.test_sync_instruments import accounted, identifiers, result_of
from tests.sync.chain import csv_file, seeded, vendor, vendor_rows

pytestmark = pytest.mark.flow

ROWS = vendor_rows(80)
NEXT = {f"co{number:04}.ax": f"co{number + 1:04}.ax" for number in range(60)}


def test_renames_over_their_limit_wait_for_a_person_and_can_be_undone(
    sim: Simulator, run_sync: RunSync, run_revert: RunRevert, tmp_path: Path
) -> None:
    """Sixty instruments in a row, each of which takes the identifier of the next one."""
    sim.seed(seeded(ROWS))
    moved = [row | {"id": NEXT.get(row["id"], row["id"])} for row in [*ROWS[:60], *ROWS[61:]]]
    limits = {"max_renames": 50, "max_update_share": 1.0}
    feed = vendor(csv_file(tmp_path / "v.csv", moved), stable_keys=["isin"], limits=limits)
    freed = identifiers(sim) - {"co0000.ax"}

    # The sixtieth stands in the way: nobody may have its identifier while it is there.
    blocked = result_of(run_sync(sim, feed, "plan"))
    assert (blocked.planned["update"], blocked.held) == (0, 61)

    last = [row | {"id": "end.ax"} for row in ROWS[60:61]]
    csv_file(tmp_path / "v.csv", [*moved[:60], *last, *moved[60:]])
    state = run_sync(sim, feed)
    withheld = result_of(state)
    assert state.name == "Withheld"
    assert withheld.renames == {"planned": 61, "applied": 0}
    assert withheld.withheld_because["field identifier"] == (
        "61 instruments would get another identifier; the feed allows 50 (limits.max_renames)"
    )
    assert withheld.withheld["update"] == 61
    assert accounted(withheld)

    approved = result_of(run_sync(sim, feed, approve=withheld.digest))
    assert approved.state == "Completed"
    assert approved.renames == {"planned": 61, "applied": 61}
    assert approved.calls.forecast == approved.calls.used
    assert identifiers(sim) == freed | {"end.ax"}

    undoing = run_revert(sim, approved.run_id, "plan")
    assert result_of(undoing).withheld_because["field identifier"].startswith("61 instruments")
    undone = run_revert(sim, approved.run_id, approve=result_of(undoing).digest)
    assert undone.name == "Completed", undone.message
    assert identifiers(sim) == freed | {"co0000.ax"}
