"""The simulated Cadenza as a whole: routes, the judging of callers, and answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

from simulator.cadenza import refusals
from simulator.cadenza.config import CadenzaConfig
from simulator.cadenza.listing import Listing
from simulator.cadenza.presenting import enveloped, spelled
from simulator.cadenza.refusals import TOO_MANY, Refused
from simulator.cadenza.sessions import Session, Sessions
from simulator.cadenza.switches import AccountRole
from simulator.cadenza.syncing import Syncing
from simulator.cadenza.venue import Venue
from simulator.clock import SimulatorClock
from simulator.exchange import Admission, Answer, Incoming, Location, Refusal
from simulator.ptolemy.quota import Bucket

BASE = "/api/v3"
VERSION = "3.0.1"
UNKNOWN = "unknown"
RANK: dict[AccountRole, int] = {"viewer": 0, "trader": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, and whether it may be called without a token."""

    handler: Callable[[Incoming, Session | None], Answer]
    open: bool = False


class Cadenza:
    """Accounts, venues and instruments of the simulated API."""

    def __init__(self, config: CadenzaConfig, clock: SimulatorClock, seed: int) -> None:
        self.config = config
        self.clock = clock
        self.venues = {venue.name: Venue.of(venue) for venue in config.venues}
        self.sessions = Sessions(config, clock, seed)
        self.listing = Listing(config, seed)
        self.syncing = Syncing(config, clock)
        self._buckets: dict[str, Bucket] = {}
        self._numbers = itertools.count(1)
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", BASE): Route(self._root),
            ("GET", f"{BASE}/health"): Route(self._health, open=True),
            ("POST", f"{BASE}/auth/login"): Route(self._login, open=True),
            ("POST", f"{BASE}/auth/token/refresh"): Route(self._refresh, open=True),
            ("POST", f"{BASE}/auth/logout"): Route(self._logout),
            ("GET", f"{BASE}/auth/user"): Route(self._user),
            ("GET", f"{BASE}/market/venue/list"): Route(self._venue_list),
            ("GET", f"{BASE}/market/instrument/list"): Route(self._instrument_list),
            ("POST", f"{BASE}/market/instrument/sync"): Route(self._sync),
        }
        self._paths = {path for _, path in self._routes}

    def configure(self, config: CadenzaConfig) -> None:
        """Take over switches and accounts while running; venues stay as they have become."""
        self.config = config
        for part in (self.sessions, self.listing, self.syncing):
            part.config = config

    def locate(self, incoming: Incoming) -> Location | None:
        """Every path below ``/api`` is this service's."""
        if incoming.segments[:1] != ["api"]:
            return None
        path = incoming.raw_path.rstrip("/")
        template = path if path in self._paths else UNKNOWN
        route = self._routes.get((incoming.method, path))
        secret = path.startswith(f"{BASE}/auth/")
        return Location(template, incoming.raw_path, "", route, secret_body=secret)

    def admit(self, incoming: Incoming, location: Location) -> Admission:
        """Authenticate, apply the rate limit; every answer names its request."""
        headers = {"x-request-id": f"req-{next(self._numbers):08d}"}
        route: Route | None = location.target
        if route is not None and route.open:
            return Admission("cadenza", headers)
        try:
            session = self.sessions.authenticate(incoming.headers.get("authorization"))
        except Refused as refusal:
            return Admission("-", headers, refusal)
        email = session.account.email
        return Admission(f"cadenza:{email}", headers, self._too_many(email), session)

    def answer(self, incoming: Incoming, location: Location, admission: Admission) -> Answer:
        """Do what is asked."""
        route: Route | None = location.target
        if route is None:
            raise Refused(19003, f"No endpoint {incoming.method} {location.path}")
        if incoming.too_large:
            raise Refused(19001, "The body is too large")
        return route.handler(incoming, admission.token)

    def refuse(self, refusal: Refusal, admission: Admission) -> Answer:
        """The envelope of a refusal."""
        return refusals.answer(refusal, self.config, admission.headers)

    def expired_cursor_status(self) -> int:
        """There are no cursors here."""
        return 400

    def _too_many(self, email: str) -> Refused | None:
        if self.config.burst_per_second is None:
            return None
        size = self.config.burst_size
        bucket = self._buckets.setdefault(email, Bucket(self.clock, size))
        wait = bucket.take(self.config.burst_per_second, size)
        if not wait:
            return None
        told = self.config.retry_after == "seconds"
        headers = {"Retry-After": str(ceil(wait))} if told else {}
        return Refused(TOO_MANY, "Too many requests", headers=headers)

    def _root(self, _incoming: Incoming, _session: Session | None) -> Answer:
        told = {"name": "Cadenza", "version": VERSION, "description": "A simulated Cadenza"}
        return enveloped({**told, "documentation": f"{BASE}/docs"}, self.config)

    def _health(self, _incoming: Incoming, _session: Session | None) -> Answer:
        now, status = self.clock.now(), self.config.health
        worst = {"healthy": "healthy", "degraded": "healthy", "unhealthy": "unhealthy"}[status]
        body = {
            "status": status,
            "timestamp": int(now * 1000),
            "isoDateTime": datetime.fromtimestamp(now, UTC).isoformat(),
            "version": VERSION,
            "checks": {
                "database": {"status": worst},
                "temporal": {"status": status},
                "redis": {"status": "healthy"},
            },
        }
        return Answer(self.config.unhealthy_status if status == "unhealthy" else 200, body)

    def _login(self, incoming: Incoming, _session: Session | None) -> Answer:
        email, password = _texts(incoming, "email", "password")
        return enveloped(self.sessions.login(email, password), self.config)

    def _refresh(self, incoming: Incoming, _session: Session | None) -> Answer:
        (token,) = _texts(incoming, "refreshToken")
        return enveloped(self.sessions.refresh(token), self.config)

    def _logout(self, _incoming: Incoming, session: Session | None) -> Answer:
        self.sessions.logout(_signed_in(session))
        return enveloped("Logged out", self.config)

    def _user(self, _incoming: Incoming, session: Session | None) -> Answer:
        return enveloped(self.sessions.user(_signed_in(session).account), self.config)

    def _venue_list(self, _incoming: Incoming, _session: Session | None) -> Answer:
        rows = [
            {"venue": venue.name, "status": spelled(venue.status, self.config)}
            for venue in self.venues.values()
        ]
        return enveloped(rows, self.config)

    def _instrument_list(self, incoming: Incoming, _session: Session | None) -> Answer:
        return self.listing.page(self.venues, incoming)

    def _sync(self, incoming: Incoming, session: Session | None) -> Answer:
        role = _signed_in(session).account.role
        needed = self.config.sync_role
        if RANK[role] < RANK[needed]:
            details = {"resource": "instrument", "action": "sync"}
            roles = {"required": [needed], "provided": [role]}
            raise Refused(22018, "Insufficient permissions", details=details | roles)
        return self.syncing.sync(self.venues, incoming.json())


def _signed_in(session: Session | None) -> Session:
    if session is None:
        raise Refused(19002, "Unauthorized")
    return session


def _texts(incoming: Incoming, *names: str) -> list[Any]:
    body = incoming.json()
    if not isinstance(body, dict) or body.keys() - set(names):
        raise Refused(19004, f"The body is an object of {' and '.join(names)}")
    for name in names:
        if not isinstance(body.get(name), str) or not body[name]:
            raise Refused(19004, f"{name} is required")
    return [body[name] for name in names]
