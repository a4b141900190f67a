"""Feeds: what a source is, how it maps, and what it owns. One class per kind of source."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from prefect.blocks.core import Block
from pydantic import HttpUrl

from armillary.feeds.definition import FeedDefinition
from armillary.feeds.loading import load_feed


class Feed(Block):
    """Base of all feeds: gives out the definition that the rest of the collection works with."""

    def definition(self) -> FeedDefinition:
        """The feed as a plain value, without anything of Prefect."""
        fields = {key: value for key, value in self if key in FeedDefinition.model_fields}
        return FeedDefinition.model_validate(fields)


class FileFeed(FeedDefinition, Feed):
    """A file at any address: path, s3:// or https://; csv, json, ndjson or parquet.

    Example:
        Load a stored feed and see what it owns:
        ```python
        from blocks import FileFeed

        feed = FileFeed.load("BLOCK_NAME")
        print(feed.definition().scope)
        ```
    """

    _block_type_name = "File Feed"
    _block_type_slug = "file-feed"
    _description = "A vendor's file of instruments, how it maps, and what it owns."
    _documentation_url = HttpUrl("https://www.ptolemy.cloud/docs/guides/sync-instruments")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The feed that a YAML definition describes.

        Raises:
            ConfigurationError: the file is missing, or not a feed definition.
        """
        return cls(**dict(load_feed(path)))
