"""What a run was about, and how it left that."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.flows import Flow
from prefect.states import Completed, Crashed, Failed
from pydantic import SecretStr

from armillary.alerts.standing import Kind
from armillary.settings import CADENZA_API
from armillary.venues.outcome import (
    State,
    VenueOutcome,
    VenuesFailed,
    VenuesResult,
    VenueState,
)
from blocks import BackupStore, CadenzaAccount, CadenzaFeed, PtolemyWorkspace
from flows.backup_workspace import backup_workspace
from flows.prune_backups import prune_backups
from flows.publish_venue import publish_venue
from flows.restore_workspace import restore_workspace
from flows.revert_run import revert_run
from flows.sync_instruments import sync_instruments
from flows.sync_venues import sync_venues
from flows.verify_backup import verify_backup
from tasks.alert_subjects import Given, learnt

WORKSPACE = PtolemyWorkspace(workspace="demo", token=SecretStr("t"))
STORE = BackupStore(bucket="firm", prefix="ptolemy/")
ACCOUNT = CadenzaAccount(url=CADENZA_API, email="a@example.com", password=SecretStr("p"))
FEED = CadenzaFeed.for_venue(ACCOUNT, "OKX")


def words(flow: Flow[Any, Any], state: Any = None, **given: Any) -> dict[str, Kind]:
    found = learnt(flow.name, Given(given), state or Failed())
    keys = [subject.key for subject, _ in found]
    assert len(keys) == len(set(keys))
    return {subject.words: kind for subject, kind in found}


@pytest.mark.parametrize(
    ("flow", "given", "said"),
    [
        (sync_instruments, {"workspace": WORKSPACE, "feed": FEED}, "sync of cadenza-okx into demo"),
        (
            sync_instruments,
            {"workspace": WORKSPACE, "feed": FEED, "only": ["A"]},
            "sync of cadenza-okx into demo (chosen records)",
        ),
        (
            sync_instruments,
            {"workspace": WORKSPACE, "feed": FEED, "only": ["", " "]},
            "sync of cadenza-okx into demo",
        ),
        (
            publish_venue,
            {"workspace": WORKSPACE, "account": ACCOUNT, "venue": " OKX "},
            "sync of cadenza-okx into demo",
        ),
        (
            publish_venue,
            {"workspace": WORKSPACE, "account": ACCOUNT, "venue": ""},
            "sync of  into demo",
        ),
        (
            backup_workspace,
            {"workspace": WORKSPACE, "store": STORE},
            "backup of demo in firm/ptolemy",
        ),
        (
            backup_workspace,
            {"workspace": WORKSPACE, "store": STORE, "include_archived": False},
            "backup of demo in firm/ptolemy (a part)",
        ),
        (
            backup_workspace,
            {"workspace": WORKSPACE, "store": STORE, "resource_types": ["markets"]},
            "backup of demo in firm/ptolemy (a part)",
        ),
        (
            verify_backup,
            {"store": STORE, "slice": "2/7"},
            "verification of the backups in firm/ptolemy (latest, content, slice 2/7)",
        ),
        (
            verify_backup,
            {"store": STORE, "depth": "restore", "workspace": "demo"},
            "verification of demo in firm/ptolemy (latest, restore)",
        ),
        (restore_workspace, {"target": WORKSPACE}, "restore into demo"),
        (revert_run, {"workspace": WORKSPACE, "run_id": "01"}, "revert of run 01 in demo"),
        (prune_backups, {"store": STORE}, "pruning of backups in firm/ptolemy"),
    ],
)
def test_each_flow_has_its_subject(flow: Flow[Any, Any], given: dict[str, Any], said: str) -> None:
    assert words(flow, **given) == {said: Kind.FAILED}


def test_a_part_and_the_whole_stand_for_themselves() -> None:
    of = {"workspace": WORKSPACE, "feed": FEED}
    whole, part = (
        learnt("sync-instruments", Given(of | {"only": only}), Failed())[0][0].key
        for only in (None, ["A"])
    )
    assert whole != part


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Completed", Kind.GOOD),
        ("CompletedWithRejects", Kind.GOOD),
        ("Withheld", Kind.WITHHELD),
        ("AlreadyRunning", None),
        ("Planned", None),
        ("PlannedWithheld", None),
    ],
)
def test_a_state_that_says_nothing_of_the_subject_changes_nothing(
    name: str, kind: Kind | None
) -> None:
    found = words(sync_instruments, Completed(name=name), workspace=WORKSPACE, feed=FEED)
    assert list(found.values()) == ([] if kind is None else [kind])


def test_a_comparison_has_no_subject() -> None:
    assert learnt("compare-venue", Given({"venue": "OKX"}), Failed()) == []


def result(*outcomes: VenueOutcome, stopped: str = "") -> VenuesResult:
    return VenuesResult(State.PARTIAL, "production", outcomes, 3, 1.0, "run", stopped)


OUTCOMES = (
    VenueOutcome("BINANCE", VenueState.COMPLETED),
    VenueOutcome("OKX", VenueState.FAILED),
    VenueOutcome("KRAKEN", VenueState.UNKNOWN),
    VenueOutcome("BYBIT", VenueState.SKIPPED),
    VenueOutcome("GATE", VenueState.ALREADY_RUNNING),
    VenueOutcome("COINBASE", VenueState.COMPLETED, rejected_symbols={"X": "unknown"}),
)


def test_each_venue_stands_for_itself() -> None:
    failed: Any = Failed(name="Partial", data=VenuesFailed("some", result(*OUTCOMES)))
    assert words(sync_venues, failed, account=ACCOUNT) == {
        "refresh of BINANCE in production": Kind.GOOD,
        "refresh of OKX in production": Kind.FAILED,
        "refresh of KRAKEN in production": Kind.FAILED,
        "refresh of COINBASE in production": Kind.PARTIAL,
        "refresh of venues in production": Kind.GOOD,
    }


def test_a_run_of_one_venue_says_nothing_of_the_others() -> None:
    done: Any = Completed(data=result(OUTCOMES[0]))
    found = words(sync_venues, done, account=ACCOUNT, venues=["BINANCE"])
    assert found == {"refresh of BINANCE in production": Kind.GOOD}


def test_symbols_of_a_venue_are_not_the_venue() -> None:
    one = VenueOutcome("OKX", VenueState.FAILED, symbols=("BTC/USDT",))
    failed: Any = Failed(data=VenuesFailed("one", result(one)))
    found = words(sync_venues, failed, account=ACCOUNT, venues=["OKX"], symbols=["BTC/USDT"])
    assert found == {"refresh of OKX in production (chosen symbols)": Kind.FAILED}


def test_an_account_that_is_refused_is_told_once_and_not_for_each_venue() -> None:
    refused: Any = Failed(data=PermissionError("no"))
    assert words(sync_venues, refused, account=ACCOUNT) == {
        "refresh of venues in production": Kind.FAILED
    }
    stopped: Any = Failed(data=VenuesFailed("no", result(OUTCOMES[1], stopped="refused")))
    assert words(sync_venues, stopped, account=ACCOUNT) == {
        "refresh of OKX in production": Kind.FAILED,
        "refresh of venues in production": Kind.FAILED,
    }
    named = words(sync_venues, refused, account=ACCOUNT, venues=["OKX", " "])
    assert named == {"refresh of OKX in production": Kind.FAILED}


def test_a_refresh_that_died_says_so_of_what_it_was_to_refresh() -> None:
    assert words(sync_venues, Crashed(), account=ACCOUNT, venues=None) == {
        "refresh of venues in production": Kind.CRASHED
    }
