"""One run at a time: taken, renewed, lost and given back, by threads, processes and bad stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from armillary.clock import Clock, SystemClock
from armillary.errors import ConfigurationError, LeaseHeld, LeaseLost, RunStopped
from armillary.runs.lease import Lease, held, lease_key
from armillary.runs.store import RunStore
from tests.api.clocks import START, JumpClock
from tests.runs.conftest import Place
from tests.runs.s3 import LoopbackS3

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

    def now(self) -> datetime:
        return super().now() + timedelta(hours=1)


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


def test_a_lease_says_who_until_when(store: RunStore) -> None:
    with take(store, JumpClock()) as lease:
        lease.check()
        assert lease.token == 1
        assert lease.expires_at == START + timedelta(seconds=120)
        found = lying(store)
        assert len(found.pop("nonce")) == 32
        assert found == {
            "owner": "run A",
            "token": 1,
            "taken_at": "2026-11-20T02:00:00Z",
            "expires_at": "2026-11-20T02:02:00Z",
            "released_at": None,
        }


def test_p09_s13_a_second_run_is_told_who_and_what_to_do(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock, "flow run calm-owl on host-1") as lease:
        clock.sleep(60)
        with pytest.raises(LeaseHeld) as raised, take(store, clock, "run B"):
            pass
        lease.check()
    error = raised.value
    assert error.owner == "flow run calm-owl on host-1"
    assert (error.since, error.until) == (START, START + timedelta(seconds=120))
    assert str(error) == (
        "Another run is working on 'sync vendor' of workspace 'w-1': flow run calm-owl on host-1, "
        "since 2026-11-20 02:00:00 UTC. Its lease lasts until 2026-11-20 02:02:00 UTC and is "
        "renewed while it works. Nothing was done. Start this run again when that one has ended. "
        "If that one is dead, the next start 30 seconds after that time takes over. If that time "
        f"is far off, its clock was wrong: move {store.place}/w-1/leases/sync%20vendor.json away."
    )


def test_workspaces_and_operations_do_not_wait_for_each_other(store: RunStore) -> None:
    names = ["a", "a/b", "a%2Fb", "..", ".", ".lock", "", "ä ö", "\n", "b.json", 'x"y']
    with ExitStack() as stack:
        for workspace in (name for name in names if name):
            for operation in names[:3]:
                lease = stack.enter_context(
                    held(store, workspace, operation, owner="A", renewing=False)
                )
                assert lease.token == 1
        for name in names:
            stack.enter_context(held(store, "w-1", name, owner="A", renewing=False))
            with pytest.raises(LeaseHeld), held(store, "w-1", name, owner="B"):
                pass


def test_a_released_lease_is_free_at_once_and_its_number_grows(store: RunStore) -> None:
    clock = JumpClock()
    for token in (1, 2, 3):
        with take(store, clock) as lease:
            assert lease.token == token
    assert lying(store)["released_at"] == "2026-11-20T02:00:00Z"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_lease_is_released_however_the_block_ends(
    store: RunStore, error: type[BaseException]
) -> None:
    clock = JumpClock()
    with pytest.raises(error), take(store, clock):
        raise error
    with take(store, clock, "run B") as lease:
        assert lease.token == 2


def test_s14_an_expired_lease_is_taken_over_after_the_margin(store: RunStore) -> None:
    clock, ahead = JumpClock(), WrongClock(seconds=149.9)
    with take(store, clock) as old:
        with pytest.raises(LeaseHeld), take(store, ahead, "run B"):
            pass
        ahead.off += timedelta(seconds=0.1)
        with take(store, ahead, "run B") as new:
            assert (old.token, new.token) == (1, 2)
            # By its own clock run A has time left, until it looks.
            old.check()
            with pytest.raises(LeaseLost, match="was taken over by run B at 2026-11-20 02:02:30"):
                old.renew()
            with pytest.raises(LeaseLost, match="was taken over by run B"):
                old.check()
            new.check()


def test_s15_the_old_owner_does_not_release_the_new_lease(store: RunStore) -> None:
    clock = JumpClock()
    first, second = take(store, clock), take(store, clock, "run B")
    old = first.__enter__()
    clock.sleep(150)
    new = second.__enter__()
    with pytest.raises(LeaseLost, match="was not renewed in time"):
        old.check()
    first.__exit__(None, None, None)
    assert lying(store)["owner"] == "run B"
    assert lying(store)["released_at"] is None
    new.renew()
    second.__exit__(None, None, None)
    assert lying(store)["released_at"] is not None


def test_a_lease_ends_by_either_clock_and_never_comes_back(store: RunStore) -> None:
    slept = WrongClock()
    with take(store, slept) as lease:
        # The machine slept: only the time of day went on.
        slept.off = timedelta(seconds=120)
        with pytest.raises(LeaseLost) as raised:
            lease.check()
        slept.off = timedelta()
        with pytest.raises(LeaseLost):
            lease.renew()
        assert isinstance(raised.value, RunStopped)
        assert str(raised.value) == (
            "The lease of this run on 'sync vendor' of workspace 'w-1' ended at 2026-11-20 "
            "02:02:00 UTC: it was not renewed in time. The process or machine stood still. "
            "Nothing is written from here on. When no other run is under way, start this one "
            "again: it finishes what is missing."
        )
    set_back = WrongClock()
    with take(store, set_back) as lease:
        set_back.sleep(120)
        set_back.off = timedelta(seconds=-3600)
        with pytest.raises(LeaseLost):
            lease.check()


def test_renewing_goes_on_for_as_long_as_it_is_done(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock) as lease:
        for _ in range(10):
            clock.sleep(119)
            lease.renew()
            lease.check()
        assert lease.expires_at == START + timedelta(seconds=10 * 119 + 120)
        with pytest.raises(LeaseHeld), take(store, clock, "run B"):
            pass
        assert lying(store)["taken_at"] == "2026-11-20T02:00:00Z"


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
            wait_until(lambda: _lost(lease))
            with pytest.raises(LeaseLost, match="was taken over by B"):
                lease.check()
            new.check()


def _lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False


@pytest.mark.parametrize("expired", [False, True])
def test_of_many_rivals_one_takes_it(place: Place, expired: bool) -> None:
    if expired:
        leave_as_a_killed_run_does(place.open())
    stores = [place.open() for _ in range(12)]
    start, end = threading.Barrier(12), threading.Barrier(12)

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


def test_s15_a_renewal_that_comes_too_late_does_not_count(
    bucket: Place, s3_server: LoopbackS3
) -> None:
    clock = JumpClock()
    with take(bucket.open(), clock) as lease:
        clock.sleep(60)
        s3_server.before_write = lambda: clock.sleep(60)
        with pytest.raises(LeaseLost, match="was not renewed in time"):
            lease.renew()


def test_a_lease_lasts_from_before_it_was_asked_for(bucket: Place, s3_server: LoopbackS3) -> None:
    clock = JumpClock()
    with take(bucket.open(), clock) as lease:
        clock.sleep(40)
        s3_server.before_write = lambda: clock.sleep(30)
        lease.renew()
        assert lease.expires_at == START + timedelta(seconds=160)
        clock.sleep(89)
        lease.check()
        clock.sleep(1)
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_store_that_fails_does_not_end_a_lease_before_its_time(
    bucket: Place, s3_server: LoopbackS3, caplog: pytest.LogCaptureFixture
) -> None:
    with held(bucket.open(), "w-1", "sync vendor", owner="A", life_seconds=1.2) as lease:
        s3_server.refuse_puts = "403 AccessDenied"
        wait_until(lambda: "was not renewed" in caplog.text)
        lease.check()
        s3_server.behave()
        first = lease.expires_at
        wait_until(lambda: lease.expires_at > first)
        s3_server.refuse_puts = "403 AccessDenied"
        last = lease.expires_at
        wait_until(lambda: _lost(lease))
        assert SystemClock().now() >= last - timedelta(seconds=0.1)
        with pytest.raises(LeaseLost, match=r"not renewed in time. The last renewal failed: .*Acc"):
            lease.check()
    assert "could not be given back" in caplog.text


def test_a_folder_that_goes_away_for_a_while(folder: Place) -> None:
    clock, home = JumpClock(), Path(folder.address)
    with take(folder.open(), clock) as lease:
        away = home.rename(home.with_name("unmounted"))
        home.write_text("in the way")
        clock.sleep(100)
        with pytest.raises(ConfigurationError, match="cannot be used"):
            lease.renew()
        lease.check()
        home.unlink()
        away.rename(home)
        lease.renew()
        clock.sleep(100)
        lease.check()


def test_a_lease_file_that_was_moved_away_ends_the_lease(store: RunStore) -> None:
    with take(store, JumpClock()) as lease:
        store.delete(KEY)
        with pytest.raises(LeaseLost, match="was removed from the run records"):
            lease.renew()
    assert store.read(KEY) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"owner": "A"}',
        b'{"owner":"A","nonce":"n","token":0,"taken_at":"2026-11-20T02:00:00Z",'
        b'"expires_at":"2026-11-20T02:00:00Z"}',
        b'{"owner":"A","nonce":"n","token":1,"taken_at":"2026-11-20T02:00:00",'
        b'"expires_at":"2026-11-20T02:00:00"}',
    ],
)
def test_a_damaged_lease_is_named_with_what_to_do(store: RunStore, content: bytes) -> None:
    store.write(KEY, content)
    with pytest.raises(ConfigurationError) as raised, take(store, JumpClock()):
        pass
    assert f"at {store.place}/{KEY} is damaged" in str(raised.value)
    assert "Make sure that no run is under way there, move the file away" in str(raised.value)
    assert store.read(KEY) == content


def test_a_lease_beyond_all_time_is_held_not_an_overflow(store: RunStore) -> None:
    with take(store, JumpClock()):
        forever = {**lying(store), "expires_at": "9999-12-31T23:59:59Z"}
    store.write(KEY, json.dumps(forever).encode())
    with pytest.raises(LeaseHeld, match="its clock was wrong"), take(store, JumpClock()):
        pass


def test_a_write_whose_answer_was_lost_is_recognised(bucket: Place, s3_server: LoopbackS3) -> None:
    store, clock = bucket.open(), JumpClock()
    s3_server.lose_answers = 1
    with take(store, clock) as lease:
        assert lease.token == 1
        s3_server.lose_answers = 1
        clock.sleep(100)
        lease.renew()
        clock.sleep(100)
        lease.check()
    assert not clock.slept.count(2.0)


def test_a_store_that_ignores_conditions_lets_one_of_two_go_on(
    bucket: Place, s3_server: LoopbackS3, caplog: pytest.LogCaptureFixture
) -> None:
    s3_server.ignores_conditions = True
    start, end = threading.Barrier(3), threading.Barrier(3)

    def run(owner: str) -> bool:
        store = bucket.open()
        start.wait()
        try:
            with held(store, "w-1", "sync vendor", owner=owner) as lease:
                end.wait()
                lease.renew()
                return True
        except LeaseHeld:
            end.wait()
            return False

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(run, "ABC")) == [False, False, True]
    assert "ignores conditional writes" in caplog.text


def test_a_store_that_ignores_conditions_still_tells_of_a_take_over(
    bucket: Place, s3_server: LoopbackS3
) -> None:
    s3_server.ignores_conditions = True
    store, clock = bucket.open(), JumpClock()
    with take(store, clock) as old, take(store, WrongClock(1000), "run B") as new:
        with pytest.raises(LeaseLost, match="was taken over by run B"):
            old.renew()
        new.renew()


def test_a_store_that_refuses_all_conditions_is_named(bucket: Place, s3_server: LoopbackS3) -> None:
    s3_server.refuse_puts = "412 PreconditionFailed"
    with (
        pytest.raises(ConfigurationError, match="refused the conditional write"),
        take(bucket.open(), JumpClock()),
    ):
        pass


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
