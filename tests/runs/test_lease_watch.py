"""A lease seen from another process: it lasts as long as the run says, and not a write longer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from armillary.clock import Clock
from armillary.errors import ConfigurationError, LeaseLost
from armillary.runs.lease import Lease
from armillary.runs.lease_watch import LOOK_SECONDS, LeaseWatch
from armillary.runs.objects import Versioned
from armillary.runs.store import RunStore, open_store
from tests.api.clocks import JumpClock
from tests.runs.leases import take


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return open_store(str(tmp_path / "records"))


def watch(store: RunStore, lease: Lease, clock: Clock) -> LeaseWatch:
    return LeaseWatch(store, lease.ticket, clock)


def test_a_renewed_lease_lasts_elsewhere_too(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock) as lease:
        seen = watch(store, lease, clock)
        for _ in range(20):  # 200 seconds of a lease of 120
            seen.check()
            clock.sleep(10)
            lease.renew()
        seen.check()


def test_a_run_that_died_renews_nothing_and_its_batches_stop(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock) as lease:
        seen = watch(store, lease, clock)
        seen.check()
        clock.sleep(119)
        seen.check()
        clock.sleep(1)
        with pytest.raises(LeaseLost, match=r"ended at 2026-11-20 02:02:00 UTC and was not renew"):
            seen.check()


def test_a_lease_that_was_renewed_just_before_its_end_is_looked_at_again(store: RunStore) -> None:
    """The last look is a few seconds old, and what it saw is over by now: that is no proof."""
    clock = JumpClock()
    with take(store, clock) as lease:
        seen = watch(store, lease, clock)
        clock.sleep(119)
        seen.check()
        lease.renew()
        clock.sleep(2)
        seen.check()
        clock.sleep(117.5)
        seen.check()


def test_a_lease_given_back_is_noticed_within_ten_seconds(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock) as lease:
        seen = watch(store, lease, clock)
        seen.check()
    clock.sleep(LOOK_SECONDS - 1)
    seen.check()
    clock.sleep(1)
    with pytest.raises(LeaseLost, match="was given back at 2026-11-20 02:00:00 UTC"):
        seen.check()
    with pytest.raises(LeaseLost):
        seen.check()  # for ever


def test_a_lease_taken_over_is_somebody_elses(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock) as lease:
        ticket = lease.ticket
    with take(store, clock, "run B"), pytest.raises(LeaseLost, match="was taken over by run B"):
        LeaseWatch(store, ticket, clock).check()


def test_other_run_records_are_told_apart_from_a_lost_lease(
    store: RunStore, tmp_path: Path
) -> None:
    clock = JumpClock()
    elsewhere = open_store(str(tmp_path / "another folder"))
    with take(store, clock) as lease, pytest.raises(LeaseLost) as raised:
        watch(elsewhere, lease, clock).check()
    assert raised.value.message == (
        "The lease of the run on 'sync vendor' of workspace 'w-1' is not to be found at "
        f"{elsewhere.place} by this process: the run and those who work for it need the same run "
        "records (ARMILLARY_RUNS)."
    )


class Failing:
    """Run records that cannot be read; everything else is never asked for."""

    place = "s3://records"

    def read_versioned(self, key: str) -> Versioned | None:
        raise ConfigurationError(f"{key} cannot be read: 503.")


def test_records_that_fail_are_borne_until_the_time_seen_last_is_nearly_over(
    store: RunStore,
) -> None:
    clock = JumpClock()
    with take(store, clock) as lease:
        failing: RunStore = Failing()  # type: ignore[assignment]
        seen = LeaseWatch(failing, lease.ticket, clock)
        for _ in range(11):
            seen.check()
            clock.sleep(10)
        with pytest.raises(LeaseLost, match=r"cannot be looked at: w-1/leases/.*: 503"):
            seen.check()


def test_the_ticket_is_data(store: RunStore) -> None:
    with take(store, JumpClock()) as lease:
        moved = replace(lease.ticket, expires_at=lease.expires_at + timedelta(seconds=1))
        assert moved != lease.ticket
        assert moved.key == lease.key
