"""What the workspace holds that matters to a feed."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import polars as pl

from armillary import progress
from armillary.api.ptolemy import Ptolemy
from armillary.feeds.definition import FeedDefinition
from armillary.feeds.identifiers import folded
from armillary.sync.bulk.exported import Exports
from armillary.sync.ground import Ground
from armillary.sync.matching import Matching, match
from armillary.sync.owners import find_owners
from armillary.sync.workspace import WorkspaceReading, read_workspace, relevant_types


@dataclass(frozen=True)
class Existing:
    """What a plan needs to know of a workspace (frames of shape ``frames``)."""

    reading: WorkspaceReading
    """The active instruments the feed owns."""
    owners: pl.DataFrame
    """Other instruments that hold an identifier the feed would create."""
    matching: Matching
    """Which record of the feed is which of the active instruments."""


def read_existing(
    ptolemy: Ptolemy,
    definition: FeedDefinition,
    ground: Ground,
    records: pl.DataFrame,
    *,
    exports: Exports | None = None,
) -> Existing:
    """Read what the feed owns, then who owns what it would create.

    Args:
        ptolemy: the client.
        definition: the feed.
        ground: the facts about workspace and type.
        records: of the feed.
        exports: reads by export jobs what is too much for pages; None: pages alone.

    Raises:
        ApiError: Ptolemy could not be read.
    """
    reading = read_workspace(
        ptolemy,
        definition,
        ground,
        progress=functools.partial(progress.say, "reading the workspace"),
        exports=exports,
    )
    matching = match(records, reading.active)
    owners = find_owners(
        ptolemy,
        candidates(matching),
        reading.active,
        relevant_types(definition, ground),
        bulk=definition.bulk,
        exports=exports,
    )
    return Existing(reading=reading, owners=owners, matching=matching)


def candidates(matching: Matching) -> list[str]:
    """Identifiers that a plan might create: their owners have to be looked up first."""
    unknown = matching.unmatched_records()
    if unknown.is_empty():
        return []
    taken = matching.existing.select(folded(pl.col("identifier"))).to_series()
    free = unknown.filter(~folded(pl.col("identifier")).is_in(taken.implode()))
    return free["identifier"].to_list()
