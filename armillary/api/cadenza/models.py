"""What Cadenza tells, read tolerantly: its documents disagree, and its lists of words grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ONLINE = "ONLINE"
DELISTED = "DELISTED"
"""Of an instrument: the venue has it no more (contract section 6)."""

UP = frozenset({"healthy", "degraded"})
"""Health words that mean that requests are served (contract D12)."""


@dataclass(frozen=True)
class Health:
    """Whether Cadenza is well; ``checks`` by part, as in ``{"database": "healthy"}``."""

    status: str
    version: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        """Whether it serves requests, be it with a warning."""
        return self.status in UP


@dataclass(frozen=True)
class Venue:
    """A venue and its status, in upper case (contract section 5, D9: any name may come)."""

    name: str
    status: str

    @property
    def online(self) -> bool:
        """Whether it trades now."""
        return self.status == ONLINE


@dataclass(frozen=True)
class SyncAnswer:
    """What Cadenza counted; None where it did not tell (contract D7). Never decides anything."""

    synced: int | None
    added: int | None
    updated: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class InstrumentList:
    """The instruments of one venue.

    Attributes:
        venue: As asked.
        rows: Each instrument once, as told; ``instrumentId`` is always there, fractions are
            ``Decimal``. Rows of other venues are left out.
        complete: Whether this certainly is the whole list. Nothing may be concluded from what an
            incomplete one lacks (contract N3).
        why_incomplete: One sentence; blank when it is complete.
        total: How many there are, as the last page told.
        pages: Pages of the last reading.
        readings: How often the list was read from its start.
        notes: What a person should know.
    """

    venue: str
    rows: tuple[dict[str, Any], ...] = field(repr=False)
    complete: bool
    why_incomplete: str = ""
    total: int | None = None
    pages: int = 0
    readings: int = 1
    notes: tuple[str, ...] = ()
