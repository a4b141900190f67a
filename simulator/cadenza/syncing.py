"""Refreshing Cadenza's copy of a venue from its exchange (contract section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from simulator.cadenza.config import CadenzaConfig
from simulator.cadenza.presenting import enveloped
from simulator.cadenza.refusals import BUSY, Refused
from simulator.cadenza.venue import Copied, Venue
from simulator.clock import SimulatorClock
from simulator.exchange import Answer

NOT_FOUND = 404
_KEYS = {"venue", "symbols"}
_AWAY = {"MAINTENANCE": 18013, "OFFLINE": 18012}


class SyncScript(BaseModel):
    """How the syncs of a venue go otherwise than they would."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    errno: int | None = None
    """Refused with this number and its status."""
    data: dict[str, Any] | None = None
    """Keys of ``data`` in the answer, in place of the right ones."""
    times: int | None = Field(1, ge=1)
    """How many syncs; none: all that follow."""
    retry_after: int | str | None = None
    """Retry-After of the refusal."""
    symbol: str | None = None
    """Only syncs that name this symbol."""


@dataclass(slots=True)
class SyncRecord:
    """One sync that was asked for; times are seconds since 1970 by the simulator's clock."""

    venue: str
    symbols: tuple[str, ...] | None
    started: float
    ended: float
    outcome: str = "done"
    """``done``, ``busy``, or ``refused``."""
    errno: int = 0
    synced: int = 0
    added: int = 0
    updated: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON has it."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {**told, "symbols": None if self.symbols is None else list(self.symbols)}


class Syncing:
    """Judges and carries out syncs, one at a time for each venue."""

    def __init__(self, config: CadenzaConfig, clock: SimulatorClock) -> None:
        self.config = config
        self.records: list[SyncRecord] = []
        self.scripts: dict[str, list[SyncScript]] = {}
        self.busy_times: dict[str, int] = {}
        self._clock = clock

    def sync(self, venues: dict[str, Venue], body: Any) -> Answer:
        """Carry out one sync.

        Raises:
            Refused: it is not possible, or not now; nothing was changed.
        """
        name, symbols = self._read(body)
        now = self._clock.now()
        record = SyncRecord(name, symbols, now, now)
        self.records.append(record)
        try:
            return self._carried_out(venues, record)
        except Refused as refusal:
            record.errno = refusal.errno
            record.outcome = "busy" if refusal.errno == BUSY else "refused"
            raise

    def _carried_out(self, venues: dict[str, Venue], record: SyncRecord) -> Answer:
        venue = venues.get(record.venue)
        if venue is None:
            raise Refused(22015, f"Invalid venue specified: {record.venue}")
        self._wait_outside(venue)
        script = self._script(record)
        if script is not None and script.errno is not None:
            after = script.retry_after
            headers = {} if after is None else {"Retry-After": str(after)}
            raise Refused(script.errno, headers=headers)
        if not venue.online:
            raise Refused(_AWAY.get(venue.status, 18012))
        symbols = self._found(venue, record.symbols)
        seconds = max(self.config.sync_seconds, self.config.sync_pause_seconds)
        venue.held_until = self._clock.monotonic() + seconds
        record.ended = record.started + seconds
        copied = venue.bring(symbols, delist=self.config.vanished == "delisted")
        record.synced, record.added, record.updated = copied.synced, copied.added, copied.updated
        data = self._counts(venue, copied) | ((script.data or {}) if script else {})
        answer = enveloped(data, self.config)
        answer.after_seconds = self.config.sync_pause_seconds
        return answer

    def _read(self, body: Any) -> tuple[str, tuple[str, ...] | None]:
        """Venue and symbols of a body; none: all of them."""
        if not isinstance(body, dict) or body.keys() - _KEYS:
            raise Refused(19004, "The body is an object of venue and symbols")
        name, symbols = body.get("venue"), body.get("symbols")
        if not isinstance(name, str) or not name:
            raise Refused(19004, "venue is required")
        if symbols is not None and not (
            isinstance(symbols, list) and all(isinstance(symbol, str) for symbol in symbols)
        ):
            raise Refused(19004, "symbols is an array of strings")
        if symbols is None and self.config.sync_symbols != "optional":
            raise Refused(19004, "symbols is required")
        if not symbols and self.config.sync_symbols == "listed":
            raise Refused(19004, "symbols must not be empty")
        return name, tuple(symbols) if symbols else None

    def _wait_outside(self, venue: Venue) -> None:
        left = self.busy_times.get(venue.name, 0)
        if left > 0:
            self.busy_times[venue.name] = left - 1
        if left > 0 or self._clock.monotonic() < venue.held_until:
            raise Refused(BUSY, f"Another sync of {venue.name} holds the lock")

    def _script(self, record: SyncRecord) -> SyncScript | None:
        scripts = self.scripts.get(record.venue, [])
        for script in scripts:
            if script.symbol is not None and script.symbol not in (record.symbols or ()):
                continue
            if script.times is not None:
                script.times -= 1
                if script.times <= 0:
                    scripts.remove(script)
            return script
        return None

    def _found(self, venue: Venue, symbols: tuple[str, ...] | None) -> list[str] | None:
        if symbols is None:
            return None
        any_case = self.config.symbol_case == "insensitive"
        delists = self.config.vanished == "delisted"
        found: list[str] = []
        for text in symbols:
            symbol = venue.symbol_of(text, any_case=any_case)
            if symbol is not None and (symbol in venue.exchange or delists):
                found.append(symbol)
            elif self.config.unknown_symbols != "skipped":
                errno = 18017 if self.config.unknown_symbols == NOT_FOUND else 22015
                raise Refused(errno, f"Symbol not found: {text}")
        return list(dict.fromkeys(found))

    def _counts(self, venue: Venue, copied: Copied) -> dict[str, Any]:
        counts = {
            "venue": venue.name,
            "synced": copied.synced,
            "added": copied.added,
            "updated": copied.updated,
        }
        total = {"total": copied.synced}
        readings: dict[str, dict[str, Any]] = {
            "counts": counts,
            "total": total,
            "both": counts | total,
            "empty": {},
        }
        return readings[self.config.sync_answer]
