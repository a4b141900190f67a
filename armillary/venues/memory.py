"""How many instruments the last whole refresh of a venue brought.

One small JSON object per venue, ``cadenza-<environment>/venues/<venue>.json``. Losing it is safe:
the next refresh has nothing to compare with.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

import msgspec

from armillary.errors import ConfigurationError
from armillary.runs.store import RunStore

LEAST_BEFORE = 20
"""A venue with fewer instruments may well lose half of them in a day."""

SUSPICIOUS_SHARE = 0.5


class VenueMemory(msgspec.Struct, frozen=True):
    """The last refresh of a whole venue that told a number."""

    synced: int
    run_id: str
    refreshed_at: datetime


_read = msgspec.json.Decoder(VenueMemory).decode


def records_of(environment: str) -> str:
    """Under which name the run records keep what belongs to one Cadenza."""
    return f"cadenza-{environment}"


def memory_key(environment: str, venue: str) -> str:
    """Where the memory of a venue lies; any name is safe in it."""
    return f"{quote(records_of(environment), safe='')}/venues/{quote(venue, safe='')}.json"


def recall(store: RunStore, environment: str, venue: str) -> VenueMemory | None:
    """What the last whole refresh left; None where there was none, or it cannot be read.

    Raises:
        ConfigurationError: the run records cannot be used.
    """
    content = store.read(memory_key(environment, venue))
    try:
        return None if content is None else _read(content)
    except msgspec.DecodeError:
        return None  # the next whole refresh writes it anew


def remember(store: RunStore, environment: str, venue: str, memory: VenueMemory) -> str:
    """Leave the number for the next run; returns why that failed, or blank.

    The refresh is done by then: its outcome must not be lost with the memory of it.
    """
    try:
        store.write(memory_key(environment, venue), msgspec.json.encode(memory))
    except ConfigurationError as error:
        return f"Not remembered for the next run: {error}"
    return ""


def shrunk(before: VenueMemory | None, synced: int | None) -> str:
    """A note when a whole refresh brought far less than the last one (C09), or blank.

    Args:
        before: of the last whole refresh.
        synced: of this one; None when Cadenza did not say.
    """
    if before is None or synced is None or before.synced < LEAST_BEFORE:
        return ""
    if synced >= SUSPICIOUS_SHARE * before.synced:
        return ""
    return (
        f"Cadenza says that it synced {synced:,} instruments; the last whole refresh, at "
        f"{before.refreshed_at:%Y-%m-%d %H:%M} UTC, brought {before.synced:,}. Compare the venue's "
        "list with the exchange before you rely on it."
    )
