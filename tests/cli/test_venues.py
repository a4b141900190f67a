"""``armillary venues``, ``publish``, and what ``check`` says of Cadenza."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from rich.console import Console

from armillary.errors import ConfigurationError
from armillary.readiness import Finding, Level
from armillary.settings import Settings
from armillary.sync.outcome import State as SyncState
from armillary.venues.outcome import State, VenueOutcome, VenuesResult, VenueState
from cli.check import about_cadenza
from cli.publish import print_published
from cli.venues import both_configured, cadenza_configured, print_venues
from simulator import Simulator
from tests.cli.conftest import Armillary
from tests.conftest import MakeSimulator
from tests.venues.test_published import published, refreshed, synced

Printed = Callable[[], str]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What the printing functions print."""
    text = io.StringIO()
    console = Console(file=text, width=200, soft_wrap=True, highlight=False)
    for module in ("venues", "publish", "sync"):
        monkeypatch.setattr(f"cli.{module}.out", console)
    return text.getvalue


def account(sim: Simulator) -> dict[str, str]:
    return {
        "ARMILLARY_CADENZA_URL": sim.cadenza_url,
        "ARMILLARY_CADENZA_EMAIL": sim.cadenza.email,
        "ARMILLARY_CADENZA_PASSWORD": sim.cadenza.password,
    }


def settings(sim: Simulator, **changed: str) -> Settings:
    given = {"url": sim.cadenza_url, "email": sim.cadenza.email, "password": sim.cadenza.password}
    return Settings(**{f"cadenza_{name}": value for name, value in (given | changed).items()})


@pytest.mark.flow
def test_venues_from_the_command(sim: Simulator, armillary: Armillary) -> None:
    asked = ["--venue", "BINANCE", "--symbol", "BTC/USDT", "--symbol", "NO/SUCH", "--json"]
    partly = armillary("venues", *asked, **account(sim))
    assert partly.returncode == 1
    result = json.loads(partly.stdout)
    assert result["state"] == "Partial"
    assert list(result["venues"][0]["rejected_symbols"]) == ["NO/SUCH"]
    assert result["again_command"] == "armillary venues --venue BINANCE --symbol NO/SUCH"
    assert sim.cadenza.password not in partly.stdout + partly.stderr


@pytest.mark.flow
def test_publish_from_the_command(sim: Simulator, armillary: Armillary) -> None:
    done = armillary("publish", "okx", "--mode", "apply", "--json", sim=sim, **account(sim))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["state"], result["venue"]) == ("Completed", "OKX")
    assert result["refresh"]["synced"] >= result["sync"]["applied"]["create"] > 5
    assert "Traceback" not in done.stderr


def test_what_is_missing_for_cadenza_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="EMAIL and ARMILLARY_CADENZA_PASSWORD must be"):
        cadenza_configured()
    with pytest.raises(ConfigurationError) as both:
        both_configured()
    for name in ("PTOLEMY_WORKSPACE", "PTOLEMY_TOKEN", "CADENZA_EMAIL", "CADENZA_PASSWORD"):
        assert f"ARMILLARY_{name}" in str(both.value)
    monkeypatch.setenv("ARMILLARY_CADENZA_EMAIL", "trader@example.com")
    with pytest.raises(ConfigurationError) as told:
        cadenza_configured()
    assert told.value.message == (
        "ARMILLARY_CADENZA_PASSWORD must be set in the environment, or ARMILLARY_CADENZA_TOKEN "
        "alone."
    )
    monkeypatch.delenv("ARMILLARY_CADENZA_EMAIL")
    monkeypatch.setenv("ARMILLARY_CADENZA_TOKEN", "a.b.c")
    assert cadenza_configured().cadenza_token == SecretStr("a.b.c")


