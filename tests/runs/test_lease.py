"""The rules of a lease by its clocks: taken, renewed, ended, taken over, given back."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta

import pytest

from armillary.errors import LeaseHeld, LeaseLost, RunStopped
from armillary.runs.lease import held
from armillary.runs.store import RunStore
from tests.api.clocks import START, JumpClock
from tests.runs.conftest import Place
from tests.runs.leases import WrongClock, lying, take
from tests.runs.s3 import LoopbackS3


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
    clock = WrongClock()
    with take(bucket.open(), clock) as lease:
        clock.sleep(40)
        s3_server.before_write = lambda: clock.sleep(30)
        lease.renew()
        assert lease.expires_at == START + timedelta(seconds=160)
        clock.off = timedelta(seconds=-3600)
        clock.sleep(89)
        lease.check()
        clock.sleep(1)
        with pytest.raises(LeaseLost):
            lease.check()
