"""Reading the source."""

from __future__ import annotations

from collections.abc import Mapping

from armillary.feeds.reading import FeedReading, read_feed
from armillary.sync.canonical import DataType
from blocks.feeds import Feed
from tasks.boundary import step


@step(name="read records", task_run_name="read feed {feed.name}")
def read_records(feed: Feed, data_types: Mapping[str, DataType]) -> FeedReading:
    """Read and map every record of the source; what cannot be mapped is a reject with a reason."""
    return read_feed(feed.definition(), data_types, feed.deliver)
