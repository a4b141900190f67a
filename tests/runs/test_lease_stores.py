"""Leases in stores that fail, hang, forget, ignore conditions or hold damaged files."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from armillary.clock import SystemClock
from armillary.errors import ConfigurationError, LeaseHeld, LeaseLost
from armillary.runs import lease as lease_module
from armillary.runs.lease import held
from armillary.runs.store import RunStore
from tests.api.clocks import JumpClock
from tests.runs.conftest import Place
from tests.runs.leases import KEY, LaterClock, WrongClock, is_lost, lying, take, wait_until
from tests.runs.s3 import LoopbackS3


def test_a_renewal_that_the_store_refuses_does_not_count(
    bucket: Place, s3_server: LoopbackS3
) -> None:
    clock = JumpClock()
    with take(bucket.open(), clock) as lease:
        clock.sleep(100)
        s3_server.refuse_puts = "409 ConditionalRequestConflict"
        with pytest.raises(ConfigurationError, match="refused the conditional write"):
            lease.renew()
        lease.check()
        s3_server.behave()
        lease.renew()
        clock.sleep(100)
        lease.check()


def test_a_run_does_not_wait_for_a_store_that_hangs(
    bucket: Place,
    s3_server: LoopbackS3,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(lease_module, "LAST_RENEWAL_SECONDS", 0.1)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(20)

    store = bucket.open()
    with held(store, "w-1", "sync vendor", owner="A", life_seconds=3.0):
        s3_server.before_write = hang
        assert hangs.wait(5)
    assert "is left to expire" in caplog.text
    assert lying(store)["released_at"] is None
    goes_on.set()
    wait_until(lambda: not [found for found in threading.enumerate() if found.name == KEY])


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
        wait_until(lambda: is_lost(lease))
        assert SystemClock().now() >= last - timedelta(seconds=0.1)
        with pytest.raises(LeaseLost, match=r"not renewed in time. The last renewal failed: .*Acc"):
            lease.check()
    assert "could not be given back" in caplog.text


def test_trouble_that_is_over_is_not_blamed(
    bucket: Place, s3_server: LoopbackS3, caplog: pytest.LogCaptureFixture
) -> None:
    clock = LaterClock()
    with held(
        bucket.open(), "w-1", "sync vendor", owner="A", life_seconds=0.9, clock=clock
    ) as lease:
        s3_server.refuse_puts = "403 AccessDenied"
        wait_until(lambda: "was not renewed" in caplog.text)
        s3_server.behave()
        first = lease.expires_at
        wait_until(lambda: lease.expires_at > first)
        clock.ahead = timedelta(hours=2)
        with pytest.raises(LeaseLost, match="machine stood still"):
            lease.check()


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
    start, end = threading.Barrier(3, timeout=20), threading.Barrier(3, timeout=20)

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
