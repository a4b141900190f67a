"""Run records and leases below an s3:// address, in Ceph's gateway."""

from __future__ import annotations

import boto3
import pytest

from armillary.errors import LeaseHeld
from armillary.runs.store import RunStore, open_store
from simulator import Simulator
from tests.api.clocks import JumpClock
from tests.backup.workspace import seed
from tests.real.made_backup import back_up, store_block
from tests.real.service import Service
from tests.runs.leases import WrongClock, lying, take

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def address(gateway: Service, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of run records; the keys come from the environment, as the machine's own do."""
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    # boto3's own session may have been made for another test, with other keys.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return f"s3://{gateway.make_bucket()}/runs"


@pytest.fixture
def store(gateway: Service, address: str) -> RunStore:
    return open_store(address, endpoint_url=gateway.url)


def test_s13_a_second_run_is_refused(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock, "run A") as lease:
        with pytest.raises(LeaseHeld, match="run A, since 2026-11-20"), take(store, clock, "run B"):
            pass
        lease.check()
    assert lying(store)["owner"] == "run A"


def test_a_lease_is_renewed_given_back_and_taken_again(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock, "run A") as lease:
        clock.sleep(100)
        lease.renew()
        clock.sleep(100)
        lease.check()
    assert lying(store)["released_at"]
    with take(store, clock, "run B") as lease:
        assert lease.token == 2


def test_s14_the_lease_of_a_dead_run_is_taken_over(store: RunStore) -> None:
    clock = JumpClock()
    with take(store, clock, "run A"), take(store, WrongClock(1000), "run B") as new:
        new.renew()
        assert lying(store)["owner"] == "run B"


def test_a_swap_of_what_changed_meanwhile_is_refused(store: RunStore) -> None:
    assert store.create("a", b"1")
    assert not store.create("a", b"2")
    found = store.read_versioned("a")
    assert found
    assert store.swap("a", b"2", found.version)
    assert not store.swap("a", b"3", found.version)
    assert store.read("a") == b"2"


@pytest.mark.flow
def test_a_backup_with_run_records_in_the_same_store(
    gateway: Service,
    address: str,
    sim: Simulator,
    prefect_server: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARMILLARY_RUNS", address)
    monkeypatch.setenv("ARMILLARY_STORE_ENDPOINT_URL", gateway.url)
    seed(sim)
    store = store_block(gateway, gateway.make_bucket(), checksum="when_required")
    state = back_up(sim, store)
    assert state.name == "Completed", state.message
