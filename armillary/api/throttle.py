"""One valve for all workers of a token: how many requests are under way, and when they may start.

A 429 stops every worker until the service takes requests again; then work goes on with half as
many under way, growing back by one for every ``GROW_AFTER`` answers (``reliability.md`` A01).
"""

from __future__ import annotations

import random
import threading
import weakref

from armillary.api.endpoint import Endpoint
from armillary.api.shared_limit import SharedLimit
from armillary.api.slots import Slots
from armillary.clock import Clock, SystemClock

GROW_AFTER = 20
MAX_JITTER_SECONDS = 1.0
STEP_SECONDS = 1.0
"""A wait for another process's slot may be long: Ctrl-C is noticed between two steps of it."""


class Throttle:
    """Shared by threads. ``enter`` before a request, ``leave`` after it, ``pause`` upon a 429.

    With ``slots``, a request also needs one of them: a limit over several processes.
    """

    def __init__(
        self,
        *,
        max_in_flight: int,
        requests_per_second: float | None,
        clock: Clock,
        slots: Slots | None = None,
    ) -> None:
        self._clock = clock
        self._slots = slots
        self._most = max_in_flight
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._changed = slots.changed if slots else threading.Condition()
        self._limit = max_in_flight
        self._in_flight = 0
        self._waiting = 0
        self._next_start = 0.0
        self._paused_until = 0.0
        self._cuts = 0
        self._answers = 0

    @property
    def limit(self) -> int:
        """How many requests may be under way just now."""
        return self._limit

    def enter(self) -> int:
        """Wait for a turn. Returns a ticket for ``pause``.

        Raises:
            ConfigurationError, NoTurn: no slot is to be had of a limit that processes share.
        """
        while True:
            with self._changed:
                self._wait_for_room()
                now = self._clock.monotonic()
                pause = self._paused_until - now
                wait = max(pause, self._next_start - now)
                if wait <= 0:
                    self._in_flight += 1
                    self._note()
                    self._next_start = now + self._interval
                    return self._cuts
            self._clock.sleep(wait + _jitter(pause))

    def leave(self, *, answered: bool) -> None:
        """Give the turn back; an answer other than 429 lets the limit grow."""
        with self._changed:
            self._in_flight -= 1
            self._note()
            if answered and self._limit < self._most:
                self._answers += 1
                if self._answers >= GROW_AFTER:
                    self._answers = 0
                    self._limit += 1
                    self._changed.notify()
            self._changed.notify()

    def pause(self, seconds: float, ticket: int) -> None:
        """Let nobody start for ``seconds``, and go on more slowly.

        Ten workers told so at once are one event: only a request that entered after the last cut
        (its ``ticket`` says so) cuts again.
        """
        with self._changed:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
            if ticket == self._cuts:
                self._cuts += 1
                self._limit = max(1, self._limit // 2)
                self._answers = 0

    def rest(self) -> None:
        """Give back the slots no request needs; waits some seconds at most."""
        if self._slots:
            self._slots.rest()

    def _wait_for_room(self) -> None:
        if self._slots is None:
            self._changed.wait_for(self._has_room)
            return
        self._waiting += 1
        self._note()
        try:
            while not self._has_room():
                self._slots.check()
                self._changed.wait(STEP_SECONDS)
        finally:
            self._waiting -= 1
            self._note()

    def _note(self) -> None:
        if self._slots:
            wanted = min(self._limit, self._in_flight + self._waiting)
            self._slots.note(self._in_flight, wanted)

    def _has_room(self) -> bool:
        free = self._in_flight < self._limit
        return free and (self._slots is None or self._in_flight < self._slots.usable())


def _jitter(pause: float) -> float:
    """Spreads the workers that a pause held back, so that they do not all start at its end."""
    if pause <= 0:
        return 0.0
    return random.uniform(0, min(MAX_JITTER_SECONDS, pause / 10))  # noqa: S311 - no secret


_shared: weakref.WeakValueDictionary[tuple[object, ...], Throttle] = weakref.WeakValueDictionary()
_shared_lock = threading.Lock()


def throttle_for(
    connection: Endpoint, clock: Clock, shared_limit: SharedLimit | None = None
) -> Throttle:
    """The one throttle of this process for a caller at an address, and for a shared limit.

    The limits are those of whoever asked first. A test's clock gets a throttle of its own: two
    times cannot share a pause.
    """
    time = SystemClock if isinstance(clock, SystemClock) else clock
    key = (connection.url, connection.identity, time, shared_limit and shared_limit.name)
    with _shared_lock:
        throttle = _shared.get(key)
        if throttle is None:
            throttle = Throttle(
                max_in_flight=connection.max_in_flight,
                requests_per_second=connection.requests_per_second,
                clock=clock,
                slots=Slots(shared_limit, clock) if shared_limit else None,
            )
            _shared[key] = throttle
        return throttle
