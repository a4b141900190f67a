"""The refresh of venues as a flow: its states, its task runs, its reports, and running it again."""

from __future__ import annotations

import json
import shlex
from asyncio import CancelledError
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.events import emit_event
from prefect.futures import PrefectConcurrentFuture

from armillary.api.cadenza import Venue
from armillary.errors import AccessDenied, ConfigurationError, VenueBusy
from armillary.runs.folder_store import FolderStore
from armillary.venues.outcome import VenuesFailed, VenuesResult, VenueState
from armillary.venues.turn import Round
from simulator import Config, Simulator
from simulator.faults import Rule
from tests.api.cadenza import open_cadenza
from tests.api.clocks import JumpClock
from tests.task_runs import task_runs_of
from tests.venues.conftest import RunVenues, config_of

pytestmark = pytest.mark.flow

SYNC = "/api/v3/market/instrument/sync"
TWELVE = [
    *("BINANCE", "OKX", "DERIBIT", "BYBIT", "HYPERLIQUID", "IBKR"),
    *("BITFINEX", "WINTERMUTE", "MOCK", "B2C2", "STONEX", "FERMATA"),
]


def seen_of(state: Any) -> tuple[Any, dict[str, str], dict[str, Any]]:
    """The flow run, its artifacts, and its task runs by name."""
    run_id = state.state_details.flow_run_id
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(flow_run_filter=chosen)
        runs = task_runs_of(client, chosen)
        found = {artifact.key or str(artifact.type): str(artifact.data) for artifact in artifacts}
        return client.read_flow_run(run_id), found, {run.name: run for run in runs}


def states(result: VenuesResult) -> dict[str, str]:
    return {outcome.venue: outcome.state.value for outcome in result.venues}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was emitted: event and resource."""
    emitted: list[tuple[str, str]] = []

    def heard(*, event: str, resource: dict[str, str], payload: dict[str, Any]) -> Any:
        emitted.append((event, resource["prefect.resource.id"]))
        return emit_event(event=event, resource=resource, payload=payload)

    monkeypatch.setattr("tasks.report_venues.emit_event", heard)
    return emitted


def test_c05_c07_three_of_twelve_fail_differently_and_are_run_again_alone(
    run_venues: RunVenues,
    events: list[tuple[str, str]],
    runs_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C05, C07, C08, C14, N10: nine done, three told apart, then only those three."""
    with Simulator(config_of(*TWELVE)) as sim:
        sim.faults = [Rule(path=SYNC, contains="DERIBIT", action="drop_after", times=2)]
        sim.cadenza.script_sync("B2C2", errno=22015, times=None)
        sim.cadenza.script_sync("OKX", errno=18013, times=None)
        first = run_venues(sim)
        assert (first.name, first.type.value) == ("Partial", "FAILED")
        with pytest.raises(VenuesFailed) as failure:
            first.result()
        result = failure.value.result
        assert Counter(states(result).values()) == {"completed": 9, "failed": 2, "unknown": 1}
        told = {outcome.venue: outcome for outcome in result.venues}
        assert "400" in told["B2C2"].error
        assert "errno -22015" in told["B2C2"].error or "errno 22015" in told["B2C2"].error
        assert told["OKX"].error.startswith("4 tries failed. The last time: POST ")
        assert "503" in told["OKX"].error
        assert (told["OKX"].request_id or "").startswith("req-")
        assert "both times no answer came" in told["DERIBIT"].error
        assert (told["BINANCE"].synced, told["BINANCE"].tries) == (2, 1)
        for venue in ("B2C2", "OKX", "DERIBIT"):
            assert venue in first.message

        run, artifacts, tasks = seen_of(first)
        host = sim.cadenza_url.removeprefix("http://")
        key = f"venues-{host}".replace(".", "-").replace(":", "-")
        assert run.name == f"refresh all venues in {host}"
        assert f"Cadenza: {host}." in artifacts[key]
        again = "armillary venues --venue OKX --venue DERIBIT --venue B2C2"
        assert artifacts[key].endswith(f"`{again}`")
        rows = json.loads(artifacts[f"{key}-table"])
        assert {row["venue"] for row in rows[:3]} == {"B2C2", "OKX", "DERIBIT"}
        assert len(rows) == 12
        assert tasks["OKX"].state_type.value == "FAILED"
        assert tasks["OKX"].run_count == 4
        assert tasks["DERIBIT"].run_count == 2
        assert tasks["BINANCE"].state_name == "Completed"
        assert Counter(event for event, _ in events) == {
            "armillary.venues.completed": 9,
            "armillary.venues.failed": 3,
        }
        assert ("armillary.venues.failed", "armillary.venue.OKX") in events

        left = [path.read_text() for path in runs_folder.rglob("*") if path.is_file()]
        for text in (*artifacts.values(), *left, caplog.text, first.message, repr(result)):
            assert sim.cadenza.password not in text
            assert "eyJ" not in text

        sim.cadenza.clear_scripts()
        before = len(sim.cadenza.syncs)
        second = run_venues(sim, shlex.split(again)[3::2])
        assert second.name == "Completed"
        assert states(second.result()) == dict.fromkeys(("OKX", "DERIBIT", "B2C2"), "completed")
        asked = [record.venue for record in sim.cadenza.syncs[before:]]
        assert sorted(asked) == ["B2C2", "DERIBIT", "OKX"]


