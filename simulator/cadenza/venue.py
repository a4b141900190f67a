"""A venue: what its exchange lists, Cadenza's copy of that, and who holds it just now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.cadenza.config import VenueConfig
from simulator.cadenza.practice import Row, instrument, of_venue

GONE = "DELISTED"


@dataclass(frozen=True, slots=True)
class Copied:
    """What one sync changed in the copy."""

    added: int
    updated: int

    @property
    def synced(self) -> int:
        """Rows that were brought, new or not."""
        return self.added + self.updated


@dataclass(slots=True)
class Venue:
    """One venue with both layers; rows by their ``symbol``, in the order they came.

    Rows are replaced, never changed in place: layers, venues and simulators share them.
    """

    name: str
    status: str
    exchange: dict[str, Row] = field(default_factory=dict)
    copy: dict[str, Row] = field(default_factory=dict)
    held_until: float = 0.0
    """Monotonic seconds of the simulator's clock; a sync before that is busy."""

    @classmethod
    def of(cls, config: VenueConfig) -> Venue:
        """The venue as the configuration has it."""
        venue = cls(config.name, config.status)
        if config.instruments is None:
            venue.exchange = {row["symbol"]: row for row in of_venue(config.name)}
        else:
            venue.list_on_exchange(config.instruments)
        if config.copied:
            venue.bring(None, delist=False)
        return venue

    @property
    def online(self) -> bool:
        """Whether it can be refreshed."""
        return self.status == "ONLINE"

    def whole(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Row]:
        """Rows with every key, by symbol; what a row says is kept, its venue too."""
        made = (instrument(**{"venue": self.name, **row}) for row in rows)
        return {row["symbol"]: row for row in made}

    def list_on_exchange(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """The exchange lists these too, or anew."""
        self.exchange.update(self.whole(rows))

    def symbol_of(self, text: str, *, any_case: bool) -> str | None:
        """The symbol a request means, among both layers."""
        known = (*self.exchange, *self.copy) if any_case else ()
        if text in self.exchange or text in self.copy:
            return text
        return next((symbol for symbol in known if symbol.upper() == text.upper()), None)

    def bring(self, symbols: Sequence[str] | None, *, delist: bool) -> Copied:
        """Refresh the copy from the exchange, whole or these symbols."""
        wanted = list(self.exchange) if symbols is None else symbols
        added = updated = 0
        for symbol in wanted:
            row = self.exchange.get(symbol)
            if row is None:
                continue
            updated += symbol in self.copy
            added += symbol not in self.copy
            self.copy[symbol] = row
        if delist:
            vanished = list(self.copy) if symbols is None else symbols
            for symbol in vanished:
                if symbol in self.copy and symbol not in self.exchange:
                    self.copy[symbol] = {**self.copy[symbol], "status": GONE}
        return Copied(added, updated)
