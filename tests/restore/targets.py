"""Opening a workspace of the simulator for reading, and looking at what was read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from armillary.backup.jobs import ExportJobs
from armillary.restore.target import Target
from armillary.restore.target_rows import TargetRows
from simulator import Simulator
from tests.api.clocks import TodaysClock
from tests.sync.chain import open_client

COUNTS = {
    "instruments": 30,
    "markets": 2,
    "market_listings": 27,
    "market_listing_suspensions": 3,
    "market_calendars": 1,
    "time_series_values": 120,
    "composite_time_series_values": 60,
}
"""Rows of ``tests.backup.workspace.seed``."""

EXPORTS = "POST /exports"


def _go_on() -> None:
    """Nobody asks to stop."""


class Targets(ExitStack):
    """Opens targets that keep what they read in one folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __call__(self, sim: Simulator, stop: Callable[[], None] = _go_on) -> Target:
        clock = TodaysClock()
        ptolemy = self.enter_context(open_client(sim, clock=clock))
        jobs = ExportJobs(ptolemy.exports, clock=clock, go_on=stop)
        return Target(ptolemy, jobs, self.folder, clock=clock, stop=stop)


def rows_of(found: TargetRows) -> list[dict[str, Any]]:
    return [row for batch in found.batches() for row in batch]


def identifiers(found: TargetRows) -> list[str]:
    return sorted(row["identifier"] for row in rows_of(found))


def everyone() -> list[str]:
    return [f"co{number:06}.xasx" for number in range(COUNTS["instruments"])]


def calls(sim: Simulator, call: str) -> int:
    return sim.calls().get(call, 0)


def fault(sim: Simulator, **rule: Any) -> None:
    sim.faults = [rule]
