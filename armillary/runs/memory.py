"""What one feed's runs remember about one workspace, from run to run.

One small JSON object, ``<workspace>/<feed>/memory.json``. Losing it is safe: the guards that lean
on it fall silent, and returning instruments are held instead of restored.
"""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import quote

import msgspec

from armillary.errors import ConfigurationError
from armillary.runs.store import RunStore

MOST_ECHOES = 100_000
"""More remembered values than this mean a service that rewrites everything; the oldest go first."""


class EchoEntry(msgspec.Struct, frozen=True):
    """A value this workspace stores otherwise than it was written."""

    identifier: str
    field: str
    wanted: str
    stored: str


class FeedMemory(msgspec.Struct, frozen=True):
    """Facts of earlier runs. Replaced as a whole after a run that wrote."""

    feed_records: int | None = None
    """Records in the feed at the last good run (the guard against a shrunken feed)."""
    workspace_records: int | None = None
    """Active records in scope after the last run (the guard against an empty answer)."""
    archived: dict[str, str] = {}
    """UUIDs of the instruments this feed archived, with the run that did it."""
    echoes: list[EchoEntry] = []

    def after(self, **changes: Any) -> Self:
        """A copy with some facts replaced."""
        return msgspec.structs.replace(self, **changes)


def memory_key(workspace: str, feed: str) -> str:
    """Where the memory of a feed lies; any name is safe in it."""
    return f"{quote(workspace, safe='')}/{quote(feed, safe='')}/memory.json"


def recall(store: RunStore, workspace: str, feed: str) -> FeedMemory:
    """What earlier runs left; a fresh memory where there were none.

    Raises:
        ConfigurationError: the records cannot be read, or are damaged.
    """
    key = memory_key(workspace, feed)
    content = store.read(key)
    if content is None:
        return FeedMemory()
    try:
        return msgspec.json.decode(content, type=FeedMemory)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"The memory of feed {feed!r} at {store.place}/{key} is damaged: {error}.",
            next_step="Move the file away: the next run starts a new one, and holds instruments "
            "that return until it has archived them itself.",
        ) from error


def remember(store: RunStore, workspace: str, feed: str, memory: FeedMemory) -> None:
    """Leave the memory for the next run.

    Raises:
        ConfigurationError: the records cannot be written.
    """
    kept = memory.after(echoes=memory.echoes[-MOST_ECHOES:])
    store.write(memory_key(workspace, feed), msgspec.json.encode(kept))
