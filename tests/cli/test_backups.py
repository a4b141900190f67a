"""``armillary backups``, ``verify`` and ``prune``: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from armillary.runs.lease import held
from armillary.runs.store import open_store
from tests.backup.made import Shelf
from tests.cli.conftest import Armillary
from tests.runs.s3 import Fault, LoopbackS3

pytestmark = pytest.mark.flow

Said = subprocess.CompletedProcess[str]
Command = Callable[..., Said]

BUCKET = "shelf-of-the-command"


NOW = datetime.now(UTC)


def night(days_ago: int) -> str:
    at = NOW - timedelta(days=days_ago, hours=3)
    return f"{at:%Y-%m-%dT%H-00-00Z}"


@pytest.fixture
def server() -> Iterator[LoopbackS3]:
    server = LoopbackS3()
    yield server
    server.stop()


@pytest.fixture
def environment(server: LoopbackS3, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return {
        "ARMILLARY_STORE_BUCKET": BUCKET,
        "ARMILLARY_POLL_SECONDS": "0.1",
        "ARMILLARY_STORE_PREFIX": "desk",
        "ARMILLARY_STORE_ENDPOINT_URL": server.url,
    }


@pytest.fixture
def shelf(environment: dict[str, str], server: LoopbackS3) -> Iterator[Shelf]:
    client = boto3.client("s3", endpoint_url=server.url)
    client.create_bucket(Bucket=BUCKET)
    yield Shelf(client, BUCKET, "desk")
    server.behave()
    made = boto3.resource("s3", endpoint_url=server.url).Bucket(BUCKET)
    made.objects.all().delete()
    made.delete()


@pytest.fixture
def command(armillary: Armillary, environment: dict[str, str]) -> Command:
    """``command("backups", "--json")``: runs it against the shelf."""

    def run(*arguments: str, **more: str) -> Said:
        return armillary(*arguments, **environment, **more)

    return run


def one_object(said: Said) -> Any:
    assert "Traceback" not in said.stderr, said.stderr
    assert said.stdout, said.stderr
    return json.loads(said.stdout)


def test_backups_are_listed(command: Command, shelf: Shelf) -> None:
    shelf.manifest(night(2))
    shelf.manifest(
        night(1), coverage="subset", resource_types=["markets"], filter={"tag": {"in": ["[bold]"]}}
    )
    shelf.put(f"demo/{night(0)}/manifest.json", b"{")
    shelf.unfinished("2020-01-01T02-00-00Z")
    told = command("backups")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == (
        f"The newest complete backup of everything is {night(2)}, 2 days old. Last night's is "
        f"missing. Not counted: {night(0)} (DAMAGED), {night(1)} (only markets; filter "
        '{"tag": {"in": ["[bold]"]}}).'
    )
    assert lines[1].split() == ["backup", "age", "state", "holds", "rows", "stored", "proven"]
    assert [line.split()[0] for line in lines[2:5]] == [night(0), night(1), night(2)]
    assert '"[bold]"' in lines[3], "a name in brackets is no markup"
    assert " COMPLETE  everything " in lines[4]
    assert f"{night(0)}: The manifest cannot be read as JSON" in told.stdout
    assert "2020-01-01T02-00-00Z is no backup: begun " in told.stdout
    assert lines[-1] == f"place: s3://{BUCKET}/desk/demo"

    listed = one_object(command("backups", "--json", "--workspace", "demo"))
    assert [entry["backup_id"] for entry in listed["backups"]] == [night(0), night(1), night(2)]
    assert [entry["state"] for entry in listed["backups"]] == ["DAMAGED", "COMPLETE", "COMPLETE"]
    assert listed["backups"][2]["proven"] is False
    assert listed["unfinished"][0]["backup_id"] == "2020-01-01T02-00-00Z"


def test_a_store_without_backups_and_a_machine_without_a_store(
    command: Command, armillary: Armillary, shelf: Shelf
) -> None:
    empty = command("backups")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert f"No backup lies in s3://{BUCKET}/desk. Make one with" in empty.stderr
    for asked in (["backups"], ["verify"], ["prune", "--keep-last", "1"]):
        said = armillary(*asked)
        assert (said.returncode, said.stdout) == (2, ""), said.stderr
        assert said.stderr.count("ARMILLARY_STORE_BUCKET must be set") == 1
        assert "Traceback" not in said.stderr


@pytest.mark.slow
def test_verify_prints_what_is_wrong(command: Command, shelf: Shelf) -> None:
    shelf.backup(night(0))
    whole = command("verify", "--json")
    told = one_object(whole)
    assert whole.returncode == 0
    assert (told["state"], told["depth"], told["proven"], told["problems"]) == (
        *("Completed", "content", False, []),
    )
    assert told["files_read"] == 7
    key = f"demo/{night(0)}/markets.json.zst"
    shelf.delete(key)
    harmed = command("verify", "--json", "--depth", "present", "--backup", night(0))
    told = one_object(harmed)
    assert harmed.returncode == 1
    assert (told["state"], told["depth"]) == ("Failed", "present")
    assert told["problems"] == [
        {"resource_type": "markets", "key": key, "what": "nothing lies at this key."}
    ]
    plain = command("verify", "--slice", "7/7")
    assert plain.returncode == 1
    assert f"problem: {key}: nothing lies at this key." in plain.stdout
    assert "note: Slice 7/7 read markets.json.zst;" in plain.stdout
    assert "not proven by a restore" in plain.stdout
    assert plain.stdout.endswith(f"place: s3://{BUCKET}/desk/demo/{night(0)}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "--slice", "8/7"], "'8/7' is no slice. Write it as 2/7"),
        (["verify", "--backup", "yesterday"], "There is no backup 'yesterday' in s3://"),
        (["prune"], "The retention policy is empty"),
        (["prune", "--keep-last", "20000"], "Invalid value"),
    ],
)
def test_wrong_usage_is_exit_code_two(
    command: Command, shelf: Shelf, arguments: list[str], words: str
) -> None:
    shelf.backup(night(0))
    said = command(*arguments)
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert said.stderr.count(words) == 1
    assert "Traceback" not in said.stderr


@pytest.mark.slow
def test_prune_plans_first_and_then_removes(command: Command, shelf: Shelf) -> None:
    for days in range(3):
        shelf.backup(night(days))
    planned = command("prune", "--keep-last", "2")
    assert planned.returncode == 0, planned.stderr
    assert "1 of 3 backups would be removed" in planned.stdout
    assert "No rule of the policy keeps it." in planned.stdout
    assert planned.stdout.endswith("Nothing was removed yet: --mode apply removes.\n")

    done = command("prune", "--keep-last", "2", "--mode", "apply", "--json")
    told = one_object(done)
    assert (done.returncode, told["state"], told["done"]["removed"]) == (
        *(0, "Completed", [night(2)]),
    )


@pytest.mark.slow
def test_prune_tells_what_it_could_not_do(
    command: Command, shelf: Shelf, server: LoopbackS3, runs_folder: Path
) -> None:
    for days in range(3):
        shelf.backup(night(days))
    server.faults = [Fault("DELETE", f"{night(2)}/manifest.json", "403 AccessDenied")]
    denied = command("prune", "--keep-last", "2", "--mode", "apply", "--json")
    told = one_object(denied)
    assert (denied.returncode, told["state"]) == (1, "Partial")
    assert told["done"]["failed"][0]["what"] == night(2)
    assert told["plan"]["remove"] == [night(2)]

    with held(open_store(str(runs_folder)), "demo", "prune", owner="run 1"):
        second = command("prune", "--keep-last", "2", "--mode", "apply", "--json")
    assert second.returncode == 0
    assert one_object(second)["state"] == "AlreadyRunning"


@pytest.mark.slow
def test_s24_prune_ends_with_four_while_the_newest_is_not_whole(
    command: Command, shelf: Shelf
) -> None:
    for days in range(2):
        shelf.backup(night(days))
    shelf.delete(f"demo/{night(0)}/markets.json.zst")
    planned = command("prune", "--keep-last", "1", "--json")
    told = one_object(planned)
    assert (planned.returncode, told["state"], told["done"]) == (4, "PlannedWithheld", None)
    assert "is not whole any more" in told["plan"]["withheld"]
    held_back = command("prune", "--keep-last", "1", "--mode", "apply")
    assert held_back.returncode == 4
    assert "Nothing is removed: the newest complete backup" in held_back.stdout
    assert "--mode apply removes" not in held_back.stdout


@pytest.mark.long
def test_verify_starts_a_server_of_its_own_where_none_is_configured(
    environment: dict[str, str], shelf: Shelf, runs_folder: Path, tmp_path: Path
) -> None:
    """Prefect reads its settings when it is imported: not before the server is there."""
    shelf.backup(night(0))
    known = dict(os.environ) | environment
    known |= {"ARMILLARY_RUNS": str(runs_folder), "HOME": str(tmp_path)}
    for name in ("PREFECT_API_URL", "PREFECT_LOGGING_LEVEL"):
        known.pop(name, None)
    said = subprocess.run(
        [sys.executable, "-m", "cli", "verify", "--json", "--verbose"],
        env=known,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert one_object(said)["state"] == "Completed"
    assert said.stderr.count("Starting a temporary Prefect server") == 1
    assert "Starting temporary server" not in said.stderr, "Prefect's own, beside ours"
