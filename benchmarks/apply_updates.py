"""Applying updates: the real flow, a bare httpx loop of the same PATCHes, and the guide's loop."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.children import in_child
from benchmarks.guide.connection import connect
from benchmarks.guide.sync_loop import Record, sync
from benchmarks.measure import Figure, Measure, Round, ratio
from benchmarks.records import FIELDS, held, seeds, write_feed
from benchmarks.servers import Requests, Workspace, prefect_server, workspace
from benchmarks.sync_flow import MAX_IN_FLIGHT, run_sync

NAME = "apply-updates"
ANSWER_SECONDS = 0.02
UPDATES = 2000
GUIDE_SAMPLE = 100

FIGURES = (
    Figure("time over the floor", ratio("sync_seconds", "floor_seconds"), must=1.5, aim=1.15),
    Figure(
        "faster than the guide's loop",
        ratio("guide_seconds_scaled", "sync_seconds"),
        must=8,
        aim=12,
        more_is_better=True,
    ),
)


def measure(*, repeat: int, quick: bool) -> Measure:
    """Take the measure.

    Args:
        repeat: how many rounds.
        quick: smaller sizes, for a look while developing.
    """
    updates, sample = (UPDATES // 4, GUIDE_SAMPLE // 4) if quick else (UPDATES, GUIDE_SAMPLE)
    with (
        tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder,
        workspace() as demo,
        prefect_server(),
    ):
        demo.seed(seeds(updates))
        demo.delay("PATCH", ANSWER_SECONDS)
        rounds = [
            _round(demo, Path(folder), updates, sample, number) for number in range(1, repeat + 1)
        ]
    return Measure(
        name=NAME,
        title=f"apply {updates:,} updates, answers in {ANSWER_SECONDS * 1000:.0f} ms, "
        f"{MAX_IN_FLIGHT} in flight",
        sizes={
            "updates": updates,
            "in_flight": MAX_IN_FLIGHT,
            "answer_milliseconds": round(ANSWER_SECONDS * 1000),
            "guide_sample": sample,
        },
        rounds=rounds,
        figures=FIGURES,
        notes=(
            f"The guide's loop made {sample} updates; its time is scaled to {updates:,}.",
            "Each time is from the first PATCH to the last, by the simulator's request log.",
        ),
    )


def _round(demo: Workspace, folder: Path, updates: int, sample: int, number: int) -> Round:
    """Every loop writes lot sizes nobody wrote before, so each PATCH changes something."""
    demo.forget()
    in_child(floor, url=demo.address, token=demo.token, updates=updates, lot=f"{1000 + number}")
    bare = _patches(demo, updates)

    feed = write_feed(folder / "feed.csv", updates, lambda _: f"{2000 + number}")
    demo.forget()
    run_sync(demo, feed)
    ours = _patches(demo, updates)

    demo.forget()
    lots = [f"{3000 + number if each < sample else 2000 + number}" for each in range(updates)]
    in_child(guide_loop, url=demo.address, token=demo.token, lots=lots)
    guide = _patches(demo, sample)
    return {
        "floor_seconds": bare.seconds,
        "sync_seconds": ours.seconds,
        "guide_seconds_scaled": guide.seconds * (updates - 1) / (sample - 1),
    }


def _patches(demo: Workspace, expected: int) -> Requests:
    found = demo.requests("PATCH")
    if found.count != expected or found.failed:
        raise RuntimeError(
            f"{expected} updates were to be made; the simulator saw {found.count}, of which "
            f"{found.failed} failed"
        )
    return found


def floor(url: str, token: str, updates: int, lot: str) -> None:
    """Nothing but the PATCHes: as many threads as requests may be in flight."""
    paths: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in range(updates):
        paths.put(f"/instruments/{held(number)['id']}")
    body = {"field_values": {"lot_size": lot}}

    def work() -> None:
        # A client each: threads that share one wait for the lock of its pool.
        with connect(url, token) as client, suppress(queue.Empty):
            while True:
                client.patch(paths.get_nowait(), json=body).raise_for_status()

    threads = [Thread(target=work) for _ in range(MAX_IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def guide_loop(url: str, token: str, lots: list[str]) -> None:
    """The guide's loop over a source whose first records have changed."""
    with connect(url, token) as client:
        sync(client, _records(lots))


def _records(lots: list[str]) -> Iterator[Record]:
    for number, lot in enumerate(lots):
        row: dict[str, Any] = held(number) | {"lot_size": lot}
        fields = {key: row[key] for key in FIELDS if row[key]}
        yield Record(identifier=row["identifier"], name=row["name"], fields=fields)
