"""Replay real daily files through the flow, day by day, in one reading of the service.

    .venv/bin/python -m tests.flows.replay FOLDER --preset hostile

prints a line for each day: what changed, the calls beside the forecast and beside the simulator's
own count, whether the workspace equals the file, what a second run of the same file wrote, and
which faults were met. The last line is a digest of the end state, equal for every preset.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from armillary.errors import ArmillaryError
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.loading import load_feed
from benchmarks.servers import prefect_server
from simulator import Config, Simulator
from tests.flows.expectation import EXAMPLE, held_by, starts_too_early, wanted

FAST = {"hostile": {"burst_per_second": 500.0}}
"""Presets with a limit so low that a first load would take an hour."""

WRITES = ("POST /instruments", "PATCH", "DELETE", "POST /instruments/{id}/restore")


def main() -> None:
    """Replay the files of a folder, oldest first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="reference")
    asked = parser.parse_args()
    files = sorted(asked.folder.glob("*.csv.gz"))
    config = Config.preset(asked.preset, **FAST.get(asked.preset, {}))
    with prefect_server(), Simulator(config) as sim:
        print(
            f"{asked.folder.name}, preset {asked.preset}\n"
            "day        rows  create update archive restore |  used forecast simulator | state=file"
            " | again: writes calls | faults met"
        )
        for path in files:
            print(_day(sim, path), flush=True)
        state = json.dumps(held_by(sim), sort_keys=True)
        print(f"end state: {hashlib.sha256(state.encode()).hexdigest()[:16]}")


def _day(sim: Simulator, path: Path) -> str:
    definition = load_feed(EXAMPLE).model_copy(update={"url": str(path)})
    sim.reset_calls()
    result, note = _synced(sim, definition), ""
    if result.state == "Withheld":
        note = f"; {result.withheld} withheld, then approved"
        result = _synced(sim, definition, approve=result.digest)
    calls = sum(sim.calls().values())
    faults = Counter(entry["fault"] for entry in sim.log() if entry["fault"])
    early = starts_too_early(sim.log())
    rows = sim.state()["instruments"]
    twice = len(rows) - len({row["identifier"] for row in rows})
    today = wanted(path, definition)
    same = held_by(sim) == today
    sim.reset_calls()
    again = _synced(sim, definition)
    writes = sum(
        count
        for call, count in sim.calls().items()
        if call.startswith(("PATCH", "DELETE")) or call in WRITES
    )
    done = result.applied
    accounted = sum(result.planned.values()) == sum(done.values())
    return (
        f"{path.name[:10]} {len(today):5} {done['create']:7} {done['update']:6}"
        f" {done['archive']:7} {done['restore']:7} |"
        f" {result.calls.used:5} {result.calls.forecast:8} {calls:9} |"
        f" {same!s:10} | {writes:13} {again.calls.used:5} | {dict(faults)}"
        f"{'' if accounted else ' NOT ALL APPLIED'}{f' {twice} TWICE' if twice else ''}"
        f"{f' TOO EARLY {early}' if early else ''}{note}"
    )


def _synced(sim: Simulator, definition: FeedDefinition, approve: str | None = None) -> Any:
    from blocks import FileFeed, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    block = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
    feed = FileFeed(**dict(definition))
    state: Any = sync_instruments(block, feed, "apply", None, approve, return_state=True)
    result = state.result(raise_on_failure=False)
    if isinstance(result, ArmillaryError) and not hasattr(result, "result"):
        raise result
    return getattr(result, "result", result)


if __name__ == "__main__":
    main()
