"""What tests and the demo see and steer of the simulated Cadenza; the same over HTTP."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from simulator.cadenza import practice
from simulator.cadenza.config import AccountConfig, CadenzaConfig
from simulator.cadenza.practice import Row
from simulator.cadenza.service import Cadenza
from simulator.cadenza.syncing import SyncRecord, SyncScript
from simulator.cadenza.venue import Venue
from simulator.exchange import Refusal

OVER_HTTP: Final = (
    "set_status",
    "list_on_exchange",
    "delist_on_exchange",
    "change_on_exchange",
    "add_rows",
    "remove_rows",
    "set_rows",
    "rows",
    "exchange_rows",
    "busy",
    "script_sync",
    "clear_scripts",
    "expire_tokens",
    "expire_refresh_tokens",
)
"""What ``do`` of ``POST /_simulator/cadenza`` may be."""


class Steering(BaseModel):
    """The body of ``POST /_simulator/cadenza``: what to do, and with what."""

    model_config = ConfigDict(extra="allow")

    do: str = Field(description="one of OVER_HTTP; the other keys are its arguments")


class CadenzaControl:
    """Steers the simulated Cadenza: no token, never counted."""

    def __init__(self, cadenza: Cadenza) -> None:
        self._cadenza = cadenza

    instrument = staticmethod(practice.instrument)

    @property
    def config(self) -> CadenzaConfig:
        """The configuration as it is now."""
        return self._cadenza.config

    @property
    def account(self) -> AccountConfig:
        """The first account."""
        return self.config.accounts[0]

    @property
    def email(self) -> str:
        """The e-mail address of the first account."""
        return self.account.email

    @property
    def password(self) -> str:
        """The password of the first account."""
        return self.account.password

    def token(self) -> str:
        """A live access token of the first account, without a login."""
        return self._cadenza.sessions.token(self.account)

    # Venues and their instruments.

    def venue(self, name: str) -> Venue:
        """A venue itself, for tests that look inside.

        Raises:
            Refusal: there is none of that name.
        """
        found = self._cadenza.venues.get(name)
        if found is None:
            raise Refusal(404, f"No venue {name!r}")
        return found

    def set_status(self, venue: str, status: str) -> None:
        """Put a venue ONLINE, OFFLINE or into MAINTENANCE; a new name makes a venue."""
        self._cadenza.venues.setdefault(venue, Venue(venue, status)).status = status

    def list_on_exchange(self, venue: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """The exchange lists these too; rows need ``symbol``, the rest is made up."""
        self.venue(venue).list_on_exchange(rows)

    def delist_on_exchange(self, venue: str, symbols: Iterable[str]) -> None:
        """The exchange has these no more."""
        for symbol in symbols:
            del self._known(self.venue(venue).exchange, venue, symbol)[symbol]

    def change_on_exchange(self, venue: str, symbol: str, **fields: Any) -> None:
        """The exchange changes keys of an instrument."""
        rows = self._known(self.venue(venue).exchange, venue, symbol)
        rows[symbol] = {**rows[symbol], **fields}

    def exchange_rows(self, venue: str) -> list[Row]:
        """What the exchange lists."""
        return copy.deepcopy(list(self.venue(venue).exchange.values()))

    def rows(self, venue: str) -> list[Row]:
        """Cadenza's copy, whole rows by the names of the client's model."""
        return copy.deepcopy(list(self.venue(venue).copy.values()))

    def set_rows(self, venue: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Cadenza's copy becomes these; the exchange stays as it is."""
        found = self.venue(venue)
        found.copy = found.whole(rows)

    def add_rows(
        self, venue: str, rows: Iterable[Mapping[str, Any]], *, first: bool = False
    ) -> None:
        """Put rows into Cadenza's copy, at its end or in front."""
        found = self.venue(venue)
        new = found.whole(rows)
        found.copy = {**new, **found.copy, **new} if first else {**found.copy, **new}

    def remove_rows(self, venue: str, symbols: Iterable[str]) -> None:
        """Take rows out of Cadenza's copy."""
        for symbol in symbols:
            del self._known(self.venue(venue).copy, venue, symbol)[symbol]

    # Syncs.

    @property
    def syncs(self) -> list[SyncRecord]:
        """Every sync that was asked for, refused ones too, oldest first."""
        return list(self._cadenza.syncing.records)

    @property
    def busy_times(self) -> dict[str, int]:
        """How many more syncs of a venue answer 22014."""
        return self._cadenza.syncing.busy_times

    def busy(self, venue: str, times: int = 1) -> None:
        """Let the next syncs of a venue answer 22014."""
        self.busy_times[self.venue(venue).name] = times

    def script_sync(self, venue: str, **script: Any) -> None:
        """Let syncs of a venue go otherwise: keys of :class:`SyncScript`; scripts queue up."""
        scripts = self._cadenza.syncing.scripts.setdefault(venue, [])
        scripts.append(SyncScript.model_validate(script))

    def clear_scripts(self) -> None:
        """Let every sync go as it would again."""
        self._cadenza.syncing.scripts.clear()
        self.busy_times.clear()

    # Sessions.

    @property
    def logins(self) -> int:
        """Logins that were granted."""
        return self._cadenza.sessions.logins

    @property
    def refreshes(self) -> int:
        """Refreshes that were granted."""
        return self._cadenza.sessions.refreshes

    @property
    def sessions(self) -> dict[str, int]:
        """Counts of ``logins``, ``refreshes`` and ``refused`` ones of both."""
        counts = self._cadenza.sessions
        return {
            "logins": counts.logins,
            "refreshes": counts.refreshes,
            "refused": counts.refused,
        }

    def expire_tokens(self, *, after_calls: int = 0) -> None:
        """Let the access tokens there are expire: now, or with that many calls more."""
        self._cadenza.sessions.expire(after_calls=after_calls)

    def expire_refresh_tokens(self) -> None:
        """Let the refresh tokens there are expire."""
        self._cadenza.sessions.expire_renewals()

    # Over HTTP.

    def state(self) -> dict[str, Any]:
        """Venues with the sizes of both layers, syncs, and counts of sessions."""
        venues = [
            {
                "venue": venue.name,
                "status": venue.status,
                "exchange": len(venue.exchange),
                "copy": len(venue.copy),
            }
            for venue in self._cadenza.venues.values()
        ]
        syncs = [record.as_dict() for record in self.syncs]
        return {"venues": venues, "syncs": syncs, "sessions": self.sessions}

    def do(self, body: Any) -> Any:
        """Carry out ``{"do": "set_status", "venue": ...}``; gives what the method gives.

        Raises:
            Refusal: no such thing, or arguments that do not fit.
            pydantic.ValidationError: the body names nothing to do.
        """
        steering = Steering.model_validate(body)
        if steering.do not in OVER_HTTP:
            raise Refusal(422, f"do is one of: {', '.join(OVER_HTTP)}")
        try:
            return getattr(self, steering.do)(**(steering.model_extra or {}))
        except TypeError as error:
            raise Refusal(422, str(error)) from error

    def _known(self, rows: dict[str, Row], venue: str, symbol: str) -> dict[str, Row]:
        if symbol not in rows:
            raise Refusal(404, f"{venue} has no {symbol!r}")
        return rows
