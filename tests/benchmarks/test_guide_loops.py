"""The guides' loops against the reading of the API the guides themselves have."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.guide import backup_loop, restore_loop, sync_loop
from benchmarks.guide.backup_loop import BackupCounts, back_up
from benchmarks.guide.connection import RESOURCE_TYPES, connect
from benchmarks.guide.restore_loop import restore
from benchmarks.guide.sync_loop import Record, SyncCounts, read_records, sync
from simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
Feed = Callable[[str], list[Record]]
Row = dict[str, Any]
Created = dict[str, list[Row]]

MONDAY = """\
identifier,name,isin,currency,lot_size
bhp.xasx,BHP Group,AU000000BHP4,AUD,1
csl.xasx,CSL,AU000000CSL8,AUD,1
cba.xasx,Commonwealth Bank,AU000000CBA7,AUD,
"""
TUESDAY = """\
identifier,name,isin,currency,lot_size
bhp.xasx,BHP Group,AU000000BHP4,AUD,10
cba.xasx,Commonwealth Bank,AU000000CBA7,AUD,
wds.xasx,Woodside Energy,AU0000224040,AUD,1
"""
BHP = {"isin": "AU000000BHP4", "currency": "AUD", "lot_size": "1"}
CSL = {"isin": "AU000000CSL8", "currency": "AUD", "lot_size": "1"}
CBA = {"isin": "AU000000CBA7", "currency": "AUD"}
WDS = {"isin": "AU0000224040", "currency": "AUD", "lot_size": "1"}


@pytest.fixture
def guide(make_simulator: Callable[..., Simulator]) -> Simulator:
    """The guides' Ptolemy with two empty workspaces."""
    return make_simulator("guide", workspaces=[{"slug": "demo"}, {"slug": "spare"}])


@pytest.fixture
def client(guide: Simulator) -> Iterator[httpx.Client]:
    """Bound to ``demo``, as the scripts do it."""
    with connect(guide.workspace_url, guide.token) as bound:
        yield bound


@pytest.fixture
def spare(guide: Simulator) -> Iterator[httpx.Client]:
    """Bound to ``spare``."""
    with connect(guide.url_of("spare"), guide.token_for("member", "spare")) as bound:
        yield bound


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    """A source file as the sync script reads it."""

    def written(text: str) -> list[Record]:
        path = tmp_path / "feed.csv"
        path.write_text(text, encoding="utf-8")
        return read_records(path)

    return written


def instrument(identifier: str, name: str, fields: Row, *, archived: bool = False) -> Row:
    """A row of the simulator's state."""
    own = {"identifier": identifier, "name": name, "type": "equity", "archived": archived}
    return {**own, "field_values": fields, "extras": {}, "tags": []}


def ordered(rows: list[Row]) -> list[Row]:
    """Rows in an order of their own."""
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


# The sync loop.


def test_sync_brings_a_file_into_an_empty_workspace(
    guide: Simulator, client: httpx.Client, feed: Feed
) -> None:
    counts = sync(client, feed(MONDAY))
    assert (counts, counts.calls) == (SyncCounts(read=1, created=3), 4)
    assert guide.calls() == {"POST /instruments": 3, "POST /instruments/filter": 1}
    wanted = [
        instrument("bhp.xasx", "BHP Group", BHP),
        instrument("csl.xasx", "CSL", CSL),
        instrument("cba.xasx", "Commonwealth Bank", CBA),
    ]
    assert ordered(guide.state()["instruments"]) == ordered(wanted)


def test_a_second_sync_of_the_same_file_only_reads(
    guide: Simulator, client: httpx.Client, feed: Feed
) -> None:
    sync(client, feed(MONDAY))
    before = guide.digest()
    guide.reset_calls()
    counts = sync(client, feed(MONDAY))
    assert (counts, counts.calls) == (SyncCounts(read=1), 1)
    assert guide.calls() == {"POST /instruments/filter": 1}
    assert guide.digest() == before


def test_a_changed_file_creates_patches_and_archives(
    guide: Simulator, client: httpx.Client, feed: Feed
) -> None:
    sync(client, feed(MONDAY))
    guide.reset_calls()
    counts = sync(client, feed(TUESDAY))
    assert (counts, counts.calls) == (SyncCounts(read=1, created=1, patched=1, archived=1), 4)
    assert guide.calls() == {
        "DELETE /instruments/{id}": 1,
        "PATCH /instruments/{id}": 1,
        "POST /instruments": 1,
        "POST /instruments/filter": 1,
    }
    wanted = [
        instrument("bhp.xasx", "BHP Group", {**BHP, "lot_size": "10"}),
        instrument("csl.xasx", "CSL", CSL, archived=True),
        instrument("cba.xasx", "Commonwealth Bank", CBA),
        instrument("wds.xasx", "Woodside Energy", WDS),
    ]
    assert ordered(guide.state()["instruments"]) == ordered(wanted)


