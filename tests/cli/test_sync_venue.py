"""``armillary sync`` of a venue's feed: with which account, and what is said when it is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armillary.errors import ConfigurationError
from armillary.feeds import load_feed
from armillary.settings import Settings
from cli.sync import configured_for, feed_block
from simulator import Simulator
from tests.cli.conftest import Armillary

EXAMPLE = Path(__file__).parents[2] / "examples" / "venue-binance.yaml"


def test_every_missing_setting_of_both_services_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured_for(load_feed(EXAMPLE))
    said = str(refused.value)
    for name in ("PTOLEMY_WORKSPACE", "PTOLEMY_TOKEN", "CADENZA_EMAIL", "CADENZA_PASSWORD"):
        assert f"ARMILLARY_{name}" in said


def test_a_file_needs_no_account_of_cadenza(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMILLARY_PTOLEMY_WORKSPACE", "demo")
    monkeypatch.setenv("ARMILLARY_PTOLEMY_TOKEN", "a token")
    file = load_feed(EXAMPLE.with_name("vendor-asx.yaml"))
    assert configured_for(file).ptolemy_workspace == "demo"
    with pytest.raises(ConfigurationError, match="ARMILLARY_CADENZA_EMAIL"):
        configured_for(load_feed(EXAMPLE))


def test_the_account_is_that_of_the_settings() -> None:
    settings = Settings(cadenza_email="trader@example.com", cadenza_password="practice")
    feed = feed_block(settings, load_feed(EXAMPLE), missing="keep")
    assert (feed.account.email, feed.venue, feed.missing) == (
        "trader@example.com",
        "BINANCE",
        "keep",
    )
    assert "practice" not in repr(feed)
    file = feed_block(settings, load_feed(EXAMPLE.with_name("vendor-asx.yaml")), url="other.csv")
    assert (file.url, hasattr(file, "account")) == ("other.csv", False)


@pytest.mark.flow
def test_a_venue_is_planned_by_the_command(
    sim: Simulator, armillary: Armillary, tmp_path: Path
) -> None:
    feed = tmp_path / "okx.yaml"
    feed.write_text("kind: cadenza\nvenue: OKX\n")
    account = {
        "ARMILLARY_CADENZA_URL": sim.cadenza_url,
        "ARMILLARY_CADENZA_EMAIL": sim.cadenza.email,
        "ARMILLARY_CADENZA_PASSWORD": sim.cadenza.password,
    }
    said = armillary("sync", "--feed", str(feed), "--json", sim=sim, **account)
    assert said.returncode == 0, said.stderr
    result = json.loads(said.stdout)
    assert (result["state"], result["feed"]) == ("Planned", "cadenza-okx")
    assert result["planned"] == {"restore": 0, "create": 12, "update": 0, "archive": 0}
    assert sim.cadenza.password not in said.stdout + said.stderr
