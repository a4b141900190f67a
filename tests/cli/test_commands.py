"""Exit codes, standard output and standard error of the commands."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from simulator import Simulator
from tests.cli.conftest import Armillary
from tests.sync.chain import csv_file, vendor, vendor_rows

pytestmark = pytest.mark.flow


def feed_file(folder: Path, rows: list[dict[str, str]], **changed: Any) -> str:
    """A feed definition beside its file, both as a vendor and a person would write them."""
    csv_file(folder / "vendor.csv", rows)
    definition = vendor(Path("vendor.csv"), **changed).model_dump(exclude_unset=True)
    path = folder / "vendor.yaml"
    path.write_text(yaml.safe_dump(definition))
    return str(path)


def test_a_sync_from_plan_to_apply(sim: Simulator, armillary: Armillary, tmp_path: Path) -> None:
    feed = feed_file(tmp_path, vendor_rows(25))
    planned = armillary("sync", "--feed", feed, sim=sim)
    assert planned.returncode == 0, planned.stderr
    assert "Planned only: nothing was written." in planned.stdout
    assert re.search(r"create\s+25\s+0\s+0", planned.stdout)
    assert "what would change" in planned.stdout
    assert not sim.state()["instruments"]

    applied = armillary("sync", "--feed", feed, "--mode", "apply", "--json", sim=sim)
    assert applied.returncode == 0, applied.stderr
    result = json.loads(applied.stdout)
    assert result["state"] == "Completed"
    assert result["applied"] == {"restore": 0, "create": 25, "update": 0, "archive": 0}
    assert result["calls"]["used"] == result["calls"]["forecast"]
    assert "applying: 25 of 25" in applied.stderr
    assert len(result["digest"]) == 64

    feed_file(tmp_path, vendor_rows(10))
    withheld = armillary("sync", "--feed", feed, "--mode", "apply", sim=sim)
    assert withheld.returncode == 4
    assert "withheld archive: 15 archives of 25 active records are 60%" in withheld.stdout

    feed_file(tmp_path, [*vendor_rows(24), vendor_rows(25)[24] | {"lot": "many"}])
    rejects = armillary("sync", "--feed", feed, "--mode", "apply", sim=sim)
    assert rejects.returncode == 3
    assert "'many' is not a number" in rejects.stdout


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        ({"instrument_type": "equities"}, 2, "Instrument type 'equities' does not exist"),
        ({"fields": {"isn": "{isin}"}, "scope": "all"}, 2, "isn"),
        ({"url": "tomorrow.csv"}, 1, "has not been delivered"),
        ({"identifier": "{ticker}"}, 1, "has no column 'ticker'"),
    ],
)
def test_what_is_wrong_is_said_once_and_without_a_traceback(
    sim: Simulator,
    armillary: Armillary,
    tmp_path: Path,
    spoil: dict[str, Any],
    code: int,
    words: str,
) -> None:
    feed = feed_file(tmp_path, vendor_rows(3), **spoil)
    said = armillary("sync", "--feed", feed, sim=sim)
    assert (said.returncode, said.stdout) == (code, "")
    assert said.stderr.count(words) == 1, said.stderr
    assert "Traceback" not in said.stderr


def test_missing_settings_are_all_named(armillary: Armillary, tmp_path: Path) -> None:
    said = armillary("sync", "--feed", feed_file(tmp_path, vendor_rows(1)))
    assert said.returncode == 2
    assert "ARMILLARY_PTOLEMY_WORKSPACE and ARMILLARY_PTOLEMY_TOKEN must be set" in said.stderr


def test_a_wrong_definition_is_told_before_anything_starts(
    armillary: Armillary, tmp_path: Path
) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text("name: x\nurl: x.csv\ninstrument_typ: equity\n")
    said = armillary("sync", "--feed", str(path))
    assert said.returncode == 2
    assert "instrument_typ" in said.stderr
    assert "did you mean instrument_type?" in said.stderr


def test_wrong_usage_is_exit_code_two(armillary: Armillary) -> None:
    assert armillary("sync", "--mode", "maybe").returncode == 2
    assert armillary("nonsense").returncode == 2


def test_the_command_starts_without_prefect() -> None:
    """Prefect reads its settings when it is imported, and the command makes some of them."""
    code = "import sys, cli.main; print([m for m in ('prefect', 'flows') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_simulate_prints_what_a_client_needs_and_ends_on_ctrl_c() -> None:
    command = [sys.executable, "-m", "cli", "simulate"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"simulator (\S+) workspace=demo token=(ptk_live_[0-9a-f]{64})", line)
            assert found is not None, line
            answer = httpx.get(
                f"{found[1]}/workspaces/demo/instruments",
                headers={"Authorization": f"Bearer {found[2]}"},
            )
            assert answer.json()["data"] == []
        finally:
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=20)[1]
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.timeout(420)  # with two other workers on two cores it takes twice as long as alone
def test_the_demo_tells_its_story(armillary: Armillary) -> None:
    told = armillary("demo", "--json", fresh=True)
    assert told.returncode == 0, told.stderr
    story = json.loads(told.stdout)
    states = [scene["result"]["state"] for scene in story["scenes"]]
    assert states == [
        *("Completed", "Completed", "Planned", "Completed", "Completed", "Withheld"),
        *("Completed", "Completed"),
        *("Completed", "Completed", "Completed"),
        *("Completed", "Failed", "Completed"),
    ]
    assert story["scenes"][7]["result"]["applied"]["restore"] == 284
    venues, again, publish = (scene["result"] for scene in story["scenes"][8:11])
    assert {venue["state"] for venue in venues["venues"]} == {"completed", "skipped"}
    assert [(venue["venue"], venue["synced"]) for venue in again["venues"]] == [("BINANCE", 2)]
    assert publish["refresh"]["added"] == 1
    assert publish["sync"]["applied"]["create"] == 40
    backup, found = story["scenes"][11]["result"], story["scenes"][12]["result"]
    assert sum(file["rows"] for file in backup["files"]) > 8000
    assert [problem["resource_type"] for problem in found["problems"]] == ["time_series_values"]
    proof = story["scenes"][13]["result"]
    assert proof["proven"]
    assert proof["recovery"]["rows"] == proof["recovery"]["wanted"]
    assert "Starting a temporary Prefect server" in told.stderr
    assert "Traceback" not in told.stderr