def test_more_than_five_hundred_are_read_in_pages(guide: Simulator, client: httpx.Client) -> None:
    names = [f"s{number}" for number in range(1001)]
    guide.seed({"identifier": name, "name": name, "type_id": "equity"} for name in names)
    records = [Record(identifier=name, name=name, fields={}) for name in names]
    assert sync(client, records) == SyncCounts(read=3)


def test_a_refused_record_is_logged_and_the_others_go_on(
    guide: Simulator, client: httpx.Client, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    counts = sync(client, feed(MONDAY.replace("CSL8,AUD,1", "CSL8,AUD,many")))
    assert (counts, counts.calls) == (SyncCounts(read=1, created=2, failed=1), 4)
    names = {row["name"] for row in guide.state()["instruments"]}
    assert names == {"BHP Group", "Commonwealth Bank"}
    (message,) = [r.getMessage() for r in caplog.records if r.name == sync_loop.__name__]
    assert message.startswith("POST /instruments csl.xasx failed, the sync goes on: ")
    assert "422" in message


def test_the_sync_command_says_what_it_did(guide: Simulator, feed: Feed, tmp_path: Path) -> None:
    feed(MONDAY)
    arguments = ["--url", f"{guide.url}/v1", "--workspace", "demo", "--token", guide.token]
    command = [sys.executable, "-m", "benchmarks.guide.sync_loop", *arguments]
    done = subprocess.run(
        [*command, str(tmp_path / "feed.csv")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "3 created, 0 patched, 0 archived, 0 failed, 4 calls\n"


# What the guide's sync gets wrong: each as it really happens.


def test_a_relisted_instrument_is_created_a_second_time_and_the_archived_one_keeps_its_history(
    guide: Simulator, client: httpx.Client, feed: Feed
) -> None:
    """Where a filter answers active rows only, as the concept pages say (contract D15)."""
    guide.configure(filter_archived="active")
    sync(client, feed(MONDAY))
    first = client.get("/instruments/csl.xasx").json()["id"]
    price = {"instrument_id": first, "type_id": "close-price", "value": "281.5"}
    price["timestamp"] = "2026-11-16T00:00:00Z"
    client.post("/time-series-values", json=price).raise_for_status()
    sync(client, feed(TUESDAY))

    assert sync(client, feed(MONDAY)) == SyncCounts(read=1, created=1, patched=1, archived=1)

    twins = [row for row in guide.state()["instruments"] if row["identifier"] == "csl.xasx"]
    wanted = [instrument("csl.xasx", "CSL", CSL, archived=archived) for archived in (False, True)]
    assert ordered(twins) == ordered(wanted)
    second = client.get("/instruments/csl.xasx").json()
    assert second["archived_at"] is None
    assert second["id"] != first
    (value,) = client.get("/time-series-values").json()["data"]
    assert value["instrument_id"] == first


def test_a_relisted_instrument_stays_archived_where_a_filter_answers_archived_rows(
    guide: Simulator, client: httpx.Client, feed: Feed
) -> None:
    """The guide's own reading of D15: the loop has no restore, and patches what is archived."""
    sync(client, feed(MONDAY))
    sync(client, feed(TUESDAY))
    assert sync(client, feed(MONDAY)) == SyncCounts(read=1, patched=1, archived=1)
    assert instrument("csl.xasx", "CSL", CSL, archived=True) in guide.state()["instruments"]
    changed = feed(MONDAY.replace("CSL8,AUD,1", "CSL8,AUD,5"))
    assert sync(client, changed) == SyncCounts(read=1, patched=1)
    row = instrument("csl.xasx", "CSL", {**CSL, "lot_size": "5"}, archived=True)
    assert row in guide.state()["instruments"]


@pytest.mark.parametrize(("number_text", "patched"), [("normalised", 1), ("kept", 0)])
def test_number_text_is_patched_again_every_night_where_the_server_normalises_it(
    guide: Simulator, client: httpx.Client, feed: Feed, number_text: str, patched: int
) -> None:
    guide.configure(number_text=number_text)
    records = feed(MONDAY.replace("BHP4,AUD,1", "BHP4,AUD,1.10"))
    sync(client, records)
    before = guide.digest()
    nights = [sync(client, records) for _ in range(3)]
    assert nights == [SyncCounts(read=1, patched=patched)] * 3
    assert guide.digest() == before


def test_a_renamed_instrument_keeps_its_old_name(
    guide: Simulator, client: httpx.Client, feed: Feed
) -> None:
    sync(client, feed(MONDAY))
    assert sync(client, feed(MONDAY.replace("BHP Group", "BHP"))) == SyncCounts(read=1)
    assert instrument("bhp.xasx", "BHP Group", BHP) in guide.state()["instruments"]


# The backup loop and the restore loop.


def typed(identifier: str, name: str, type_id: str, fields: Row, **extras: Any) -> Row:
    """The create body of an instrument or a market."""
    body = {"identifier": identifier, "name": name, "type_id": type_id}
    return {**body, "field_values": fields, "extras": extras}


BHP_MORE = {**BHP, "lot_size": "1.10", "listed_on": "1885-08-13", "active_trading": "true"}
BOND = {"currency": "AUD", "coupon": "4.50", "maturity": "2033-04-21"}
LISTING = ("instrument_id", "market_id", "local_code", "currency", "lot_size")
SUSPENSION = ("suspended_from", "suspended_until", "reason")
VALUE = ("instrument_id", "type_id", "timestamp", "value")
DAY, NEXT_DAY = "2026-11-16T00:00:00Z", "2026-11-17T00:00:00Z"
PRICES = {"open": "45.1", "high": "46", "low": "44.95", "close": "45.82"}
ITEMS = [{"field_key": key, "value": value} for key, value in PRICES.items()]
CREATED: Created = {
    "instruments": [
        typed("bhp.xasx", "BHP Group", "equity", BHP_MORE, desk={"book": 7}),
        typed("csl.xasx", "CSL", "equity", CSL),
        typed("gsbg33", "Treasury Bond 4.5% 2033", "bond", BOND),
    ],
    "markets": [
        typed("asx", "ASX", "exchange", {"mic": "XASX", "country": "AU"}),
        typed("lse", "LSE", "exchange", {"mic": "XLON"}, board="main"),
    ],
    "market_listings": [
        dict(zip(LISTING, ("bhp.xasx", "asx", "BHP", "AUD", 1), strict=True)),
        dict(zip(LISTING, ("bhp.xasx", "lse", "BHP", "GBP", None), strict=True)),
        dict(zip(LISTING, ("csl.xasx", "asx", "CSL", "AUD", 1), strict=True)),
    ],
    "market_listing_suspensions": [
        dict(zip(SUSPENSION, (DAY, NEXT_DAY, "merger"), strict=True)),
        dict(zip(SUSPENSION, (NEXT_DAY, None, "no accounts"), strict=True)),
    ],
    "time_series_values": [
        dict(zip(VALUE, ("bhp.xasx", "close-price", DAY, "45.820"), strict=True)),
        dict(zip(VALUE, ("bhp.xasx", "close-price", NEXT_DAY, "46.01"), strict=True)),
        dict(zip(VALUE, ("csl.xasx", "close-price", DAY, "281.5"), strict=True)),
    ],
    "composite_time_series_values": [
        {"instrument_id": "bhp.xasx", "type_id": "ohlcv-daily", "timestamp": DAY, "items": ITEMS}
    ],
}


@pytest.fixture
def created(guide: Simulator, client: httpx.Client) -> Created:
    """Some of everything in ``demo``, made through the API: the create bodies."""
    bodies = {resource_type: list(rows) for resource_type, rows in CREATED.items()}
    ids: dict[str, list[str]] = {}
    for resource_type, rows in bodies.items():
        if resource_type == "market_listing_suspensions":
            rows[:] = [{"listing_id": ids["market_listings"][0], **row} for row in rows]
        path = f"/{resource_type.replace('_', '-')}"
        answers = [client.post(path, json=row).raise_for_status() for row in rows]
        ids[resource_type] = [answer.json()["id"] for answer in answers]
    client.delete("/instruments/csl.xasx").raise_for_status()
    client.delete(f"/market-listings/{ids['market_listings'][2]}").raise_for_status()
    guide.reset_calls()
    return bodies


def as_created(row: Row, body: Row) -> Row:
    """The part of an exported row that a create body has; fields without value left out."""
    part = {key: row[key] for key in body}
    if "field_values" in part:
        held = part["field_values"].items()
        part["field_values"] = {key: value for key, value in held if value is not None}
    return part


def test_backup_writes_six_files_with_everything_in_them(
    guide: Simulator, client: httpx.Client, created: Created, tmp_path: Path
) -> None:
    counts = back_up(client, tmp_path, poll_seconds=0)
    assert [path.name for path in counts.files] == [f"{name}.json" for name in created]
    assert sorted(tmp_path.glob("*.json")) == sorted(counts.files)
    saved = {path.stem: json.loads(path.read_bytes()) for path in counts.files}
    for name, bodies in created.items():
        found = [as_created(row, body) for row, body in zip(saved[name], bodies, strict=True)]
        assert found == bodies
    archived = {name: [row["archived_at"] is not None for row in saved[name]] for name in saved}
    assert archived["instruments"] == [False, True, False]
    assert archived["market_listings"] == [False, False, True]
    assert counts == BackupCounts(submitted=6, polls=12, files=counts.files)
    assert guide.calls() == {"GET /downloads/{id}": 6, "GET /exports/{id}": 12, "POST /exports": 6}


def test_a_failed_export_leaves_no_file_and_is_told(
    guide: Simulator, client: httpx.Client, tmp_path: Path
) -> None:
    rule = {"method": "POST", "path": "/exports", "nth": 2, "action": "job"}
    guide.faults = [{**rule, "job": {"status": "failed"}}]
    counts = back_up(client, tmp_path, poll_seconds=0)
    assert (counts.lost, len(counts.files)) == (["markets"], 5)
    assert not (tmp_path / "markets.json").exists()


def test_a_dead_link_is_told_without_the_link(
    guide: Simulator, client: httpx.Client, tmp_path: Path
) -> None:
    guide.faults = [{"path": "/downloads/{id}", "action": "status", "status": 403}]
    with pytest.raises(RuntimeError, match=r"^instruments: the download answered 403; [a-z ,]+$"):
        back_up(client, tmp_path, poll_seconds=0)


@pytest.mark.usefixtures("created")
def test_restore_brings_everything_into_an_empty_workspace_that_keeps_uuids(
    guide: Simulator, client: httpx.Client, spare: httpx.Client, tmp_path: Path
) -> None:
    guide.configure(import_keeps_ids=True)
    back_up(client, tmp_path, poll_seconds=0)
    guide.reset_calls()
    counts = restore(spare, tmp_path, poll_seconds=0)
    assert counts.rows == {name: (len(rows), 0) for name, rows in CREATED.items()}
    assert guide.state("spare") == guide.state("demo")
    assert (counts.submitted, counts.polls, counts.calls) == (6, 12, 18)
    assert guide.calls() == {"GET /imports/{id}": 12, "POST /imports": 6}


@pytest.mark.usefixtures("created")
def test_restore_loses_every_suspension_where_uuids_are_new(
    guide: Simulator, client: httpx.Client, spare: httpx.Client, tmp_path: Path
) -> None:
    """N12: a suspension names its listing by the UUID it had, and a listing has nothing else."""
    guide.configure(import_keeps_ids=False)
    back_up(client, tmp_path, poll_seconds=0)
    counts = restore(spare, tmp_path, poll_seconds=0)
    imported = {name: (len(rows), 0) for name, rows in CREATED.items()}
    assert counts.rows == {**imported, "market_listing_suspensions": (0, 2)}
    assert guide.state("spare") == {**guide.state("demo"), "market_listing_suspensions": []}


@pytest.mark.usefixtures("created")
def test_restore_over_existing_data_doubles_what_was_archived_where_uuids_are_new(
    guide: Simulator, client: httpx.Client, tmp_path: Path
) -> None:
    """An archived record conflicts with nothing, and its price goes to its newer twin."""
    guide.configure(import_keeps_ids=False)
    back_up(client, tmp_path, poll_seconds=0)
    before = guide.state()
    counts = restore(client, tmp_path, poll_seconds=0)
    again = {name: [row for row in before[name] if row["archived"]] for name in CREATED}
    again["time_series_values"] = [
        row for row in before["time_series_values"] if row["instrument"] == "csl.xasx"
    ]
    assert [len(again[name]) for name in RESOURCE_TYPES] == [1, 0, 1, 0, 1, 0]
    for name, more in again.items():
        assert counts.rows[name] == (len(more), len(CREATED[name]) - len(more))
        assert ordered(guide.state()[name]) == ordered([*before[name], *more])


@pytest.mark.usefixtures("created")
def test_the_backup_and_restore_commands_say_what_they_did(
    guide: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: Callable[[list[str]], None], workspace: str) -> list[str]:
        token = guide.token_for("member", workspace)
        named = ["--url", f"{guide.url}/v1", "--workspace", workspace, "--token", token]
        command([*named, "--poll-seconds", "0", str(tmp_path / "new" / "backup")])
        return capsys.readouterr().out.splitlines()

    guide.configure(import_keeps_ids=True)
    saved = run(backup_loop.main, "demo")
    assert [Path(line.partition(":")[0]).stem for line in saved[:-1]] == list(RESOURCE_TYPES)
    assert saved[-1] == "18 calls"
    lines = [f"{name}: {len(rows)} imported, 0 failed" for name, rows in CREATED.items()]
    assert run(restore_loop.main, "spare") == [*lines, "18 calls"]
