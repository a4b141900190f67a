"""Comparing a venue through the flow and the command: states, artifacts, words, exit codes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import typer
from prefect.client.orchestration import get_client

from armillary.errors import ConfigurationError, FeedRefused
from armillary.venues.reconciled import Differing, Findings, Found, VenueComparison
from cli import console
from cli.compare_venue import compare_venue as command
from cli.compare_venue import print_comparison
from simulator import Simulator
from tests.cli.conftest import armillary
from tests.flows.test_traces import artifacts_of
from tests.venues.compare import listed, mirrored

__all__ = ["armillary"]  # a fixture

RunCompare = Callable[..., Any]


@pytest.fixture
def run_compare(prefect_server: None, sim: Simulator) -> RunCompare:
    """``run_compare("BINANCE", market=…)`` returns the final state of a flow run."""
    from blocks import CadenzaAccount, PtolemyWorkspace  # noqa: PLC0415 - after the settings
    from flows.compare_venue import compare_venue  # noqa: PLC0415

    def run(venue: str, **asked: Any) -> Any:
        account = CadenzaAccount(
            url=sim.cadenza_url, email=sim.cadenza.email, password=sim.cadenza.password
        )
        workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
        return compare_venue(account, venue, workspace, **asked, return_state=True)

    return run


def two_differences(sim: Simulator) -> None:
    listed(sim, "BTC/USDT", OLD_USDT="DELISTED")
    sim.seed(mirrored(sim.cadenza.rows("BINANCE"), tick_size="0.2"))
    listed(sim, "BTC/USDT", "NEW/USDT", OLD_USDT="DELISTED")


@pytest.mark.flow
def test_a_venue_that_differs_is_no_failure(
    run_compare: RunCompare, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    two_differences(sim)
    before = sim.digest()
    state = run_compare("binance")
    host = sim.url.removeprefix("http://")
    assert (state.name, state.is_completed()) == ("Completed", True)
    assert state.message == (
        f"BINANCE in {host} (3 instruments) and the instruments of type venue-instrument in "
        "workspace demo (1): 1 missing in Ptolemy, 1 size that differs."
    )
    result = state.result()
    assert result.calls == {"cadenza": 6, "ptolemy": 7}
    assert result.run_id == str(state.state_details.flow_run_id)
    assert sim.digest() == before
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        found = artifacts_of(client, state)
    assert run.name == "compare binance with instruments in demo"
    key = f"compare-{host.replace('.', '-').replace(':', '-')}-binance-demo"
    assert sorted(found) == [key, f"{key}-counts", f"{key}-findings"]
    assert f"# BINANCE in {host} and workspace demo" in str(found[key].data)
    assert json.loads(str(found[f"{key}-findings"].data)) == [
        {
            "finding": "missing in Ptolemy",
            "identifier": "BINANCE:NEW/USDT",
            "in Cadenza": "ACTIVE",
            "in Ptolemy": "",
        },
        {
            "finding": "differing tick_size",
            "identifier": "BINANCE:BTC/USDT",
            "in Cadenza": "0.10",
            "in Ptolemy": "0.2",
        },
    ]
    secrets = (sim.cadenza.password, sim.token)
    told = [caplog.text, repr(state), *(artifact.model_dump_json() for artifact in found.values())]
    assert not [text for text in told for secret in secrets if secret in text]


@pytest.mark.flow
def test_a_venue_in_maintenance_is_refused_with_words(
    run_compare: RunCompare, sim: Simulator
) -> None:
    """N8: an empty list then proves nothing."""
    sim.cadenza.set_status("BINANCE", "MAINTENANCE")
    state = run_compare("BINANCE")
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), FeedRefused)
    assert "Venue BINANCE is MAINTENANCE in Cadenza, not ONLINE" in state.message
    with get_client(sync_client=True) as client:
        told = str(artifacts_of(client, state)["compare-binance-demo"].data)
    assert told.startswith("# BINANCE and demo: Failed\n\nVenue BINANCE is MAINTENANCE")


@pytest.mark.flow
def test_against_listings_the_market_is_the_venue_in_small_letters(
    run_compare: RunCompare, sim: Simulator
) -> None:
    state = run_compare("BINANCE", against="listings", market=" ")
    assert state.is_failed()
    assert "Workspace 'demo' has no market 'binance'." in state.message


def test_a_market_is_of_listings_alone() -> None:
    from flows.compare_venue import _of  # noqa: PLC0415 - Prefect costs a second

    assert _of("BINANCE", "listings", "venue-instrument", "crypto ") == "crypto"
    assert _of("BINANCE", "instruments", " ", None) == "venue-instrument"
    with pytest.raises(ConfigurationError) as wrong:
        _of("BINANCE", "instruments", "", "binance")
    assert str(wrong.value) == (
        "Market 'binance' is named, but instruments are to be compared, and an instrument has no "
        'market. Nothing was compared. Compare against "listings", or leave the market out.'
    )


def test_the_flow_repeats_nothing() -> None:
    from flows.compare_venue import compare_venue  # noqa: PLC0415

    assert (compare_venue.retries, compare_venue.name) == (0, "compare-venue")


def printed(monkeypatch: pytest.MonkeyPatch, findings: Findings) -> list[str]:
    told = io.StringIO()
    monkeypatch.setattr(console.out, "file", told)
    print_comparison(
        VenueComparison(
            environment="production",
            venue="OKX",
            workspace="demo",
            against="listings",
            of="okx",
            cadenza_instruments=3,
            ptolemy_records=2,
            findings=findings,
            calls={"cadenza": 4, "ptolemy": 8},
            run_id="r-1",
        )
    )
    return [" ".join(line.split()) for line in told.getvalue().splitlines()]


def test_what_a_person_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = Findings(
        missing_in_ptolemy=(Found("OKX:[bold]/USDT", "ACTIVE"),),
        differing=(Differing("OKX:A/B", "lot_size", "1", "", "AB", "l-1"),),
        notes=("Look [here].",),
    )
    lines = printed(monkeypatch, findings)
    assert lines[0] == (
        "OKX in production (3 instruments) and the listings of market okx in workspace demo (2): "
        "1 missing in Ptolemy, 1 size that differs."
    )
    assert "missing in Ptolemy 1" in lines
    assert "missing in Ptolemy OKX:[bold]/USDT ACTIVE" in lines
    assert "differing lot_size OKX:A/B 1 ∅" in lines
    assert lines[-2:] == [
        "note: Look [here].",
        "API calls: 4 to Cadenza and 8 to Ptolemy. Nothing was written. Run r-1.",
    ]
    assert len(printed(monkeypatch, Findings())) == 2


def test_the_command_names_every_setting_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr(console.err, "file", told)
    monkeypatch.setenv("ARMILLARY_CADENZA_EMAIL", "trader@example.com")
    with pytest.raises(typer.Exit) as ended:
        command("BINANCE", "instruments", "", "", as_json=False, verbose=False)
    assert ended.value.exit_code == 2
    words = told.getvalue()
    for name in ("PTOLEMY_WORKSPACE", "PTOLEMY_TOKEN", "CADENZA_PASSWORD"):
        assert f"ARMILLARY_{name}" in words
    assert "ARMILLARY_CADENZA_EMAIL" not in words


@pytest.mark.flow
def test_compare_venue_prints_one_object(
    armillary: Callable[..., Any],
    sim: Simulator,
) -> None:
    two_differences(sim)
    said = armillary(
        "compare-venue",
        "BINANCE",
        "--json",
        sim=sim,
        ARMILLARY_CADENZA_URL=sim.cadenza_url,
        ARMILLARY_CADENZA_EMAIL=sim.cadenza.email,
        ARMILLARY_CADENZA_PASSWORD=sim.cadenza.password,
    )
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    assert (told["state"], told["venue"], told["workspace"]) == ("Completed", "BINANCE", "demo")
    assert [found["identifier"] for found in told["missing_in_ptolemy"]] == ["BINANCE:NEW/USDT"]
    [differing] = told["differing"]
    assert (differing["cadenza"], differing["ptolemy"]) == ("0.10", "0.2")
    assert sim.cadenza.password not in said.stdout + said.stderr
