"""``armillary up``: the whole stack as a process, looked at over HTTP, and ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from armillary.errors import ArmillaryError, ConfigurationError
from cli import up as command
from cli.prefect_server import free_port
from cli.up_processes import Process, _end, _processes, free_port_from
from tests.conftest import STACK_IS_TRIED

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not STACK_IS_TRIED, reason="two minutes: ARMILLARY_STACK=1 tries the stack")
def test_everything_is_there_has_run_and_is_gone_after_ctrl_c(tmp_path: Path) -> None:
    # Below the ports that outgoing connections are given, as 4200 is.
    taken = free_port_from(14200)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        with _started("--port", str(taken), "--json", errors=tmp_path / "errors") as process:
            told = _first_object(process, tmp_path / "errors")
            assert told["ui"] != f"http://127.0.0.1:{taken}"
            family = _family(process.pid)
            _look_at(told)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, (tmp_path / "errors").read_text()
    said = (tmp_path / "errors").read_text()
    assert "Ending everything that was started" in said
    assert "Traceback" not in said
    assert len(family) >= 4, "simulator, S3, server, worker"
    assert _left(family) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(told["ui"])


def _look_at(told: dict[str, Any]) -> None:
    page = httpx.get(told["ui"], follow_redirects=True)
    assert "<html" in page.text.lower()
    with httpx.Client(base_url=f"{told['ui']}/api") as api:
        runs = api.post("/flow_runs/filter", json={}).raise_for_status().json()
        assert {run["state_name"] for run in runs} == {"Completed"}, runs
        assert {run["name"] for run in runs} == {run["name"] for run in told["runs"]}
        assert [run["deployment"] for run in told["runs"]] == [
            "sync-instruments/weekdays",
            "sync-venues/venues-hourly",
            "backup-workspace/backup-nightly",
        ]
        deployments = api.post("/deployments/filter", json={}).raise_for_status().json()
        described = {found["name"]: len(found["schedules"]) for found in DEPLOYMENTS}
        assert {found["name"]: len(found["schedules"]) for found in deployments} == described
        schedules = [one for found in deployments for one in found["schedules"]]
        assert not [schedule for schedule in schedules if schedule["active"]]
        assert set(command.TO_TRY) <= set(told["deployments"])
        named = _references(DEPLOYMENTS) | {"cadenza-feed/binance", "aws-credentials/main"}
        assert set(told["blocks"]) == named
        for slug in named:
            kind, _, name = slug.partition("/")
            path = f"/block_types/slug/{kind}/block_documents/name/{name}"
            assert api.get(path).raise_for_status().json()["is_anonymous"] is False
    ptolemy, cadenza = (told["places"][name] for name in ("Ptolemy", "Cadenza"))
    health = httpx.get(
        f"{ptolemy['url']}/instruments/count",
        headers={"Authorization": f"Bearer {ptolemy['token']}"},
    )
    assert health.status_code != 401
    assert cadenza["password"]


def _references(value: Any) -> set[str]:
    """Every block that is named by reference."""
    if isinstance(value, dict):
        if "block_document_slug" in value:
            return {value["block_document_slug"]}
        return _references(list(value.values()))
    return {slug for part in value for slug in _references(part)} if type(value) is list else set()


@contextmanager
def _started(*arguments: str, errors: Path) -> Iterator[subprocess.Popen[str]]:
    # What a person has set for services of their own must not matter.
    known = os.environ | {
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "ARMILLARY_PTOLEMY_TOKEN": "ptk_live_of_production",
        "AWS_ACCESS_KEY_ID": "production",
    }
    with (
        errors.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "cli", "up", *arguments],
            env=known,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)


def _first_object(process: subprocess.Popen[str], errors: Path) -> dict[str, Any]:
    """What was printed, as soon as it is whole: the command itself stays."""
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            found: dict[str, Any] = json.loads("".join(lines))
            return found
    raise AssertionError(errors.read_text())


def _family(pid: int) -> dict[int, str]:
    """Every process below one, with when it began."""
    known, found = _processes(), {pid}
    while grown := {one for one, of in known.items() if of.parent in found} - found:
        found |= grown
    return {one: known[one].began for one in found - {pid}}


def _left(family: dict[int, str]) -> list[int]:
    now = _processes()
    return [pid for pid, began in family.items() if pid in now and now[pid].began == began]


# What the parts do alone


def test_what_a_process_leaves_behind_in_a_session_of_its_own_is_ended_too() -> None:
    below = "import time; print('up', flush=True); time.sleep(600)"
    code = (
        "import subprocess, sys, time;"
        f"subprocess.Popen([sys.executable, '-c', {below!r}], start_new_session=True);"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        family = _family(parent.pid)
        assert len(family) == 1
        _end(parent)
        # The pipe ends when the last that holds it has ended.
        assert parent.stdout.read() == b""
    assert _left(family) == []


def test_a_process_that_has_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("no such work pool\n")
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as popen:
        popen.wait()
        with pytest.raises(ArmillaryError) as caught:
            Process("worker", popen, log).require_alive()
    assert "The worker has ended by itself (code 3). Its last words:" in str(caught.value)
    assert "no such work pool" in str(caught.value)


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port_from(taken) > taken


def test_no_port_is_told() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 65535))
        holder.listen()
        with pytest.raises(ConfigurationError, match="No port from 65535 on is free"):
            free_port_from(65535)


def test_outside_of_a_clone_it_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "NEEDED", (ROOT / "Makefile", tmp_path / "prefect.yaml"))
    with pytest.raises(ConfigurationError) as caught:
        command._require_clone()
    assert "prefect.yaml: not installed with the package, and needed here." in str(caught.value)
    assert "from a clone of the repository: make up" in str(caught.value)
    assert "Makefile" not in str(caught.value)
