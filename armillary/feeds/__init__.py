"""Reading and mapping source records."""

from __future__ import annotations

from armillary.feeds.cadenza_definition import CadenzaDefinition
from armillary.feeds.definition import FeedDefinition, FieldRule, Limits
from armillary.feeds.delivery import Delivery
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.loading import load_feed
from armillary.feeds.reading import FeedReading, read_feed
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.sql_definition import SqlDefinition

__all__ = [
    "CadenzaDefinition",
    "Delivery",
    "FeedDefinition",
    "FeedReading",
    "FieldRule",
    "FileDefinition",
    "Limits",
    "RestDefinition",
    "SqlDefinition",
    "load_feed",
    "read_feed",
]
