"""One limit of a Prefect server for several processes with one token."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
)
from prefect.settings import PREFECT_API_URL, temporary_settings

from armillary.api.slots import Pace, Slots
from armillary.api.throttle import Throttle
from armillary.clock import SystemClock
from armillary.errors import NoTurn
from blocks.global_limit import GlobalLimit
from cli.prefect_server import free_port
from simulator import Simulator
from tests.servers import ROOT, Server, own_server
from tests.sync.chain import csv_file, vendor, vendor_rows

pytestmark = pytest.mark.flow

DELAY = 0.2
SLOTS = 3
SLOW_CREATES = [
    {"method": "POST", "path": "/instruments", "action": "delay", "seconds": DELAY, "times": None}
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with all its services, one of which takes back the slots of killed processes."""
    with own_server(tmp_path_factory.mktemp("prefect")) as started:
        yield started


def limit(server: Server, name: str, slots: int) -> None:
    with server.client() as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))


def taken(server: Server, name: str) -> int:
    with server.client() as client:
        return client.read_global_concurrency_limit_by_name(name).active_slots


def feed(folder: Path, name: str, mic: str, count: int) -> Path:
    csv_file(folder / f"{name}.csv", vendor_rows(count, mic=mic))
    path = folder / f"{name}.yaml"
    definition = vendor(
        Path(f"{name}.csv"), name=name, identifier=f"{{id}}.{mic}", scope={"exchange": [mic]}
    )
    path.write_text(yaml.safe_dump(definition.model_dump(exclude_unset=True)))
    return path


def settings(sim: Simulator, runs: Path, name: str) -> dict[str, str]:
    return {
        "ARMILLARY_RUNS": str(runs),
        "ARMILLARY_PTOLEMY_URL": f"{sim.url}/v1",
        "ARMILLARY_PTOLEMY_WORKSPACE": "demo",
        "ARMILLARY_PTOLEMY_TOKEN": sim.token,
        "ARMILLARY_PTOLEMY_CONCURRENCY_LIMIT": name,
    }


def most_at_once(moments: list[float], seconds: float) -> int:
    """How many requests of so many seconds each were under way together."""
    return max(
        sum(1 for other in moments if moment - seconds < other <= moment) for moment in moments
    )


def test_two_processes_together_keep_to_the_limit(
    server: Server, sim: Simulator, tmp_path: Path, runs_folder: Path
) -> None:
    made = server.command("prefect", "gcl", "create", "ptolemy-two", "--limit", str(SLOTS))
    assert made.returncode == 0, made.stderr  # as the guide and the messages tell it
    seconds = 0.8  # so long that a busy machine, too, has all slots in use at some moment
    sim.faults = [rule | {"seconds": seconds} for rule in SLOW_CREATES]
    feeds = [feed(tmp_path, "one", "xasx", 20), feed(tmp_path, "two", "xnys", 20)]
    known = settings(sim, runs_folder, "ptolemy-two")
    runs = [
        server.armillary("sync", "--feed", str(path), "--mode", "apply", **known) for path in feeds
    ]
    assert [run.wait(200) for run in runs] == [0, 0], [run.stderr for run in runs]
    assert len(sim.state()["instruments"]) == 40
    creates = [e for e in sim.log() if (e["method"], e["template"]) == ("POST", "/instruments")]
    assert most_at_once([entry["at"] for entry in creates], seconds) == SLOTS
    assert taken(server, "ptolemy-two") == 0


def test_a_limit_that_nobody_made_is_said_before_any_call(
    server: Server, sim: Simulator, tmp_path: Path, runs_folder: Path
) -> None:
    path = feed(tmp_path, "one", "xasx", 5)
    known = settings(sim, runs_folder, "ptolemy-mistyped")
    with server.armillary("sync", "--feed", str(path), "--mode", "apply", **known) as run:
        assert run.wait() == 2, run.stdout
    told = " ".join((run.stdout + run.stderr).split())
    assert "has no global concurrency limit 'ptolemy-mistyped'" in told
    assert "Nothing was sent to Ptolemy. Make it: prefect gcl create 'ptolemy-mistyped'" in told
    assert sim.calls() == {}


def test_check_shows_the_limit(
    server: Server, sim: Simulator, tmp_path: Path, runs_folder: Path
) -> None:
    limit(server, "ptolemy-checked", SLOTS)
    known = settings(sim, runs_folder, "ptolemy-checked")
    with server.armillary("check", COLUMNS="260", **known) as run:
        run.wait()
    assert "0 of 3 slots of 'ptolemy-checked' are taken" in run.stdout
    with server.client() as client:
        client.update_global_concurrency_limit(
            "ptolemy-checked", GlobalConcurrencyLimitUpdate(active=False)
        )
    with server.armillary("check", COLUMNS="260", **known) as run:
        run.wait()
    assert "'ptolemy-checked' is switched off: nothing holds the processes back" in run.stdout
    assert "prefect gcl enable ptolemy-checked" in run.stdout


def test_a_limit_without_a_common_server_is_refused(
    sim: Simulator, tmp_path: Path, runs_folder: Path
) -> None:
    path = feed(tmp_path, "one", "xasx", 5)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    run = subprocess.run(
        [sys.executable, "-m", "cli", "sync", "--feed", str(path)],
        cwd=ROOT,
        env=kept | settings(sim, runs_folder, "ptolemy") | {"PREFECT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    told = " ".join(run.stderr.split())
    assert "a limit that processes share through a Prefect server, and no server is" in told
    assert "Set PREFECT_API_URL to the server all of them use, or leave the limit out." in told


HOLD = """
import sys, time
from armillary.api.slots import Pace, Slots
from armillary.api.throttle import Throttle
from armillary.clock import SystemClock
from blocks.global_limit import GlobalLimit
clock = SystemClock()
slots = Slots(GlobalLimit(sys.argv[1]), clock, Pace(loan_seconds=60, longest_request_seconds=5))
throttle = Throttle(max_in_flight=2, requests_per_second=None, clock=clock, slots=slots)
throttle.enter(), throttle.enter()
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.long
def test_slots_of_a_killed_process_come_back(server: Server) -> None:
    """Prefect lends for a minute at least, and looks for ended loans every 15 seconds."""
    limit(server, "ptolemy-killed", 2)
    holder = server.start("python", "-c", HOLD, "ptolemy-killed")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    assert taken(server, "ptolemy-killed") == 2
    with server.client():
        slots = Slots(GlobalLimit("ptolemy-killed"), SystemClock(), Pace(patience_seconds=120))
        throttle = Throttle(
            max_in_flight=2, requests_per_second=None, clock=SystemClock(), slots=slots
        )
        throttle.enter()
        throttle.leave(answered=True)
        throttle.rest()
    assert taken(server, "ptolemy-killed") == 0


def test_no_server_to_ask_ends_the_run_after_the_patience() -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        pace = Pace(patience_seconds=1.0, again_seconds=0.2)
        slots = Slots(GlobalLimit("ptolemy"), SystemClock(), pace)
        throttle = Throttle(
            max_in_flight=2, requests_per_second=None, clock=SystemClock(), slots=slots
        )
        began = time.monotonic()
        with pytest.raises(NoTurn, match="No slot of 'ptolemy' was to be had") as caught:
            throttle.enter()
    assert time.monotonic() - began >= 1.0
    assert "could not be asked for slots" in caught.value.message
    assert "Start the run again when the Prefect server answers" in caught.value.advice
