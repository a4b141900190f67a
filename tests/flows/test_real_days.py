"""Twelve real business days of a US listing file, one after another, against preset ``reference``.

A fifth of each day, the same symbols; ``python -m tests.flows.replay`` does whole ones.

The plan of each day is compared with a plain dictionary diff of the two files; the workspace with
the file; the calls with the forecast; and the same file again writes nothing.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from armillary.feeds.definition import FeedDefinition
from armillary.feeds.loading import load_feed
from armillary.sync.outcome import SyncResult
from simulator import Simulator
from tests.conftest import DATA, MakeSimulator
from tests.flows.conftest import RunSync
from tests.flows.expectation import EXAMPLE, Record, held_by, starts_too_early, wanted

DAYS = sorted((DATA / "us-other-listed").glob("*.csv.gz"))

pytestmark = [
    pytest.mark.flow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not DAYS, reason="the real daily files are not here"),
]


def test_twelve_real_days(sim: Simulator, run_sync: RunSync, tmp_path: Path) -> None:
    definition = of_a_fifth(load_feed(EXAMPLE))
    before: dict[str, Record] = {}
    gone: set[str] = set()
    for path in (fifth_of(day, tmp_path) for day in DAYS):
        today = wanted(path, definition)
        feed = definition.model_copy(update={"url": str(path)})
        result = synced(sim, run_sync, feed)
        back = today.keys() & gone
        assert result.planned == {
            "restore": len(back),
            "create": len(today.keys() - before.keys() - back),
            "update": sum(before[key] != today[key] for key in before.keys() & today.keys()),
            "archive": len(before.keys() - today.keys()),
        }
        assert result.applied == result.planned
        assert held_by(sim) == today
        again = synced(sim, run_sync, feed)
        assert sum(again.planned.values()) == 0
        assert again.unchanged == len(today)
        gone = (gone | (before.keys() - today.keys())) - today.keys()
        before = today


RENAMES = sorted((DATA / "us-other-listed-renames").glob("*.csv.gz"))


@pytest.mark.parametrize(
    ("preset", "switches"), [("guide", {}), ("hostile", {"burst_per_second": 500.0})]
)
def test_real_days_end_the_same_whatever_the_service_does(
    make_simulator: MakeSimulator,
    run_sync: RunSync,
    tmp_path: Path,
    preset: str,
    switches: dict[str, Any],
) -> None:
    """``hostile``: 429, 5xx, lost answers, resets, HTML, rewritten numbers, odd look-ups."""
    sim = make_simulator(preset, **switches)
    definition = of_a_fifth(load_feed(EXAMPLE))
    for path in (fifth_of(day, tmp_path) for day in DAYS[:2]):
        state = run_sync(sim, definition.model_copy(update={"url": str(path)}))
        result = state.result(raise_on_failure=False)
        assert state.name == "Completed", state.message
        assert sum(result.planned.values()) == sum(result.applied.values())
        rows = sim.state()["instruments"]
        assert len(rows) == len({row["identifier"] for row in rows}), "nothing is there twice"
        assert held_by(sim) == wanted(path, definition)
    assert starts_too_early(sim.log()) == []


def of_a_fifth(definition: FeedDefinition, **limits: float) -> FeedDefinition:
    """The feed of a fifth of the records."""
    changed = {"min_records": 1000, **limits}
    return definition.model_copy(update={"limits": definition.limits.model_copy(update=changed)})


def fifth_of(day: Path, folder: Path) -> Path:
    """A fifth of a daily file, the same symbols each day."""
    with gzip.open(day, "rt", encoding="utf-8", newline="") as lines:
        header, *rows = lines
    chosen = [row for row in rows if crc32(row.partition(",")[0].encode()) % 5 == 0]
    path = folder / day.name
    path.write_bytes(gzip.compress("".join([header, *chosen]).encode()))
    return path


def test_a_day_that_renames_hundreds_waits_for_one_approval(
    sim: Simulator, run_sync: RunSync, tmp_path: Path
) -> None:
    definition = of_a_fifth(load_feed(EXAMPLE), max_update_share=0.2)
    days = [fifth_of(day, tmp_path) for day in RENAMES]
    first, second = (definition.model_copy(update={"url": str(path)}) for path in days)
    synced(sim, run_sync, first)
    state = run_sync(sim, second)
    withheld = state.result()
    assert state.name == "Withheld"
    assert withheld.withheld["update"] > 300
    others = {kind: count for kind, count in withheld.planned.items() if kind != "update"}
    assert withheld.applied == {**others, "update": 0}
    approved = run_sync(sim, second, approve=run_sync(sim, second, "plan").result().digest)
    assert approved.name == "Completed"
    assert held_by(sim) == wanted(days[1], definition)


def synced(sim: Simulator, run_sync: RunSync, feed: FeedDefinition) -> SyncResult:
    """One run; what it used is what it forecast, and what the simulator counted."""
    sim.reset_calls()
    state: Any = run_sync(sim, feed)
    result = state.result()
    assert isinstance(result, SyncResult)
    assert state.name == "Completed"
    assert result.calls.used == result.calls.forecast == sum(sim.calls().values())
    return result
