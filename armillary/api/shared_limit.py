"""A limit on requests under way that several processes share: what its keeper has to offer.

This package knows no keeper itself; ``blocks`` has the one that asks a Prefect server.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How full a limit is, over all processes."""

    slots: int
    taken: int
    enforced: bool = True
    """Off: somebody switched the limit off, and slots are lent without end."""

    @property
    def has_room(self) -> bool:
        """Whether a slot could be lent just now."""
        return self.taken < self.slots or not self.enforced


class SlotLender(Protocol):
    """Lends slots of one limit, each for a time; used by one thread.

    Every method may raise ``ConfigurationError``, when the limit is not there or cannot be used
    for this, and ``NoTurn``, when its keeper could not be asked and may be asked again.
    """

    def look(self) -> Occupancy:
        """How full the limit is. Changes nothing."""
        ...

    def lend(self, seconds: float) -> str | None:
        """One slot for so long, by the name of its loan; None when all are taken."""
        ...

    def renew(self, loan: str, seconds: float) -> bool:
        """Make a loan last so long from now; False when it is not known any more."""
        ...

    def take_back(self, loan: str) -> None:
        """End a loan. One that ended already is no fault."""
        ...


class SharedLimit(Protocol):
    """Names a limit, and opens the way to whoever keeps it."""

    @property
    def name(self) -> str:
        """What people call the limit."""
        ...

    @property
    def advice(self) -> str:
        """What to do about slots that stay taken though nobody works."""
        ...

    def open(self) -> AbstractContextManager[SlotLender]:
        """A connection for the thread that enters it."""
        ...
