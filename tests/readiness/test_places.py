"""Workspaces, stores and the machine: each line as it is when all is well, and when not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from armillary.api.cadenza import CadenzaConnection
from armillary.api.cadenza import shared as shared_cadenza
from armillary.api.connection import Connection
from armillary.api.connections import shared
from armillary.api.ptolemy import Ptolemy
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import VERIFICATION, Catalogue, Verification
from armillary.backup.manifest import MANIFEST, decode, encode
from armillary.backup.place import BucketPlace
from armillary.readiness import Finding, Level
from armillary.readiness.alerting import Automation, check_automations
from armillary.readiness.machine import check_clock, check_heartbeat, check_zones
from armillary.readiness.stores import check_backups, check_store
from armillary.readiness.venues import check_venues
from armillary.readiness.workspaces import check_feed, check_scratch, check_workspace
from simulator import Simulator
from tests.backup.conftest import bucket, place, s3, s3_server, shelf
from tests.backup.made import Shelf, StoppedClock, manifest_of
from tests.conftest import MakeSimulator
from tests.sync.chain import vendor

__all__ = ["bucket", "place", "s3", "s3_server", "shelf"]

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
BLOCK = "ptolemy-workspace/main"


@pytest.fixture
def ptolemy(sim: Simulator) -> Iterator[Ptolemy]:
    with shared(Connection(f"{sim.url}/v1", "demo", SecretStr(sim.token))) as opened:
        yield opened


def levels(findings: list[Finding]) -> dict[str, Level]:
    return {one.subject: one.level for one in findings}


# Ptolemy


def test_a_block_is_named_in_each_of_its_lines(ptolemy: Ptolemy) -> None:
    found = list(check_workspace(ptolemy, "demo", BLOCK))
    assert levels(found) == {
        BLOCK: Level.OK,
        f"{BLOCK}, role": Level.OK,
        f"{BLOCK}, API call quota": Level.OK,
    }
    assert found[0].found == "the token opens demo"


def test_the_block_of_another_workspace_is_told(ptolemy: Ptolemy) -> None:
    (only,) = check_workspace(ptolemy, "production", BLOCK)
    assert (only.subject, only.level) == (BLOCK, Level.FAILED)
    assert "production" in only.found


def test_a_feed_whose_fields_are_missing_is_told(ptolemy: Ptolemy) -> None:
    feed = vendor(Path("v.csv"), fields={"isin": "{isin}", "colour": "{c}"}, scope="all")
    (told,) = [check_feed(ptolemy, "demo", feed, "file-feed/vendor")]
    assert (told.subject, told.level) == ("file-feed/vendor", Level.FAILED)
    assert told.found == "type equity has no field colour"


def test_a_trading_calendar_that_nobody_knows_is_told(ptolemy: Ptolemy) -> None:
    feed = vendor(Path("v.csv"), sanity={"calendar": "XASY"})
    told = check_feed(ptolemy, "demo", feed)
    assert (told.level, told.found.split(".")[0]) == (
        Level.FAILED,
        "There is no trading calendar 'XASY'",
    )
    known = vendor(Path("v.csv"), sanity={"calendar": "XASX"})
    assert check_feed(ptolemy, "demo", known).level is Level.OK


def test_a_scratch_workspace_is_fenced_and_empty(sim: Simulator, ptolemy: Ptolemy) -> None:
    wrong = check_scratch(ptolemy, "demo", "*scratch*", BLOCK)
    assert (wrong.subject, wrong.level) == (f"{BLOCK}, for drills", Level.FAILED)
    assert "workspace demo is not named as one that a drill may write into (*scratch*)" in (
        wrong.found
    )
    empty = check_scratch(ptolemy, "demo", "DEM?", BLOCK)
    assert (empty.level, empty.found) == (Level.OK, "demo matches DEM? and holds no active row")
    sim.seed([{"identifier": "x", "name": "X", "type_id": "equity", "archived": True}])
    assert check_scratch(ptolemy, "demo", "demo", BLOCK).level is Level.OK
    sim.seed([{"identifier": "y", "name": "Y", "type_id": "equity"}])
    full = check_scratch(ptolemy, "demo", "demo", BLOCK)
    assert (full.level, full.found) == (
        Level.FAILED,
        "demo holds active instruments: a drill refuses to begin",
    )


# Cadenza


def test_only_venues_that_are_missing_or_away_are_told(make_simulator: MakeSimulator) -> None:
    sim = make_simulator()
    connection = CadenzaConnection(
        sim.cadenza_url, email=sim.cadenza.email, password=SecretStr(sim.cadenza.password)
    )
    sim.cadenza.set_status("OKX", "MAINTENANCE")
    with shared_cadenza(connection) as cadenza:
        missing, away = check_venues(cadenza, ["binance", "NOSUCH", "okx"], "cadenza-account/main")
    assert (missing.subject, missing.level) == ("cadenza-account/main, NOSUCH", Level.FAILED)
    assert "Cadenza has no venue NOSUCH; it has BINANCE" in missing.found
    assert (away.level, away.found) == (Level.WARNING, "OKX is MAINTENANCE")


# Stores


def test_a_store_that_takes_nothing_is_told(bucket: Bucket, place: BucketPlace) -> None:
    there = check_store(bucket, "backup-store/main")
    assert (there.subject, there.level) == ("backup-store/main", Level.OK)
    elsewhere = BucketPlace("no-such-bucket", endpoint_url=place.endpoint_url)
    gone = check_store(Bucket(elsewhere), "backup-store/main")
    assert gone.level is Level.FAILED
    assert "no-such-bucket" in gone.found


def backed_up(shelf: Shelf, at: datetime, *, proven_at: datetime | None = None) -> str:
    backup_id = f"{at:%Y-%m-%dT%H-%M-%SZ}"
    content = encode(manifest_of(backup_id))
    shelf.put(f"demo/{backup_id}/{MANIFEST}", content)
    if proven_at:
        proof = Verification(
            manifest_sha256=decode(content).sha256,
            proven=True,
            verified_at=proven_at,
            sample=200,
        )
        shelf.put(f"demo/{backup_id}/{VERIFICATION}", msgspec.json.encode(proof))
    return backup_id


def test_the_last_backup_and_the_last_proof(bucket: Bucket, shelf: Shelf) -> None:
    catalogue = Catalogue(bucket, "demo", clock=StoppedClock(NOW))

    def told() -> list[tuple[Level, str]]:
        found = check_backups(catalogue, StoppedClock(NOW))
        return [(one.level, one.found) for one in found]

    assert told() == [(Level.WARNING, "there is no complete backup of everything yet")]
    old = backed_up(shelf, NOW - timedelta(days=3), proven_at=NOW - timedelta(days=41))
    assert told() == [
        (Level.FAILED, f"{old}, 3 days old: last night's is missing"),
        (
            Level.WARNING,
            f"{old} was restored and compared 41 days ago, more than 40 days",
        ),
    ]
    new = backed_up(shelf, NOW - timedelta(hours=7))
    assert told()[0] == (Level.OK, f"{new}, 7 h old")
    again = backed_up(shelf, NOW - timedelta(hours=6), proven_at=NOW - timedelta(hours=1))
    assert told() == [
        (Level.OK, f"{again}, 6 h old"),
        (Level.OK, f"{again} was restored and compared 60 min ago"),
    ]


def test_a_backup_that_nobody_ever_restored_is_told(bucket: Bucket, shelf: Shelf) -> None:
    backed_up(shelf, NOW - timedelta(hours=7))
    catalogue = Catalogue(bucket, "demo", clock=StoppedClock(NOW))
    proof = [*check_backups(catalogue, StoppedClock(NOW))][1]
    assert (proof.level, proof.found) == (
        Level.WARNING,
        "no backup was ever proven by a restore",
    )
    assert "depth restore" in proof.todo


# This machine


def test_time_zones_of_the_schedules() -> None:
    assert check_zones() == check_zones([])
    assert check_zones(["Asia/Tokyo", "UTC"]) == Finding(
        "time zones", Level.OK, "known: Asia/Tokyo, UTC"
    )
    for wrong in ("Australia/Sidney", "../../etc/passwd", ""):
        told = check_zones(["UTC", wrong])
        assert (told.level, told.found) == (
            Level.FAILED,
            f"unknown on this machine: {wrong}",
        )
        assert "tzdata" in told.todo


def test_a_clock_that_is_far_off_is_told(sim: Simulator) -> None:
    assert check_clock(sim.url).level is Level.OK
    off = check_clock(sim.url, StoppedClock(datetime.now(UTC) + timedelta(hours=1)))
    assert off.level is Level.FAILED
    assert "seconds away from Ptolemy's" in off.found
    assert check_clock("http://127.0.0.1:9").level is Level.WARNING


def test_a_heartbeat_is_not_shown() -> None:
    assert "https" not in str(check_heartbeat("https://hc.example/s3cret"))
    none = check_heartbeat("")
    assert (none.level, none.found) == (
        Level.WARNING,
        "ARMILLARY_HEARTBEAT_URL is not set here",
    )


# Alerts

NAMES = ("something is wrong", "good again")
WRONG = Automation(NAMES[0], enabled=True, blocks=("slack-webhook/desk",))
GOOD = Automation(NAMES[1], enabled=True, blocks=("slack-webhook/desk",))


def test_all_automations_are_there() -> None:
    other = Automation("somebody else's", enabled=False, blocks=())
    assert [(one.subject, one.level, one.found) for one in check_automations(
        NAMES, [GOOD, WRONG, other]
    )] == [
        ("automations", Level.OK, "all 2 of automations.yaml are on the server, and switched on"),
        (
            "notifications",
            Level.OK,
            "go to slack-webhook/desk, which is there; none was sent to try it",
        ),
    ]  # fmt: skip


def test_without_automations_nobody_is_told() -> None:
    (only,) = check_automations(NAMES, [])
    assert (only.level, only.found) == (
        Level.WARNING,
        "none of the 2 of automations.yaml is on the server: nobody is told",
    )
    assert only.todo.startswith("armillary alerts makes and mends them")


def test_what_is_missing_switched_off_or_leads_nowhere_is_named() -> None:
    off = Automation(NAMES[0], enabled=False, blocks=(), lost=1)
    missing, resting, lost = check_automations(NAMES, [off])
    assert missing.found == 'not on the server: "good again"'
    assert resting.found == 'switched off: "something is wrong"'
    assert (lost.subject, lost.level) == ("notifications", Level.FAILED)
    assert 'the block is gone that these send to: "something is wrong"' in lost.found
    silent = Automation(NAMES[0], enabled=True, blocks=())
    assert [*check_automations(NAMES[:1], [silent])][1].level is Level.WARNING