def test_c02_a_token_that_expires_among_fifty_venues_is_refreshed_once(
    run_venues: RunVenues,
) -> None:
    """C02, C03: one refresh under a lock; every venue is done."""
    with Simulator(config_of(*[f"V{number:02}" for number in range(50)])) as sim:
        sim.cadenza.expire_tokens(after_calls=25)
        state = run_venues(sim)
        assert state.name == "Completed", state.message
        assert set(states(state.result()).values()) == {"completed"}
        assert sim.cadenza.sessions == {"logins": 1, "refreshes": 1, "refused": 0}
        done = Counter(record.venue for record in sim.cadenza.syncs)
        assert len(done) == 50
        assert set(done.values()) == {1}


def test_c06_an_account_without_the_permission_stops_all(run_venues: RunVenues) -> None:
    """C06, N9: 403 for one venue is 403 for all."""
    with Simulator(config_of(*TWELVE, sync_role="admin")) as sim:
        state = run_venues(sim)
        assert (state.name, state.type.value) == ("Failed", "FAILED")
        with pytest.raises(VenuesFailed) as failure:
            state.result()
        result = failure.value.result
        assert set(states(result).values()) == {"failed", "not_attempted"}
        assert result.count(VenueState.FAILED) <= 8
        assert "the account may not do this" in result.stopped
        assert "The run stopped: " in state.message
        asked = [entry for entry in sim.log() if entry["path"] == SYNC]
        assert 0 < len(asked) <= 8


def test_a_task_run_that_is_cancelled_between_two_attempts_gives_its_lease_back(
    prefect_server: None, tmp_path: Path
) -> None:
    """Prefect starts no further attempt of it, so that nobody else would."""
    from tasks.venues import close_when_done  # noqa: PLC0415 - after the server's settings

    store = FolderStore(tmp_path)
    ended: Future[Any] = Future()
    with Simulator(config_of("OKX")) as sim, open_cadenza(sim) as cadenza:
        sim.cadenza.busy("OKX", 1)
        first, second = (
            Round("UAT", run_id, store, clock=JumpClock()).turn(Venue("OKX", "ONLINE"))
            for run_id in ("run-1", "run-2")
        )
        with pytest.raises(VenueBusy):
            first.attempt(cadenza)
        close_when_done(first, PrefectConcurrentFuture(uuid4(), ended))
        assert second.attempt(cadenza).state is VenueState.ALREADY_RUNNING
        ended.set_exception(CancelledError())
        assert second.attempt(cadenza).state is VenueState.COMPLETED


def test_one_venue_and_two_symbols_by_parameters(run_venues: RunVenues) -> None:
    with Simulator(config_of("BINANCE", "OKX")) as sim:
        sim.cadenza.change_on_exchange("BINANCE", "BTC/USDT", pipSize="0.5")
        state = run_venues(sim, [" binance ", ""], ["btc/usdt", "ETH/USDT", ""])
        assert state.name == "Completed", state.message
        result: VenuesResult = state.result()
        assert states(result) == {"BINANCE": "completed"}
        assert result.venues[0].symbols == ("BTC/USDT", "ETH/USDT")
        assert result.again_command == ""
        assert [record.symbols for record in sim.cadenza.syncs] == [("BTC/USDT", "ETH/USDT")]
        run, artifacts, _ = seen_of(state)
        assert run.name.startswith("refresh binance btc/usdt, ETH/USDT in 127.0.0.1:")
        assert any("took btc/usdt as BTC/USDT" in text for text in artifacts.values())


