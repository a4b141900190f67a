"""What the parts of ``armillary up`` do alone; ``tests/browser`` looks at the whole stack."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from armillary.errors import ArmillaryError, ConfigurationError
from cli import console
from cli import up as command
from cli.up_notices import receiver
from cli.up_processes import Process, _end, _processes, free_port_from
from cli.up_runs import _by_id, _paused

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def _references(value: Any) -> set[str]:
    """Every block that is named by reference."""
    if isinstance(value, dict):
        if "block_document_slug" in value:
            return {value["block_document_slug"]}
        return _references(list(value.values()))
    return {slug for part in value for slug in _references(part)} if type(value) is list else set()


def _family(pid: int) -> dict[int, str]:
    """Every process below one, with when it began."""
    known, found = _processes(), {pid}
    while grown := {one for one, of in known.items() if of.parent in found} - found:
        found |= grown
    return {one: known[one].began for one in found - {pid}}


def _left(family: dict[int, str]) -> list[int]:
    now = _processes()
    return [pid for pid, began in family.items() if pid in now and now[pid].began == began]


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


def test_the_practice_deployments_are_paused_and_name_their_blocks_by_slug() -> None:
    """``prefect deploy`` copies a block that is named by its id, with its secrets."""
    made = _paused(ROOT / "prefect.yaml")["deployments"]
    assert _references(made) == _references(DEPLOYMENTS)
    for found, described in zip(made, DEPLOYMENTS, strict=True):
        assert found["parameters"] == described["parameters"]
        assert len(found["schedules"]) == len(described["schedules"])
        assert not any(schedule["active"] for schedule in found["schedules"])


def test_once_they_are_made_their_blocks_are_named_by_id() -> None:
    given = {"feed": {"$ref": {"block_document_slug": "file-feed/vendor"}}, "mode": "plan"}
    named = {"feed": {"$ref": {"block_document_id": "7f"}}, "mode": "plan"}
    assert _by_id(given, {"file-feed/vendor": "7f"}) == named


def test_notifications_are_shown_on_a_page_and_in_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(console.err, "file", said)
    with receiver() as url, httpx.Client(base_url=url) as client:
        assert "None yet." in client.get("/").text
        for subject in ("Armillary: <b>bad</b>", "Armillary: good again"):
            sent = {"subject": subject, "body": "What: sync of [vendor]\nState: Failed"}
            assert client.post("/", json=sent).text == "told"
        page = client.get("/").text
        assert page.index("good again") < page.index("&lt;b&gt;bad"), "newest first, and as text"
        assert "What: sync of [vendor]\nState: Failed" in page
        assert client.post("/", content=b"[]").status_code == 400
        assert client.post("/", content=b"{").status_code == 400
    assert "Notification: Armillary: <b>bad</b>\nWhat: sync of [vendor]\nState: Failed" in (
        said.getvalue()
    )
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
