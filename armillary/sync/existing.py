"""What the workspace holds that matters to a feed."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import polars as pl

from armillary import progress
from armillary.api.ptolemy import Ptolemy
from armillary.feeds.definition import FeedDefinition
from armillary.sync.ground import Ground
from armillary.sync.owners import find_owners
from armillary.sync.planner import candidates
from armillary.sync.workspace import WorkspaceReading, read_workspace, relevant_types


@dataclass(frozen=True)
class Existing:
    """The two readings a plan needs (frames of shape ``frames``)."""

    reading: WorkspaceReading
    """The active instruments the feed owns."""
    owners: pl.DataFrame
    """Other instruments that hold an identifier the feed would create."""


def read_existing(
    ptolemy: Ptolemy, definition: FeedDefinition, ground: Ground, records: pl.DataFrame
) -> Existing:
    """Read what the feed owns, then who owns what it would create.

    Raises:
        ApiError: Ptolemy could not be read.
    """
    reading = read_workspace(
        ptolemy,
        definition,
        ground,
        progress=functools.partial(progress.say, "reading the workspace"),
    )
    owners = find_owners(
        ptolemy,
        candidates(records, reading.active),
        reading.active,
        relevant_types(definition, ground),
    )
    return Existing(reading=reading, owners=owners)
