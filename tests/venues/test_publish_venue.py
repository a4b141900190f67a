"""Refresh a venue, then sync it, in one flow run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from armillary.errors import ConfigurationError, FeedRefused
from armillary.runs.lease import held
from armillary.sync.outcome import State
from armillary.venues.published import Published
from simulator import Simulator
from tests.venues.conftest import IMPATIENT, config_of

pytestmark = pytest.mark.flow

RunPublish = Callable[..., Any]
MakeCadenza = Callable[..., Simulator]


@pytest.fixture
def run_publish(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> RunPublish:
    """``run_publish(sim, venue, symbols=...)`` returns the final state of a flow run."""
    from blocks import CadenzaAccount, CadenzaFeed, PtolemyWorkspace  # noqa: PLC0415
    from flows.publish_venue import publish_venue  # noqa: PLC0415
    from tasks import venues as tasks_of_venues  # noqa: PLC0415

    monkeypatch.setattr(tasks_of_venues, "PATIENCE", IMPATIENT)

    def run(
        sim: Simulator,
        venue: str = "BINANCE",
        mode: str = "apply",
        feed: dict[str, Any] | None = None,
        **asked: Any,
    ) -> Any:
        facts = {"email": sim.cadenza.email, "password": sim.cadenza.password}
        account = CadenzaAccount(url=sim.cadenza_url, **facts)
        workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
        if feed is not None:
            asked["feed"] = CadenzaFeed(account=account, **feed)
        return publish_venue(account, venue, workspace, mode=mode, return_state=True, **asked)

    return run


@pytest.fixture
def make_cadenza() -> Iterator[MakeCadenza]:
    """``make_cadenza("BINANCE", "OKX", vanished="kept")``: each venue with two instruments."""
    with ExitStack() as stack:

        def start(*names: str, **switches: Any) -> Simulator:
            return stack.enter_context(Simulator(config_of(*names, **switches)))

        yield start


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The markdown each run leaves, as the server is given it."""
    from tasks.report import markdown  # noqa: PLC0415 - Prefect costs a second

    left: list[str] = []

    def keep(text: str, key: str, description: str) -> None:
        left.append(text)
        markdown(text, key, description)

    monkeypatch.setattr("tasks.report_publish.markdown", keep)
    return left


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is emitted, with its resource."""
    from tasks import report, report_venues  # noqa: PLC0415 - Prefect costs a second

    emitted: list[str] = []

    def keep(event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        emitted.append(f"{event} {resource['prefect.resource.id']}")

    for module in (report, report_venues):
        monkeypatch.setattr(module, "emit_event", keep)
    return emitted


def result_of(state: Any) -> Published:
    answer = state.result(raise_on_failure=False)
    found = getattr(answer, "result", answer)
    assert isinstance(found, Published), answer
    assert found.state == state.name
    return found


def listed(sim: Simulator, *, archived: bool = False) -> set[str]:
    rows = sim.state()["instruments"]
    return {row["identifier"] for row in rows if bool(row["archived"]) is archived}


def test_a_venue_is_refreshed_and_brought_into_the_workspace(
    make_cadenza: MakeCadenza,
    run_publish: RunPublish,
    reports: list[str],
    events: list[str],
) -> None:
    sim = make_cadenza("BINANCE", "OKX")
    run_publish(sim, "OKX")
    pairs = ["NEW/USDT", *(f"P{number}/USDT" for number in range(7))]
    sim.cadenza.list_on_exchange("BINANCE", [{"symbol": symbol} for symbol in pairs])
    first = result_of(run_publish(sim, "binance"))
    assert (first.state, first.exit_code, first.venue) == (State.COMPLETED, 0, "BINANCE")
    assert first.refresh is not None
    assert first.refresh.added == 8
    assert "BINANCE:NEW/USDT" in listed(sim)

    sim.cadenza.delist_on_exchange("BINANCE", ["NEW/USDT"])
    sim.cadenza.change_on_exchange("BINANCE", "BTC/USDT", pipSize="0.5")
    second = result_of(run_publish(sim))
    assert second.sync is not None
    assert (second.sync.applied["archive"], second.sync.applied["update"]) == (1, 1)
    assert listed(sim, archived=True) == {"BINANCE:NEW/USDT"}
    assert len([name for name in listed(sim) if name.startswith("OKX:")]) == 2, "another venue's"

    sim.cadenza.list_on_exchange("BINANCE", [{"symbol": "NEW/USDT"}])
    sim.cadenza.change_on_exchange("BINANCE", "BTC/USDT", pipSize="0.01")
    third = result_of(run_publish(sim))
    assert third.state is State.COMPLETED, "a list that is as it was before is no old file"
    assert "BINANCE:NEW/USDT" in listed(sim)
    assert "### cadenza-binance: Completed" in reports[-1]
    assert re.search(r"- completed: 10 synced, \d added, \d+ updated", reports[-1])
    host = sim.cadenza_url.removeprefix("http://")
    assert f"Cadenza {host}, workspace `demo`, mode `apply`" in reports[-1]
    assert events[-2:] == [
        "armillary.sync.completed armillary.workspace.demo",
        "armillary.venues.completed armillary.venue.BINANCE",
    ]
    assert sim.cadenza.password not in "".join(reports) + repr(third) + str(third.as_dict())


def test_a_plan_writes_nothing_in_either_service(
    make_cadenza: MakeCadenza, run_publish: RunPublish, reports: list[str]
) -> None:
    sim = make_cadenza("BINANCE")
    planned = result_of(run_publish(sim, mode="plan"))
    assert (planned.state, planned.refresh) == (State.PLANNED, None)
    assert planned.sync is not None
    assert planned.sync.planned["create"] == 2
    assert sim.cadenza.syncs == []
    assert not sim.state()["instruments"]
    assert "Not made: a plan writes nothing anywhere" in reports[-1]


def test_without_a_refresh_there_is_no_sync(
    make_cadenza: MakeCadenza,
    run_publish: RunPublish,
    reports: list[str],
    events: list[str],
) -> None:
    sim = make_cadenza("BINANCE")
    sim.cadenza.script_sync("BINANCE", errno=18008, times=None)
    state = run_publish(sim)
    failed = result_of(state)
    assert state.is_failed()
    assert (failed.state, failed.exit_code, failed.sync) == (State.FAILED, 1, None)
    assert "Cadenza did not refresh BINANCE." in state.message
    assert "Ptolemy stays as it was." in state.message
    assert not sim.state()["instruments"]
    assert "**Nothing was synced.**" in reports[-1]
    assert events == [
        "armillary.venues.failed armillary.venue.BINANCE",
        "armillary.sync.failed armillary.workspace.demo",
    ]


def test_symbols_limit_both_halves_and_a_refused_one_is_told(
    make_cadenza: MakeCadenza, run_publish: RunPublish
) -> None:
    sim = make_cadenza("BINANCE")
    found = result_of(run_publish(sim, symbols=["btc/usdt", " ", "NO/SUCH"]))
    assert (found.state, found.exit_code) == (State.COMPLETED_WITH_REJECTS, 3)
    assert found.symbols == ("BTC/USDT", "NO/SUCH")
    assert found.refresh is not None
    assert list(found.refresh.rejected_symbols) == ["NO/SUCH"]
    assert listed(sim) == {"BINANCE:BTC/USDT"}
    assert all(record.symbols is not None for record in sim.cadenza.syncs)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"venue": "BINANCA"}, "Cadenza has no venue 'BINANCA'. Did you mean BINANCE?"),
        ({"venue": " "}, "The venue to publish is blank."),
        ({"approve": "f" * 64}, "f" * 12),
        ({"feed": {"venue": "BINANCE", "instrument_type": "perpetual"}}, "'perpetual'"),
    ],
)
def test_what_a_person_has_to_mend_is_told_before_the_refresh(
    make_cadenza: MakeCadenza,
    run_publish: RunPublish,
    asked: dict[str, Any],
    words: str,
) -> None:
    sim = make_cadenza("BINANCE", "OKX")
    state = run_publish(sim, **asked)
    error = state.result(raise_on_failure=False)
    assert isinstance(error, ConfigurationError)
    assert words in str(error)
    assert sim.cadenza.syncs == []


def test_a_sync_that_another_run_is_at_is_left_to_it(
    make_cadenza: MakeCadenza, run_publish: RunPublish
) -> None:
    from tasks.sync_run import open_runs  # noqa: PLC0415 - Prefect costs a second

    sim = make_cadenza("BINANCE")
    workspace_id = sim.store.id
    with held(open_runs(), workspace_id, "sync-cadenza-binance", owner="run other"):
        found = result_of(run_publish(sim))
    assert (found.state, found.exit_code, found.sync) == (State.ALREADY_RUNNING, 0, None)
    assert "run other" in found.stopped
    assert found.stopped.startswith("Refreshed in Cadenza, but not synced into Ptolemy: Another")
    assert found.refresh is not None
    assert found.refresh.synced == 2


def test_n8_what_a_guard_withholds_is_approved_and_maintenance_archives_nothing(
    make_cadenza: MakeCadenza, run_publish: RunPublish
) -> None:
    sim = make_cadenza("BINANCE", maintenance_list="empty")
    run_publish(sim)
    sim.cadenza.delist_on_exchange("BINANCE", ["ETH/USDT"])
    withheld = result_of(run_publish(sim))
    assert (withheld.state, withheld.exit_code) == (State.WITHHELD, 4)
    assert withheld.sync is not None
    command = f"armillary publish BINANCE --mode apply --approve {withheld.sync.digest}"
    assert withheld.sync.approve_command == command
    approved = result_of(run_publish(sim, approve=withheld.sync.digest))
    assert approved.state is State.COMPLETED
    assert listed(sim) == {"BINANCE:BTC/USDT"}

    sim.cadenza.set_status("BINANCE", "MAINTENANCE")
    error = run_publish(sim, mode="plan").result(raise_on_failure=False)
    assert isinstance(error, FeedRefused)
    assert "Venue BINANCE is MAINTENANCE in Cadenza" in str(error)
    assert listed(sim) == {"BINANCE:BTC/USDT"}
