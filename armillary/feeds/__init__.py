"""Reading and mapping source records."""

from __future__ import annotations

from armillary.feeds.definition import FeedDefinition, FieldRule, Limits
from armillary.feeds.loading import load_feed
from armillary.feeds.reading import FeedReading, read_feed

__all__ = ["FeedDefinition", "FeedReading", "FieldRule", "Limits", "load_feed", "read_feed"]
