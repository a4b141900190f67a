"""Leases: who may write into a workspace now, so that two runs never do the same work at once.

A lease is one small JSON object in the run records, ``<workspace>/leases/<operation>.json``. It
is taken by an exclusive create, or by compare-and-swap once the last one ended; renewed while the
run works; given back at the end. A run that dies leaves it to expire. ``token`` grows by one with
every taking, and the object stays when the lease is given back, so that it never falls back.
"""

from __future__ import annotations

import logging
import math
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, NoReturn
from urllib.parse import quote

import msgspec

from armillary.clock import Clock, SystemClock
from armillary.errors import ConfigurationError, LeaseHeld, LeaseLost
from armillary.runs.store import RunStore
from armillary.runs.under_way import LeaseNote, UnderWay

logger = logging.getLogger(__name__)

LIFE_SECONDS = 120.0
MARGIN_SECONDS = 30.0
RENEWALS_PER_LIFE = 3
RETRIES_PER_LIFE = 12
"""How often a renewal that failed is tried again."""

TRIES = 5
"""Conditional writes in a row that nobody else can have won: then the store is at fault."""

SETTLE_SECONDS = 2.0
"""Where a store ignores conditions: the time in which rivals' writes have all arrived."""

LAST_RENEWAL_SECONDS = 5.0
"""How long the end of a run waits for a renewal under way."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class LeaseRecord(msgspec.Struct, frozen=True):
    """A lease as it lies in the store; times are the owner's clock."""

    owner: str
    nonce: str
    """Of one taking: two runs may name themselves alike."""
    token: Annotated[int, msgspec.Meta(ge=1)]
    taken_at: Instant
    expires_at: Instant
    released_at: Instant | None = None

    def free(self, now: datetime, margin: timedelta) -> bool:
        """Whether the next run may have it."""
        return self.released_at is not None or now - margin >= self.expires_at


_read_lease = msgspec.json.Decoder(LeaseRecord).decode


@dataclass(frozen=True, slots=True)
class LeaseTicket:
    """What another process needs to look after a lease: see ``lease_watch.LeaseWatch``."""

    key: str
    nonce: str
    subject: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Term:
    """How long the lease lasts by this process's own two clocks."""

    deadline: float
    expires_at: datetime


