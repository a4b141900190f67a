"""A sync that has nothing to do: the real flow against a bare loop over the same pages."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.children import in_child
from benchmarks.guide.connection import connect
from benchmarks.measure import Figure, Measure, Round, ratio
from benchmarks.records import seeds, write_feed
from benchmarks.servers import Workspace, prefect_server, workspace
from benchmarks.sync_flow import run_sync

NAME = "no-change-sync"
INSTRUMENTS = 100_000
PAGE_SIZE = 200

FIGURES = (
    Figure("time over bare paging", ratio("sync_seconds", "paging_seconds"), must=1.3, aim=1.0),
    Figure("calls over pages", ratio("sync_calls", "pages"), must=1.02, aim=0.02),
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
        title=f"sync {count:,} instruments without a change",
        sizes={"instruments": count, "page_size": PAGE_SIZE},
        rounds=rounds,
        figures=FIGURES,
        notes=(
            "Each time is from the first request to the last, by the simulator's request log; the "
            "flow reads and maps the feed file within it.",
            "Bare paging decodes each page as JSON, because the next cursor stands in it, and "
            "keeps nothing.",
        ),
    )


def _round(demo: Workspace, feed: Path, count: int) -> Round:
    demo.forget()
    pages = in_child(page_through, url=demo.address, token=demo.token)
    bare = demo.requests("POST", "/instruments/filter")
    demo.forget()
    result = run_sync(demo, feed)
    ours = demo.requests()
    same_pages = demo.requests("POST", "/instruments/filter").count
    if result["unchanged"] != count or not pages == bare.count == same_pages:
        raise RuntimeError(
            f"{result['unchanged']} of {count} were unchanged; pages: {pages} bare, {same_pages}"
        )
    return {
        "paging_seconds": bare.seconds,
        "sync_seconds": ours.seconds,
        "pages": pages,
        "sync_calls": ours.count,
    }


def page_through(url: str, token: str) -> int:
    """Ask for page after page of what the sync reads; returns how many there were."""
    conditions: list[dict[str, Any]] = [
        {"field": "type_id", "op": "eq", "value": ""},
        {"field": "field.exchange", "op": "in", "value": ["xasx"]},
    ]
    body: dict[str, Any] = {"filter": {"and": conditions}, "limit": PAGE_SIZE}
    pages = 0
    with connect(url, token) as client:
        answer = client.get("/instrument-types/equity").raise_for_status().json()
        conditions[0]["value"] = answer.get("data", answer)["id"]
        while True:
            page = client.post("/instruments/filter", json=body).raise_for_status().json()
            pages += 1
            if not page["meta"]["has_more"]:
                return pages
            body["after"] = page["meta"]["next_cursor"]