def test_check_says_how_cadenza_is(make_simulator: MakeSimulator) -> None:
    assert about_cadenza(Settings()) == [], "not everybody has venues"
    sim = make_simulator()
    subject = f"Cadenza {sim.cadenza_url.removeprefix('http://')}"
    assert about_cadenza(settings(sim)) == [
        Finding(subject, Level.OK, "healthy, the account works; 7 of 9 venues online")
    ]
    (half,) = about_cadenza(settings(sim, password=""))
    assert half.level is Level.FAILED
    assert half.found.startswith("ARMILLARY_CADENZA_PASSWORD must be set")
    (wrong,) = about_cadenza(settings(sim, password="no-such-word"))
    assert wrong.level is Level.FAILED
    assert "no-such-word" not in str(wrong)
    assert "401" in wrong.found or "400" in wrong.found
    for venue in ("BINANCE", "OKX", "DERIBIT", "BYBIT", "HYPERLIQUID", "IBKR", "MOCK"):
        sim.cadenza.set_status(venue, "OFFLINE")
    (away,) = about_cadenza(settings(sim))
    assert (away.level, away.found) == (
        Level.WARNING,
        "the account works; 0 of 9 venues online",
    )


@pytest.mark.parametrize(
    ("health", "level"), [("degraded", Level.WARNING), ("unhealthy", Level.FAILED)]
)
def test_d12_d13_check_reads_the_health_of_cadenza(
    make_simulator: MakeSimulator, health: str, level: Level
) -> None:
    (found,) = about_cadenza(settings(make_simulator(cadenza={"health": health})))
    assert found.level is level
    assert found.found.startswith(f"says it is {health}")
    assert found.found.endswith("7 of 9 venues online")


def test_a_result_of_venues_for_a_person(printed: Printed) -> None:
    failed = VenueOutcome(
        "OKX", VenueState.FAILED, tries=4, seconds=31.0, error="It said no.", request_id="req-7"
    )
    skipped = VenueOutcome("[bold]", VenueState.SKIPPED, status="MAINTENANCE")
    result = VenuesResult(
        state=State.PARTIAL,
        environment="UAT",
        venues=(refreshed(notes=("fewer than last time",)), failed, skipped),
        calls=9,
        seconds=12.5,
        run_id="run-1",
        again_command="armillary venues --venue OKX",
    )
    print_venues(result)
    text = printed()
    assert "Venues in UAT: Partial. Not everything is refreshed" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["BINANCE", "completed", "412", "3", "9", "12.3"] in rows
    assert ["[bold]", "skipped", "(MAINTENANCE)"] in rows, "a name in brackets is no markup"
    assert "OKX: It said no. (request req-7)" in text
    assert "BINANCE: note: fewer than last time" in text
    assert "only what is missing, again: armillary venues --venue OKX" in text


def test_why_a_run_stopped_is_told_once(printed: Printed) -> None:
    why = "POST /market/instrument/sync 403 (request req-7): the account may not do this."
    denied = VenueOutcome("OKX", VenueState.FAILED, tries=1, error=why, request_id="req-7")
    left = [VenueOutcome(name, VenueState.NOT_ATTEMPTED, error=why) for name in ("A", "B")]
    result = VenuesResult(
        state=State.FAILED,
        environment="UAT",
        venues=(denied, *left),
        calls=3,
        seconds=1,
        run_id="run-1",
        stopped=why,
    )
    print_venues(result)
    assert printed().count("the account may not do this") == 2, "of the run, and of OKX"
    assert printed().count("(request req-7)") == 2


def test_a_publish_for_a_person(printed: Printed) -> None:
    print_published(published())
    assert "BINANCE into demo: Completed. Done: every planned change is applied." in printed()
    assert "refresh in Cadenza UAT: completed: 412 synced, 3 added, 9 updated" in printed()
    assert "cadenza-binance: Completed." in printed()


def test_a_publish_without_a_sync_for_a_person(printed: Printed) -> None:
    outcome = refreshed(VenueState.UNKNOWN, error="No answer came twice.")
    failed = published(state=SyncState.FAILED, refresh=outcome, sync=None, stopped="Why not.")
    print_published(failed)
    assert "BINANCE into demo: Failed. Nothing was synced." in printed()
    assert "refresh in Cadenza UAT: No answer came twice." in printed()
    assert "sync: Why not." in printed()
    assert "create" not in printed(), "no table of changes"
    assert synced().applied["create"] == 3