class Lease:
    """The right to write, as long as ``check`` does not raise. Made by ``held``."""

    def __init__(
        self,
        store: RunStore,
        workspace: str,
        operation: str,
        *,
        owner: str,
        life_seconds: float,
        margin_seconds: float,
        clock: Clock,
        subject: str = "",
    ) -> None:
        self.owner = owner
        self.key = lease_key(workspace, operation)
        self.token = 0
        self.under_way = UnderWay(store, owner)
        self._subject = subject or f"{operation!r} of workspace {workspace!r}"
        self._store = store
        self._nonce = uuid.uuid4().hex
        self._life = timedelta(seconds=life_seconds)
        self._margin = timedelta(seconds=margin_seconds)
        self._clock = clock
        self._term = Term(-math.inf, datetime.min.replace(tzinfo=UTC))
        self._one_at_a_time = threading.Lock()
        self._sent = False
        self._lost = ""
        self._trouble = ""

    @property
    def expires_at(self) -> datetime:
        """When it ends unless it is renewed, by this machine's clock."""
        return self._term.expires_at

    @property
    def ticket(self) -> LeaseTicket:
        """For the parts of this run that work in other processes."""
        return LeaseTicket(self.key, self._nonce, self._subject, self.expires_at)

    def check(self) -> None:
        """Return while the lease lasts. Cheap (no request): call it before every write.

        Raises:
            LeaseLost: its time is over by this process's monotonic clock or by the time of day
                (one of them also counts the sleep of a machine), or another run took it over.
        """
        if not self._lost:
            term = self._term
            if self._clock.monotonic() < term.deadline and self._clock.now() < term.expires_at:
                return
            self._lost = (
                f"The lease of this run on {self._subject} ended at {_spoken(term.expires_at)}: it "
                f"was not renewed in time. {self._trouble or 'The process or machine stood still.'}"
            )
        raise LeaseLost(self._lost)

    def renew(self) -> None:
        """Make it last one life from now, and prove that it is still ours.

        The run's own thread does so all the time. Call it before one decisive write, such as a
        manifest, where ``check`` alone would not see a take-over of the last seconds.

        Raises:
            LeaseLost: it ended before, or another run took it over.
            ConfigurationError: the store failed; the lease lasts until its time is over.
        """
        with self._one_at_a_time:
            self.check()
            now, sent = self._clock.now(), self._clock.monotonic()
            record, version = self._mine()
            renewed = msgspec.structs.replace(record, expires_at=now + self._life)
            self._store.swap(self.key, msgspec.json.encode(renewed), version)
            if self._mine()[0] != renewed:
                raise self._refused()
            # A process stopped since `sent` has let its time pass, whatever the store says.
            self.check()
            self._begin(renewed, sent)

    def _take(self) -> None:
        sent = self._clock.monotonic()
        for _ in range(TRIES):
            found = self._read()
            # Reading back is what counts: an answer may be lost, a condition may be ignored.
            if found and found[0].nonce == self._nonce:
                return self._begin(found[0], sent)
            if found and not found[0].free(self._clock.now(), self._margin):
                raise self._held(found[0])
            sent = self._clock.monotonic()
            self._claim(found)
        raise self._refused()

    def _claim(self, found: tuple[LeaseRecord, str] | None) -> None:
        now = self._clock.now()
        token = found[0].token + 1 if found else 1
        record = LeaseRecord(self.owner, self._nonce, token, now, now + self._life)
        content = msgspec.json.encode(record)

        def won() -> bool:
            if found:
                return self._store.swap(self.key, content, found[1])
            return self._store.create(self.key, content)

        self._sent = True
        # It cannot be won twice, except where nobody looks at the condition.
        if won() and won():
            logger.warning(
                "%s ignores conditional writes: two runs started in the same %.0f seconds may "
                "both work until the next renewal. Keep the run records in a service that "
                "knows If-Match and If-None-Match.",
                self._store.place,
                SETTLE_SECONDS,
            )
            self._clock.sleep(SETTLE_SECONDS)

    def _begin(self, record: LeaseRecord, sent: float) -> None:
        self.token = record.token
        self._term = Term(sent + self._life.total_seconds(), record.expires_at)
        self._trouble = ""

    def _release(self) -> None:
        if not self._sent:
            return
        try:
            found = self._read()
            if found and found[0].nonce == self._nonce:
                released = msgspec.structs.replace(found[0], released_at=self._clock.now())
                self._store.swap(self.key, msgspec.json.encode(released), found[1])
        except ConfigurationError as error:
            logger.warning("The lease on %s could not be given back: %s", self._subject, error)
        else:
            self.under_way.end(self._note())

    def _keep(self, stop: threading.Event) -> None:
        life = self._life.total_seconds()
        wait = life / RENEWALS_PER_LIFE
        while not stop.wait(wait):
            try:
                self.renew()
                wait = life / RENEWALS_PER_LIFE
            except LeaseLost as lost:
                logger.warning("%s", lost)
                return
            except ConfigurationError as error:
                self._trouble = f"The last renewal failed: {error.message}"
                logger.warning("The lease on %s was not renewed: %s", self._subject, error.message)
                wait = life / RETRIES_PER_LIFE

    def _read(self) -> tuple[LeaseRecord, str] | None:
        return lease_of(self._store, self.key, self._subject)

    def _mine(self) -> tuple[LeaseRecord, str]:
        found = self._read()
        if found is None:
            self._end("was removed from the run records")
        if found[0].nonce != self._nonce:
            self._end(f"was taken over by {found[0].owner} at {_spoken(found[0].taken_at)}")
        return found

    def _end(self, what: str) -> NoReturn:
        self._lost = f"The lease of this run on {self._subject} {what}."
        raise LeaseLost(self._lost)

    def _held(self, other: LeaseRecord) -> LeaseHeld:
        since, until = other.taken_at.astimezone(UTC), other.expires_at.astimezone(UTC)
        return LeaseHeld(
            f"Another run is working on {self._subject}: {other.owner}, since {_spoken(since)}. "
            f"Its lease lasts until {_spoken(until)} and is renewed while it works. Nothing was "
            "done.",
            owner=other.owner,
            since=since,
            until=until,
            next_step="Start this run again when that one has ended. If that one is dead, the "
            f"next start {self._margin.total_seconds():.0f} seconds after that time takes over. "
            f"If that time is far off, its clock was wrong: move {self._store.place}/{self.key} "
            "away.",
        )

    def _refused(self) -> ConfigurationError:
        return ConfigurationError(
            f"The lease on {self._subject} at {self._store.place}/{self.key} could not be written: "
            "the store refused the conditional write, and nobody else had it.",
            next_step="Start the run again. If it happens every time, keep the run records in a "
            "folder, or in a service that knows If-Match and If-None-Match.",
        )

    def _note(self) -> LeaseNote:
        return LeaseNote(self.key, self._nonce, self._subject)


