"""What tests of leases share: clocks, a short way to take one, and what lies in the store."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any

from armillary.clock import Clock, SystemClock
from armillary.errors import LeaseLost
from armillary.runs.lease import Lease, held, lease_key
from armillary.runs.store import RunStore
from tests.api.clocks import JumpClock

KEY = lease_key("w-1", "sync vendor")


class WrongClock(JumpClock):
    """Its time of day is off, its seconds are not."""

    def __init__(self, seconds: float = 0) -> None:
        super().__init__()
        self.off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self.off


class LaterClock(SystemClock):
    """The machine's clock after a wait that nobody has to sit through."""

    ahead = timedelta(hours=1)

    def now(self) -> datetime:
        return super().now() + self.ahead


def take(store: RunStore, clock: Clock, owner: str = "run A", **settings: Any) -> Any:
    settings = {"renewing": False, **settings}
    return held(store, "w-1", "sync vendor", owner=owner, clock=clock, **settings)


def lying(store: RunStore, key: str = KEY) -> dict[str, Any]:
    content = store.read(key)
    assert content is not None
    found: dict[str, Any] = json.loads(content)
    return found


def wait_until(condition: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False
