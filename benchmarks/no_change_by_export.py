"""A sync that has nothing to do, as it is by default: the workspace read by one export job."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.children import in_child
from benchmarks.measure import Figure, Measure, Round, just, ratio
from benchmarks.no_change_sync import INSTRUMENTS, PAGE_SIZE, page_through
from benchmarks.records import seeds, write_feed
from benchmarks.servers import Workspace, prefect_server, workspace
from benchmarks.sync_flow import run_sync

NAME = "no-change-by-export"
ANSWER_SECONDS = 0.02

FIGURES = (
    Figure("calls", just("sync_calls"), must=60, aim=10, unit="calls"),
    Figure(
        "time over bare paging, answered in 20 ms",
        ratio("sync_seconds", "slow_paging_seconds"),
        must=1.3,
        aim=1.0,
    ),
    Figure(
        "time over bare paging, answered at once",
        ratio("sync_seconds", "paging_seconds"),
        must=1.3,
        aim=1.0,
    ),
)


def measure(*, repeat: int, quick: bool) -> Measure:
    """Take the measure.

    Args:
        repeat: how many rounds.
        quick: smaller sizes, for a look while developing.
    """
    count = INSTRUMENTS // 10 if quick else INSTRUMENTS
    with (
        tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder,
        workspace() as demo,
        prefect_server(),
    ):
        demo.seed(seeds(count))
        feed = write_feed(Path(folder) / "feed.csv", count, lambda _: None)
        rounds = [_round(demo, feed, count) for _ in range(repeat)]
    return Measure(
        name=NAME,
        title=f"sync {count:,} instruments without a change, read by an export job",
        sizes={"instruments": count, "page_size": PAGE_SIZE},
        rounds=rounds,
        figures=FIGURES,
        notes=(
            "Each time is from the first request to the last, by the simulator's request log: it "
            "holds the simulator's writing of the export and the pauses between polls.",
            "The first ratio is against pages that take 20 ms each, as single writes do in other "
            "measures; answered at once they show a network of no length.",
        ),
    )


def _round(demo: Workspace, feed: Path, count: int) -> Round:
    demo.forget()
    pages = in_child(page_through, url=demo.address, token=demo.token)
    bare = demo.requests("POST", "/instruments/filter")
    demo.forget()
    demo.delay("POST", ANSWER_SECONDS)
    in_child(page_through, url=demo.address, token=demo.token)
    slow = demo.requests("POST", "/instruments/filter")
    demo.forget()
    result = run_sync(demo, feed, by_jobs=True)
    ours = demo.requests()
    demo.at_once()
    reading = result["route"]["reading"]
    if result["unchanged"] != count or not reading.startswith("by an export job"):
        raise RuntimeError(f"{result['unchanged']} of {count} were unchanged, read {reading}")
    return {
        "paging_seconds": bare.seconds,
        "slow_paging_seconds": slow.seconds,
        "sync_seconds": ours.seconds,
        "pages": pages,
        "sync_calls": result["calls"]["used"],
    }
