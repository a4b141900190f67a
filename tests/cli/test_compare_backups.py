"""``armillary compare-backups`` and ``history``: what they print, and their exit codes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backup.made import Rows, Shelf
from tests.cli.conftest import Armillary
from tests.cli.test_backups import BUCKET, Command, command, environment, one_object, server, shelf

__all__ = ["command", "environment", "server", "shelf"]  # fixtures

pytestmark = pytest.mark.flow

NIGHTS = tuple(f"2026-03-{day}T02-00-00Z" for day in ("30", "31"))


def rows(**fields: Any) -> dict[str, Rows]:
    return {
        "instruments": [
            {
                "id": "i-1",
                "identifier": "bhp",
                "name": "BHP [bold]",
                "type_id": "equity",
                "field_values": fields,
                "archived_at": None,
            }
        ],
        "markets": [{"id": "m-1", "identifier": "xasx", "name": "ASX"}],
        "market_listings": [
            {"id": "l-1", "instrument_id": "i-1", "market_id": "m-1", "currency": "AUD"}
        ],
    }


@pytest.fixture
def two(shelf: Shelf) -> None:
    for backup_id, lot_size in zip(NIGHTS, ("1", "10"), strict=True):
        shelf.backup(backup_id, rows(lot_size=lot_size, isin="AU1"))


@pytest.mark.slow
def test_compare_backups_prints_what_changed(command: Command, two: None, shelf: Shelf) -> None:
    said = command("compare-backups", *NIGHTS)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[0] == f"Between backups {NIGHTS[0]} and {NIGHTS[1]}: 1 changed."
    assert lines[1].split() == [
        *("type", "rows", "added", "removed", "changed", "archived", "restored", "fields"),
    ]
    assert lines[2].split() == [
        *("instruments", "1", "→", "1", "0", "0", "1", "0", "0", "fields.lot_size", "1"),
    ]
    assert "The largest changes of numbers, then examples of all others:" in lines
    assert lines[-1] == f"place: s3://{BUCKET}/desk/demo"

    told = one_object(command("compare-backups", "previous", "latest", "--json"))
    assert (told["state"], told["first"], told["second"]) == ("Completed", *NIGHTS)
    assert told["types"][0]["fields"] == {"fields.lot_size": 1}
    [change] = told["changes"]
    assert (change["row"], change["first"], change["second"]) == ("bhp", "1", "10")

    shelf.delete(f"demo/{NIGHTS[0]}/markets.json.zst")
    broken = command("compare-backups", *NIGHTS, "--workspace", "demo")
    assert (broken.returncode, broken.stdout) == (1, "")
    assert (
        f"FileDamaged: s3://{BUCKET}/desk/demo/{NIGHTS[0]}/markets.json.zst: nothing lies at"
        in broken.stderr
    )


def test_history_answers_at_a_glance(command: Command, two: None) -> None:
    said = command("history", "bhp")
    assert said.returncode == 0, said.stderr
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert lines[0] == f"bhp in {NIGHTS[0]}, the oldest backup that holds it:"
    assert "name BHP [bold]" in lines
    assert "fields.lot_size 1" in lines
    assert "listing xasx currency AUD" in lines
    assert lines[-3:] == [
        "since backup field before after",
        f"{NIGHTS[1]} fields.lot_size 1 10",
        f"place: s3://{BUCKET}/desk/demo",
    ]
    told = one_object(command("history", "bhp", "--json", "--backup-count", "1"))
    assert (told["backups"], told["steps"]) == ([NIGHTS[1]], [])
    assert told["values"]["fields.lot_size"] == "10"


def test_history_on_a_day(command: Command, two: None) -> None:
    said = command("history", "bhp", "--on", "2026-03-30", "--workspace", "demo")
    assert said.returncode == 0, said.stderr
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert lines[0] == f"bhp in {NIGHTS[0]}, the backup that counts then:"
    assert "fields.lot_size 1" in lines
    assert lines[-3:-1] == [
        "since backup field before after",
        f"{NIGHTS[1]} fields.lot_size 1 10",
    ]
    last = command("history", "bhp", "--on", "2026-03-31").stdout
    assert "There is no newer backup yet: it may have changed since." in last


def test_history_ends_with_one_where_a_backup_could_not_be_read(
    command: Command, two: None, shelf: Shelf
) -> None:
    shelf.change(f"demo/{NIGHTS[0]}/instruments.json.zst", at=20)
    said = command("history", "bhp")
    assert said.returncode == 1
    assert (
        f"not read: {NIGHTS[0]}: s3://{BUCKET}/desk/demo/{NIGHTS[0]}/instruments.json.zst: it is"
        in said.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["history", "BHP"], "Upper and lower case count: there is bhp."),
        (["history", "bhp", "--on", "yesterday"], "'yesterday' is no date. Write it as"),
        (["history", "bhp", "--backup-count", "-1"], "Invalid value"),
        (["compare-backups", "latest", "latest"], "Both backups to compare are 'latest'"),
    ],
)
def test_wrong_usage_is_exit_code_two(
    command: Command, two: None, arguments: list[str], words: str
) -> None:
    said = command(*arguments)
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert said.stderr.count(words) == 1
    assert "Traceback" not in said.stderr


def test_a_machine_without_a_store(armillary: Armillary) -> None:
    for asked in (["compare-backups"], ["history", "bhp"]):
        said = armillary(*asked)
        assert (said.returncode, said.stdout) == (2, ""), said.stderr
        assert said.stderr.count("ARMILLARY_STORE_BUCKET must be set") == 1