def test_c12_a_refused_symbol_makes_the_run_partial_and_its_task_run_red(
    run_venues: RunVenues, events: list[tuple[str, str]]
) -> None:
    with Simulator(config_of("BINANCE")) as sim:
        state = run_venues(sim, ["BINANCE"], ["BTC/USDT", "FOO/USDT", "ETH/USDT"])
        assert (state.name, state.type.value) == ("Partial", "FAILED")
        with pytest.raises(VenuesFailed) as failure:
            state.result()
        [outcome] = failure.value.result.venues
        assert (outcome.state, outcome.synced) == (VenueState.COMPLETED, 2)
        assert list(outcome.rejected_symbols) == ["FOO/USDT"]
        assert failure.value.result.again_command == (
            "armillary venues --venue BINANCE --symbol FOO/USDT"
        )
        _, _, tasks = seen_of(state)
        assert tasks["BINANCE"].state_type.value == "FAILED"
        assert events == [("armillary.venues.failed", "armillary.venue.BINANCE")]


def test_empty_lists_mean_all_that_are_online_and_the_others_are_shown(
    run_venues: RunVenues,
) -> None:
    with Simulator(config_of("BINANCE", "OKX", "IBKR")) as sim:
        sim.cadenza.set_status("IBKR", "MAINTENANCE")
        sim.cadenza.list_on_exchange("OKX", [{"symbol": "SOL/USDT"}])
        state = run_venues(sim, [], [])
        result: VenuesResult = state.result()
        assert state.name == "Completed"
        assert states(result) == {"BINANCE": "completed", "OKX": "completed", "IBKR": "skipped"}
        assert (result.venues[1].synced, result.venues[1].added) == (3, 1)
        assert "2 completed, 1 skipped" in state.message


def test_c05_an_unknown_venue_is_refused_before_anything_runs(
    run_venues: RunVenues, events: list[tuple[str, str]]
) -> None:
    with Simulator(config_of("BINANCE", "OKX")) as sim:
        state = run_venues(sim, ["OKX", " BINANC ", " "])
        assert (state.name, state.type.value) == ("Failed", "FAILED")
        assert "no venue 'BINANC'. Did you mean BINANCE?" in state.message
        with pytest.raises(ConfigurationError):
            state.result()
        assert sim.cadenza.syncs == []
        assert events == [
            ("armillary.venues.failed", "armillary.venue.OKX"),
            ("armillary.venues.failed", "armillary.venue.BINANC"),
        ]


def test_a_password_that_is_wrong_is_told_and_asked_once(
    run_venues: RunVenues, events: list[tuple[str, str]]
) -> None:
    with Simulator(Config()) as sim:
        state = run_venues(sim, password="hunter2")
        with pytest.raises(AccessDenied):
            state.result()
        assert "hunter2" not in state.message
        assert sim.cadenza.sessions["refused"] == 1
        host = sim.cadenza_url.removeprefix("http://")
        assert events == [("armillary.venues.failed", f"armillary.cadenza.{host}")]


def test_an_account_without_credentials_is_told(run_venues: RunVenues) -> None:
    with Simulator(Config()) as sim:
        state = run_venues(sim, email="", password="")
        assert state.name == "Failed"
        assert "no email with a password, and no token" in state.message


def test_an_account_without_a_way_in_is_told_as_such(run_venues: RunVenues, sim: Simulator) -> None:
    """Also the name of the run needs its environment: that must not end it without a word."""
    state = run_venues(sim, email="", password="")
    assert (state.name, state.type.value) == ("Failed", "FAILED")
    assert "has no email with a password, and no token" in str(state.message)
    run, _, _ = seen_of(state)
    assert run.name == f"refresh all venues in {sim.cadenza_url.removeprefix('http://')}"
