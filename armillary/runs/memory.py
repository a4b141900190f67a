"""What one feed's runs remember about one workspace, from run to run.

One small JSON object, ``<workspace>/<feed>/memory.json``. Losing it is safe: the guards that lean
on it fall silent, and returning instruments are held instead of restored.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Self
from urllib.parse import quote

import msgspec

from armillary.errors import ConfigurationError
from armillary.runs.store import RunStore

MOST_ECHOES = 100_000
"""More remembered values than this mean a service that rewrites everything; the oldest go first."""


MOST_DELIVERIES = 100
"""So many contents are recognised when they come again."""

MOST_DATES = 100
"""So many business dates are remembered, the highest ones."""


class EchoEntry(msgspec.Struct, frozen=True):
    """A value this workspace stores otherwise than it was written."""

    identifier: str
    field: str
    wanted: str
    stored: str


class Delivery(msgspec.Struct, frozen=True):
    """A delivery that a good, whole run applied."""

    sha256: str
    """Of the file's content, unpacked."""
    records: int
    run_id: str
    applied_at: datetime
    origin: str = ""
    """Which of several services it was from; blank where there is only one."""
    business_date: date | None = None
    """The day it spoke of, where it told."""
    fingerprint: str = ""
    """What its place said of it, such as an ETag."""


class ColumnFacts(msgspec.Struct, frozen=True):
    """What one mapped value was like in a delivery as a whole."""

    filled: int
    """In how many records it was not blank."""
    constant: str | None = None
    """The one value of all those records; None where there were several."""
    commonest: int | None = None
    """How many of those records had the most frequent value; None if an older release wrote it."""


class FeedMemory(msgspec.Struct, frozen=True):
    """Facts of earlier runs. Replaced as a whole after a run that wrote."""

    deliveries: list[Delivery] = []
    """What good, whole runs applied, each content once, the latest last."""
    workspace_records: int | None = None
    """Active records in scope after the last run (the guard against an empty answer)."""
    archived: dict[str, str] = {}
    """UUIDs of the instruments this feed archived, with the run that did it."""
    echoes: list[EchoEntry] = []
    columns: dict[str, ColumnFacts] = {}
    """Of the latest delivery, by column; empty where an older release wrote this memory."""
    absent: dict[str, int] = {}
    """UUIDs of instruments that the latest deliveries lacked, with how many in a row did (F21)."""
    dates: dict[str, date] = {}
    """Business dates of deliveries that were written, also in part, by the run that did (F05)."""

    @property
    def feed_records(self) -> int | None:
        """Records in the feed at its last good run (the guard against a shrunken feed)."""
        return self.deliveries[-1].records if self.deliveries else None

    def applied_before(self, sha256: str) -> tuple[Delivery, int] | None:
        """An earlier delivery of this content, and how many others came after it.

        None for a new content and for that of the latest delivery.
        """
        for newer, delivery in enumerate(reversed(self.deliveries)):
            if delivery.sha256 == sha256 and sha256:
                return (delivery, newer) if newer else None
        return None

    def newest_date(self, until: date) -> tuple[date, str] | None:
        """The highest business date that was ever applied, and the run that did.

        Args:
            until: later ones are mistakes of the vendor, and count for nothing.
        """
        told = [(each.business_date, each.run_id) for each in self.deliveries if each.business_date]
        told += [(day, run_id) for run_id, day in self.dates.items()]
        known = [each for each in told if each[0] <= until]
        return max(known, default=None)

    def with_date(self, run_id: str, day: date) -> Self:
        """Note the business date of a delivery that a run wrote, whole or in part."""
        highest = sorted((self.dates | {run_id: day}).items(), key=lambda each: each[1])
        return self.after(dates=dict(highest[-MOST_DATES:]))

    def with_delivery(self, delivery: Delivery) -> Self:
        """Note a delivery as the latest; the latest one again changes nothing."""
        if self.deliveries and self.deliveries[-1].sha256 == delivery.sha256:
            return self
        others = [each for each in self.deliveries if each.sha256 != delivery.sha256]
        return self.after(deliveries=[*others, delivery][-MOST_DELIVERIES:])

    def without_run(self, run_id: str) -> Self:
        """Forget the delivery of a run that was undone, its date, and what its columns were."""
        if run_id in self.dates:
            dates = {each: day for each, day in self.dates.items() if each != run_id}
            return self.after(dates=dates).without_run(run_id)
        kept = [each for each in self.deliveries if each.run_id != run_id]
        if kept == self.deliveries:
            return self
        return self.after(deliveries=kept, columns={}, absent={})

    def after(self, **changes: Any) -> Self:
        """A copy with some facts replaced."""
        return msgspec.structs.replace(self, **changes)


_read = msgspec.json.Decoder(FeedMemory).decode


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
        return _read(content)
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