@contextmanager
def held(
    store: RunStore,
    workspace: str,
    operation: str,
    *,
    owner: str,
    life_seconds: float = LIFE_SECONDS,
    margin_seconds: float = MARGIN_SECONDS,
    clock: Clock | None = None,
    renewing: bool = True,
    subject: str = "",
) -> Iterator[Lease]:
    """Hold the lease on one operation of one workspace while the block runs.

    Its owner counts it as ended at ``expires_at``, another run ``margin_seconds`` later. The
    margin covers the clock of the next run's machine being ahead of the owner's, together with
    the one request that was under way when the lease ended. With clocks further apart two runs
    may write until the owner's next renewal shows it the other one (``armillary check`` compares
    the clock). A next run whose clock is behind only waits longer.

    Args:
        store: the run records all workers share.
        workspace: UUID of the workspace.
        operation: what is kept apart, such as ``sync <feed>``; any name is safe.
        owner: how a person finds this run: flow run, machine, process.
        life_seconds: how long the lease lasts after a run died.
        margin_seconds: see above.
        clock: for tests.
        renewing: renew by a thread of its own, every third of the life. Off, the caller renews.
        subject: what it is on, as messages call it; by default operation and workspace.

    Raises:
        LeaseHeld: another run has it.
        ConfigurationError: the store cannot be used, or the lease in it is damaged.
    """
    lease = Lease(
        store,
        workspace,
        operation,
        owner=owner,
        life_seconds=life_seconds,
        margin_seconds=margin_seconds,
        clock=clock or SystemClock(),
        subject=subject,
    )
    stop = threading.Event()
    keeper = threading.Thread(target=lease._keep, args=(stop,), name=lease.key, daemon=True)
    try:
        lease._take()
        if renewing:
            keeper.start()
        lease.under_way.begin(lease._note())
        yield lease
    finally:
        stop.set()
        if keeper.ident:
            keeper.join(LAST_RENEWAL_SECONDS)
        if keeper.is_alive():
            logger.warning("The store does not answer: %s is left to expire.", lease.key)
        else:
            lease._release()


def lease_of(store: RunStore, key: str, subject: str) -> tuple[LeaseRecord, str] | None:
    """The lease under a key, with what ``swap`` asks for; None where nobody ever took one.

    Raises:
        ConfigurationError: the store cannot be used, or the lease in it is damaged.
    """
    found = store.read_versioned(key)
    if found is None:
        return None
    try:
        return _read_lease(found.content), found.version
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"The lease on {subject} at {store.place}/{key} is damaged: {error}.",
            next_step="Make sure that no run is under way there, move the file away, then "
            "start the run again.",
        ) from error


def lease_key(workspace: str, operation: str) -> str:
    """Where the lease lies; any name is safe in it."""
    return f"{_safe(workspace)}/leases/{_safe(operation)}.json"


def _safe(name: str) -> str:
    quoted = quote(name, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def _spoken(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
