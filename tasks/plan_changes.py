"""Planning and judging."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from armillary.feeds.reading import FeedReading
from armillary.runs.memory import FeedMemory
from armillary.sync.existing import Existing
from armillary.sync.ground import Ground
from armillary.sync.judged import JudgedPlan, judge_plan
from armillary.sync.sanity import Examined
from blocks.feeds import Feed
from tasks.boundary import step


@step(name="plan changes", task_run_name="plan changes for {feed.name}")
def plan_changes(
    feed: Feed,
    ground: Ground,
    source: FeedReading,
    existing: Existing,
    memory: FeedMemory,
    *,
    examined: Examined,
    only: Collection[str] | None,
    approved: pl.DataFrame | None,
    reading_calls: Mapping[str, int],
    remaining_calls: int | None,
) -> JudgedPlan:
    """Compare source and workspace, judge the plan, and count what applying it costs."""
    return judge_plan(
        feed.definition(),
        ground,
        source,
        existing,
        memory,
        only=only,
        approved=approved,
        reading_calls=reading_calls,
        remaining_calls=remaining_calls,
        examined=examined,
    )
