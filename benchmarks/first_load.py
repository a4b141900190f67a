"""A first load into an empty workspace: the real flow by import jobs, and the guide's loop."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.children import in_child
from benchmarks.guide.connection import connect
from benchmarks.guide.sync_loop import Record, sync
from benchmarks.measure import Figure, Measure, Round, just, ratio
from benchmarks.records import FIELDS, delivered, write_feed
from benchmarks.servers import prefect_server, workspace
from benchmarks.sync_flow import run_sync

NAME = "first-load"
INSTRUMENTS = 100_000
GUIDE_SAMPLE = 1000
ANSWER_SECONDS = 0.02

FIGURES = (
    Figure("calls", just("sync_calls"), must=60, aim=10, unit="calls"),
    Figure(
        "faster than the guide's loop",
        ratio("guide_seconds_scaled", "sync_seconds"),
        must=20,
        aim=50,
        more_is_better=True,
    ),
)


def measure(*, repeat: int, quick: bool) -> Measure:
    """Take the measure; each round loads an empty workspace of a simulator of its own.

    Args:
        repeat: how many rounds.
        quick: smaller sizes, for a look while developing.
    """
    count, sample = (
        (INSTRUMENTS // 10, GUIDE_SAMPLE // 10) if quick else (INSTRUMENTS, GUIDE_SAMPLE)
    )
    with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
        feed = write_feed(Path(folder) / "feed.csv", count, lambda _: None)
        rounds = [_round(feed, count, sample) for _ in range(repeat)]
    return Measure(
        name=NAME,
        title=f"load {count:,} instruments into an empty workspace, single writes are answered in "
        f"{ANSWER_SECONDS * 1000:.0f} ms",
        sizes={
            "instruments": count,
            "guide_sample": sample,
            "answer_milliseconds": round(ANSWER_SECONDS * 1000),
        },
        rounds=rounds,
        figures=FIGURES,
        notes=(
            f"The guide's loop made {sample:,} creates; its time is scaled to {count:,}.",
            "Each time is from the first request to the last, by the simulator's request log. The "
            "flow reads the feed file within it, waits for its jobs, and reads back what was "
            "stored.",
        ),
    )


def _round(feed: Path, count: int, sample: int) -> Round:
    # A server of its own keeps what it remembers: a second load would be refused as a lost one.
    with prefect_server(), workspace() as demo:
        demo.delay("POST", ANSWER_SECONDS)
        result = run_sync(demo, feed, by_jobs=True)
        ours = demo.requests()
        held = in_child(count_all, url=demo.address, token=demo.token)
    if result["applied"]["create"] != count or held != count:
        raise RuntimeError(f"{result['applied']} of {count}, the workspace holds {held}")
    with workspace() as demo:
        demo.delay("POST", ANSWER_SECONDS)
        in_child(guide_loop, url=demo.address, token=demo.token, count=sample)
        guide = demo.requests("POST", "/instruments")
    if guide.count != sample or guide.failed:
        raise RuntimeError(f"{sample} creates were to be made, {guide.count} were")
    return {
        "sync_calls": result["calls"]["used"],
        "forecast_calls": result["calls"]["forecast"],
        "sync_seconds": ours.seconds,
        "guide_seconds_scaled": guide.seconds * (count - 1) / (sample - 1),
    }


def count_all(url: str, token: str) -> int:
    """How many instruments the workspace counts."""
    with connect(url, token) as client:
        answer = client.post("/instruments/count", json={}).raise_for_status().json()
    answer = answer.get("data", answer)
    return int(answer["count"])


def guide_loop(url: str, token: str, count: int) -> None:
    """The guide's loop over a source of which the workspace has nothing."""
    with connect(url, token) as client:
        sync(client, (_record(number) for number in range(count)))


def _record(number: int) -> Record:
    row: dict[str, Any] = delivered(number)
    values = {key: row[template.strip("{}")] for key, template in FIELDS.items()}
    return Record(
        identifier=row["code"],
        name=row["name"],
        fields={
            key: value.lower() if key == "active_trading" else value
            for key, value in values.items()
            if value
        },
    )
