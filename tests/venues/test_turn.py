"""The lease and the memory of one venue's turn, against the simulator's Cadenza."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from armillary.api.cadenza import Cadenza, Venue
from armillary.errors import ConfigurationError, VenueBusy
from armillary.runs.folder_store import FolderStore
from armillary.runs.lease import held
from armillary.runs.store import RunStore
from armillary.venues.outcome import VenueState
from armillary.venues.turn import Round, Turn
from simulator import Simulator
from tests.api.cadenza import open_cadenza
from tests.api.clocks import JumpClock
from tests.venues.conftest import config_of

OKX = Venue("OKX", "ONLINE")


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator(config_of("OKX", "DERIBIT")) as sim:
        yield sim


@pytest.fixture
def cadenza(server: Simulator) -> Iterator[Cadenza]:
    with open_cadenza(server) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return FolderStore(tmp_path / "records")


def turn_of(store: RunStore, run_id: str = "run-1", environment: str = "UAT") -> Turn:
    return Round(environment, run_id, store, clock=JumpClock()).turn(OKX)


def test_a_venue_is_left_alone_while_another_run_refreshes_it(
    server: Simulator, cadenza: Cadenza, store: RunStore
) -> None:
    with held(store, "cadenza-UAT", "venue-OKX", owner="run 7"):
        outcome = turn_of(store).attempt(cadenza)
        other = turn_of(store, environment="production").attempt(cadenza)
    assert outcome.state is VenueState.ALREADY_RUNNING
    assert "run 7" in outcome.error
    assert "Nothing was done." in outcome.error
    assert other.state is VenueState.COMPLETED
    assert len(server.cadenza.syncs) == 1
    assert turn_of(store).attempt(cadenza).state is VenueState.COMPLETED


def test_c07_the_lease_lasts_through_the_waits_and_ends_with_the_turn(
    server: Simulator, cadenza: Cadenza, store: RunStore
) -> None:
    server.cadenza.busy("OKX", 1)
    first, second = turn_of(store, "run-1"), turn_of(store, "run-2")
    with pytest.raises(VenueBusy):
        first.attempt(cadenza)
    left_alone = second.attempt(cadenza)
    assert (left_alone.state, left_alone.tries) == (VenueState.ALREADY_RUNNING, 0)
    first.wait()
    outcome = first.attempt(cadenza)
    assert (outcome.state, outcome.tries, outcome.synced) == (VenueState.COMPLETED, 2, 2)
    assert outcome.status == "ONLINE"
    assert outcome.notes == ("Another refresh of it was waited for, 5 seconds.",)
    assert turn_of(store, "run-2").attempt(cadenza).state is VenueState.COMPLETED


def test_a_turn_that_broke_off_gives_the_lease_back(
    server: Simulator, cadenza: Cadenza, store: RunStore
) -> None:
    server.cadenza.busy("OKX", 1)
    turn = turn_of(store)
    with pytest.raises(VenueBusy):
        turn.attempt(cadenza)
    outcome = turn.broke_off(ValueError("no such thing"))
    assert outcome.state is VenueState.UNKNOWN
    assert "ValueError('no such thing')" in outcome.error
    assert turn_of(store).attempt(cadenza).state is VenueState.COMPLETED


def test_a_turn_that_never_began_has_failed(store: RunStore) -> None:
    outcome = turn_of(store).broke_off(ConfigurationError("The account has no password."))
    assert (outcome.state, outcome.error) == (VenueState.FAILED, "The account has no password.")


def test_c09_a_venue_that_shrank_is_noted_by_the_next_run(
    server: Simulator, cadenza: Cadenza, store: RunStore
) -> None:
    server.cadenza.script_sync("OKX", data={"synced": 500})
    assert turn_of(store, "run-1").attempt(cadenza).notes == ()
    server.cadenza.script_sync("OKX", data={"synced": 0})
    outcome = turn_of(store, "run-2").attempt(cadenza)
    assert outcome.state is VenueState.COMPLETED
    [note] = outcome.notes
    assert note.startswith("Cadenza says that it synced 0 instruments; the last whole refresh")


def test_a_refresh_of_symbols_is_no_measure(
    server: Simulator, cadenza: Cadenza, store: RunStore
) -> None:
    server.cadenza.script_sync("OKX", data={"synced": 500})
    turn_of(store).attempt(cadenza)
    of = Round("UAT", "run-2", store)
    assert of.turn(OKX, ("BTC/USDT",)).attempt(cadenza).notes == ()
    server.cadenza.script_sync("OKX", data={"synced": 490})
    assert turn_of(store).attempt(cadenza).notes == ()


def test_records_that_cannot_be_used_fail_the_venue_and_nothing_is_asked(
    server: Simulator, cadenza: Cadenza, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    of = Round("UAT", "run-1", FolderStore(tmp_path / "file"))
    outcome = of.turn(OKX).attempt(cadenza)
    assert outcome.state is VenueState.FAILED
    assert "The run records" in outcome.error
    assert server.cadenza.syncs == []


def test_a_venue_whose_turn_comes_after_the_halt_is_not_attempted(
    server: Simulator, cadenza: Cadenza, store: RunStore
) -> None:
    of = replace(Round("UAT", "run-1", store), clock=JumpClock())
    turn = of.turn(OKX)
    of.halt.stop("the account may not do this.")
    outcome = turn.attempt(cadenza)
    assert (outcome.state, outcome.error) == (
        VenueState.NOT_ATTEMPTED,
        "the account may not do this.",
    )
    assert server.cadenza.syncs == []
