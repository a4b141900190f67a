"""Leases between threads, and between processes that are killed and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from armillary.clock import SystemClock
from armillary.errors import LeaseHeld, LeaseLost
from armillary.runs.lease import held
from armillary.runs.store import RunStore
from tests.runs.conftest import Place
from tests.runs.leases import KEY, LaterClock, is_lost, lying, take, wait_until


def test_p05_the_thread_keeps_a_lease_far_beyond_its_life(place: Place) -> None:
    with held(place.open(), "w-1", "sync vendor", owner="A", life_seconds=0.6) as lease:
        other = place.open()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            lease.check()
            with (
                pytest.raises(LeaseHeld),
                held(other, "w-1", "sync vendor", owner="B", margin_seconds=0),
            ):
                pass
            time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name == lease.key]


def test_the_thread_notices_a_take_over(place: Place) -> None:
    with held(place.open(), "w-1", "sync vendor", owner="A", life_seconds=0.9) as lease:
        other = place.open()
        with held(other, "w-1", "sync vendor", owner="B", clock=LaterClock()) as new:
            wait_until(lambda: is_lost(lease))
            with pytest.raises(LeaseLost, match="was taken over by B"):
                lease.check()
            new.check()


@pytest.mark.parametrize("expired", [False, True])
def test_of_many_rivals_one_takes_it(place: Place, expired: bool) -> None:
    if expired:
        leave_as_a_killed_run_does(place.open())
    stores = [place.open() for _ in range(12)]
    start, end = threading.Barrier(12, timeout=20), threading.Barrier(12, timeout=20)

    def run(number: int) -> int | str:
        start.wait()
        try:
            with held(
                stores[number], "w-1", "sync vendor", owner=f"run {number}", clock=LaterClock()
            ) as lease:
                end.wait()
                return lease.token
        except LeaseHeld as error:
            end.wait()
            return error.owner

    with ThreadPoolExecutor(12) as pool:
        ends = list(pool.map(run, range(12)))
    (winner,) = [number for number, found in enumerate(ends) if isinstance(found, int)]
    assert ends.pop(winner) == (2 if expired else 1)
    assert ends == [f"run {winner}"] * 11


def leave_as_a_killed_run_does(store: RunStore) -> None:
    with held(store, "w-1", "sync vendor", owner="dead", renewing=False):
        content = store.read(KEY)
    assert content is not None
    store.write(KEY, content)


CHILD = """
import sys
from armillary.errors import LeaseLost
from armillary.runs.lease import held
from armillary.runs.store import open_store
store = open_store(sys.argv[1], endpoint_url=sys.argv[2] or None)
with held(store, "w-1", "sync vendor", owner="child", life_seconds=float(sys.argv[3])) as lease:
    print("held", lease.token, flush=True)
    for _ in sys.stdin:
        try:
            lease.check()
            print("goes on", flush=True)
        except LeaseLost as lost:
            print(lost, flush=True)
"""


class Child:
    """A process that holds the lease and looks at it when asked."""

    def __init__(self, place: Place, life_seconds: float) -> None:
        command = [place.address, place.endpoint_url or "", str(life_seconds)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.hears() == "held 1"

    def hears(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def checks(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.hears()

    def gets(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def ends(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def child(place: Place, life_seconds: float = 120) -> Iterator[Child]:
    process = Child(place, life_seconds)
    try:
        yield process
    finally:
        process.ends()


def test_p06_the_lease_of_a_killed_process_stays_until_it_expires(place: Place) -> None:
    with child(place) as dead:
        assert dead.checks() == "goes on"
        dead.gets(signal.SIGKILL)
        dead.process.wait(5)
    store = place.open()
    with pytest.raises(LeaseHeld, match="child, since"), take(store, SystemClock()):
        pass
    with take(store, LaterClock()) as lease:
        assert lease.token == 2


def test_s15_a_process_stopped_past_its_lease_writes_no_more(place: Place) -> None:
    store = place.open()
    with child(place, life_seconds=1) as stopped:
        assert stopped.checks() == "goes on"
        stopped.gets(signal.SIGSTOP)
        with take(store, LaterClock()) as lease:
            time.sleep(1.2)
            stopped.gets(signal.SIGCONT)
            assert stopped.checks().startswith("The lease of this run on 'sync vendor' of")
            stopped.process.communicate("")
            assert stopped.process.returncode == 0
            lease.renew()
            assert lying(store)["owner"] == "run A"


def test_a_process_stopped_past_its_lease_stays_out_though_nobody_took_it(folder: Place) -> None:
    with child(folder, life_seconds=1) as stopped:
        stopped.gets(signal.SIGSTOP)
        time.sleep(1.2)
        stopped.gets(signal.SIGCONT)
        assert "was not renewed in time" in stopped.checks()


def test_an_interrupted_process_gives_its_lease_back(folder: Place) -> None:
    with child(folder) as interrupted:
        interrupted.gets(signal.SIGINT)
        interrupted.process.wait(10)
    with take(folder.open(), SystemClock()) as lease:
        assert lease.token == 2
