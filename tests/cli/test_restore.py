"""``armillary restore``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from armillary.runs.lease import held
from armillary.runs.store import open_store
from simulator import Config, Simulator
from simulator.config import TypeConfig, WorkspaceConfig
from simulator.faults import Rule
from tests.backup.by_hand import SCHEDULED, back_up
from tests.backup.conftest import bucket, place, s3, s3_server
from tests.backup.workspace import seed
from tests.cli.conftest import Armillary
from tests.sync.chain import open_client

__all__ = ["bucket", "place", "s3", "s3_server"]

pytestmark = [pytest.mark.flow, pytest.mark.slow]

Said = subprocess.CompletedProcess[str]
Command = Callable[..., Said]

BACKUP = f"{SCHEDULED:%Y-%m-%dT%H-%M-%SZ}"


@pytest.fixture
def source() -> Iterator[Simulator]:
    with Simulator(Config()) as sim:
        yield sim


@pytest.fixture
def target() -> Iterator[Simulator]:
    with Simulator(Config(seed=2)) as sim:
        yield sim


@pytest.fixture
def restore(armillary: Armillary, place: BucketPlace) -> Command:
    """``restore(sim, "--mode", "apply")``: runs the command into a workspace."""
    environment = {
        "ARMILLARY_STORE_BUCKET": place.bucket,
        "ARMILLARY_STORE_PREFIX": place.prefix,
        "ARMILLARY_STORE_ENDPOINT_URL": str(place.endpoint_url),
        "ARMILLARY_POLL_SECONDS": "0.1",
    }

    def run(sim: Simulator, *arguments: str, into: str = "demo") -> Said:
        return armillary("restore", "--into", into, *arguments, sim=sim, **environment)

    return run


def one_object(said: Said) -> Any:
    assert "Traceback" not in said.stderr, said.stderr
    assert said.stdout, said.stderr
    return json.loads(said.stdout)


def line_of(said: Said, start: str) -> list[str]:
    """The cells of the first line that starts so."""
    [line, *_] = [line for line in said.stdout.splitlines() if line.startswith(start)]
    return line.split()


def test_a_plan_and_the_command_it_names_bring_a_workspace_back(
    source: Simulator, target: Simulator, bucket: Bucket, restore: Command
) -> None:
    rows = seed(source)
    assert back_up(source, bucket).state == "COMPLETE"
    empty = target.digest()
    planned = restore(target)
    assert planned.returncode == 0, planned.stderr
    lines = planned.stdout.splitlines()
    assert lines[0] == (
        f"Restore of {BACKUP}: Planned. Nothing was written. This is what a restore would do."
    )
    assert lines[1] == "from demo into demo"
    head = "type rows equal differ to import to archive only there parts"
    assert line_of(planned, "type") == head.split()
    told = f"instruments {rows['instruments']} 0 0 {rows['instruments']} 3 0 1"
    assert line_of(planned, "instruments") == told.split()
    assert target.digest() == empty

    [step] = re.findall(r"^next: To carry it out: `armillary restore (.*)`$", lines[-1])
    assert step == f"--into demo --backup {BACKUP} --mode apply"
    done = restore(target, *step.split()[2:], "--json")
    result = one_object(done)
    assert (done.returncode, result["state"], result["mode"]) == (0, "Completed", "apply")
    assert result["imported"] == rows
    assert set(result["failed"].values()) == {0}
    assert target.digest() == source.digest()


def test_another_workspace_than_the_named_one_is_wrong_usage(
    source: Simulator, target: Simulator, bucket: Bucket, restore: Command, armillary: Armillary
) -> None:
    seed(source, 3)
    assert back_up(source, bucket).state == "COMPLETE"
    empty = target.digest()
    said = restore(target, "--mode", "apply", into="desk")
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert "into is 'desk', and the target is workspace demo (" in said.stderr
    assert "Nothing was read or written." in said.stderr
    assert target.digest() == empty

    homeless = armillary("restore", "--into", "demo", sim=target)
    assert (homeless.returncode, homeless.stdout) == (2, "")
    assert "ARMILLARY_STORE_BUCKET must be set" in homeless.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resource-type", "bonds"], "There is no resource type bonds."),
        (
            ["--resource-type", "markets", "--identifier", "co000001.xasx"],
            "markets hang on no instrument",
        ),
        (["--on-existing", "overwrite"], "Invalid value"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(
    target: Simulator, restore: Command, arguments: list[str], words: str
) -> None:
    said = restore(target, *arguments)
    assert (said.returncode, said.stdout) == (2, ""), said.stderr
    assert words in said.stderr
    assert target.calls() == {}


def test_a_workspace_that_is_not_empty_needs_a_choice(
    source: Simulator, target: Simulator, bucket: Bucket, restore: Command
) -> None:
    seed(source, 3)
    seed(target, 3)
    assert back_up(source, bucket, resource_types=["markets"]).state == "COMPLETE"
    named = ["--backup", BACKUP, "--resource-type", "markets"]
    planned = restore(target, *named)
    assert planned.returncode == 4, planned.stderr
    assert "against it: Workspace demo is not empty: it holds markets." in planned.stdout
    assert (
        "next: To leave rows that are there as they are, plan again: `armillary restore --into "
        f"demo --backup {BACKUP} --resource-type markets --on-existing skip --mode plan`"
    ) in planned.stdout

    refused = restore(target, *named, "--mode", "apply")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "PlanRefused: Workspace demo is not empty: it holds markets." in refused.stderr
    assert "Nothing was imported." in refused.stderr


def test_what_has_to_be_created_first_is_named(
    source: Simulator, bucket: Bucket, restore: Command
) -> None:
    seed(source, 3)
    assert back_up(source, bucket).state == "COMPLETE"
    bare = WorkspaceConfig(instrument_types=[TypeConfig(identifier="bond", name="Bond")])
    with Simulator(Config(seed=2, workspaces=[bare])) as target:
        said = restore(target)
    assert said.returncode == 4, said.stderr
    [line] = [line for line in said.stdout.splitlines() if line.startswith("needed first: ")]
    assert line == (
        "needed first: instrument type equity (Equity) with the fields isin (text), exchange "
        "(text), lot_size (number)"
    )
    assert "next: Create or change in Ptolemy's dashboard what is listed above." in said.stdout


def test_one_instrument_comes_back_alone(
    source: Simulator, bucket: Bucket, restore: Command
) -> None:
    seed(source, 5)
    assert back_up(source, bucket).state == "COMPLETE"
    with open_client(source) as ptolemy:
        ids = {row["identifier"]: row["id"] for row in ptolemy.instruments.list()}
        ptolemy.instruments.patch(ids["co000002.xasx"], {"name": "Newer than the backup"})
        before = source.digest()
        ptolemy.instruments.patch(ids["co000001.xasx"], {"field_values": {"lot_size": "7"}})
        ptolemy.instruments.archive(ids["co000001.xasx"])
    chosen = ["--identifier", "co000001.xasx", "--allow-source", "--on-existing", "update"]
    planned = restore(source, *chosen)
    assert planned.returncode == 0, planned.stderr
    cells = ["instruments", "co000001.xasx", "fields.lot_size", "1.1", "7"]
    assert cells in [line.split() for line in planned.stdout.splitlines()]
    assert "co000002" not in planned.stdout

    done = one_object(restore(source, *chosen, "--mode", "apply", "--json"))
    assert (done["state"], done["updated"]["instruments"]) == ("Completed", 1)
    assert source.digest() == before


def test_a_second_restore_into_the_workspace_does_nothing(
    source: Simulator, target: Simulator, bucket: Bucket, restore: Command, runs_folder: Path
) -> None:
    seed(source, 3)
    assert back_up(source, bucket).state == "COMPLETE"
    with open_client(target) as ptolemy:
        workspace = ptolemy.workspace().id
    empty = target.digest()
    with held(open_store(str(runs_folder)), workspace, "restore", owner="run 1"):
        second = restore(target, "--mode", "apply", "--json")
    told = one_object(second)
    assert (second.returncode, told["state"]) == (0, "AlreadyRunning")
    assert "run 1" in told["message"]
    assert target.digest() == empty


def test_rows_that_fail_are_named_and_lie_where_they_can_be_mended(
    source: Simulator, target: Simulator, bucket: Bucket, restore: Command
) -> None:
    seed(source, 3)
    assert back_up(source, bucket, resource_types=["markets"]).state == "COMPLETE"
    why = '{"errors": {"detail": "No imports today"}}'
    target.faults = [
        Rule(method="POST", path="/imports*", action="status", status=422, body=why, times=None)
    ]
    said = restore(target, "--backup", BACKUP, "--resource-type", "markets", "--mode", "apply")
    assert said.returncode == 1, said.stderr
    assert line_of(said, "markets")[:7] == ["markets", "2", "0", "0", "0", "0", "2"]
    assert (
        "markets  xasx  The import of markets was refused: No imports today (422)." in said.stdout
    )
    [folder] = re.findall(r"^Rows that failed lie in `(.*)/`: ", said.stdout, re.MULTILINE)
    left = json.loads((Path(folder) / "markets.json").read_text())
    assert [row["identifier"] for row in left] == ["xasx", "xnys"]
    reasons = (Path(folder) / "markets.reasons.csv").read_text().splitlines()
    assert reasons[1] == "1,xasx,The import of markets was refused: No imports today (422)."

    target.faults = []
    [step] = re.findall(r"`armillary restore (--into .* --mode apply)`", said.stdout)
    done = restore(target, *step.split()[2:])
    assert done.returncode == 0, done.stderr
    assert line_of(done, "markets")[:4] == ["markets", "2", "0", "2"]
    assert "next: Nothing: the workspace was read back" in done.stdout
