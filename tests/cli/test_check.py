"""``armillary check`` of the environment alone: its words, its levels, its code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli import console
from cli.main import app
from simulator import Simulator
from tests.cli.test_commands import feed_file
from tests.sync.chain import vendor_rows


@pytest.fixture
def environment(sim: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Simulator:
    """A workspace that is ready, and no Prefect server."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "none.toml"))
    monkeypatch.setenv("ARMILLARY_PTOLEMY_URL", f"{sim.url}/v1")
    monkeypatch.setenv("ARMILLARY_PTOLEMY_WORKSPACE", "demo")
    monkeypatch.setenv("ARMILLARY_PTOLEMY_TOKEN", sim.token)
    return sim


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Check = Callable[..., Said]


@pytest.fixture
def check(
    environment: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """The command in this process, which costs no start of one."""

    def run(*arguments: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch:
            for name, text in (("out", out), ("err", err)):
                patch.setattr(getattr(console, name), "file", text)
            code = app(["check", *arguments], standalone_mode=False)
        return Said(code, out.getvalue() + capsys.readouterr().out, err.getvalue())

    return run


def findings(check: Check) -> dict[str, dict[str, str]]:
    told = json.loads(check("--json").out)
    assert set(told) == {"ready", "findings"}
    for entry in told["findings"]:
        assert set(entry) == {"subject", "level", "found", "todo"}
    return {entry["subject"]: entry for entry in told["findings"]}


def test_what_is_ready_is_told_a_line_each(check: Check, tmp_path: Path) -> None:
    said = check("--feed", feed_file(tmp_path, vendor_rows(1)))
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    for line in (
        "ok     token and workspace: the token opens demo",
        "ok     role: may write (Member)",
        "ok     clock: within 60 seconds of Ptolemy's",
        "ok     time zones: known: Europe/Zurich, America/New_York, Asia/Tokyo",
    ):
        assert line in lines
    assert any("type equity has all 4 fields it needs" in line for line in lines)
    file = tmp_path / "vendor.csv"
    size = file.stat().st_size
    assert (
        f"ok     feed vendor, source: {file} is there, with {size} bytes, and may be read" in lines
    )
    (at,) = [number for number, line in enumerate(lines) if line.startswith("look   run records")]
    assert "       For workers in containers or on several machines" in lines[at + 1]


def test_what_is_not_ready_says_what_to_do(
    check: Check, environment: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARMILLARY_PTOLEMY_TOKEN", environment.token_for("viewer"))
    role = findings(check)["role"]
    assert (role["level"], "Member" in role["todo"]) == ("warning", True)
    environment.revoke("viewer")
    revoked = check()
    assert revoked.code == 1
    assert "no     token and workspace: " in revoked.out
    assert "401" in revoked.out
    assert "run records: " in revoked.out, "the other lines hold"


def test_each_feed_is_asked_whatever_the_others_say(
    check: Check, environment: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.revoke("member")
    told = []
    for name, facts in (
        ("service", "kind: rest\nurl: https://127.0.0.1:9/x\ntoken_variable: NO_TOKEN\n"),
        ("query", "kind: sql\nquery: SELECT 1 AS id\nurl_variable: NO_DATABASE\n"),
        ("venue", "kind: cadenza\nvenue: NOSUCH\n"),
    ):
        path = tmp_path / f"{name}.yaml"
        rest = "" if name == "venue" else "instrument_type: equity\nidentifier: '{id}'\n"
        path.write_text(f"name: {name}\n{facts}{rest}")
        told += ["--feed", str(path)]
    monkeypatch.setenv("ARMILLARY_CADENZA_URL", environment.cadenza_url)
    monkeypatch.setenv("ARMILLARY_CADENZA_EMAIL", environment.cadenza.email)
    monkeypatch.setenv("ARMILLARY_CADENZA_PASSWORD", environment.cadenza.password)
    said = check(*told)
    assert said.code == 1
    for line in (
        "no     feed service, source: The environment variable NO_TOKEN, which holds the token of "
        "feed service, is not set where this run takes place.",
        "no     feed query, source: The environment variable NO_DATABASE, which holds the address "
        "of the database of feed query, is not set where this run takes place.",
        "no     feed venue, NOSUCH: Cadenza has no venue NOSUCH; it has BINANCE",
    ):
        assert line in said.out


def test_a_fault_of_our_own_is_a_line_as_well(
    check: Check, environment: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("ptk_live_s3cret")

    monkeypatch.setattr("cli.check.check_workspace", broken)
    told = findings(check)
    assert told["token and workspace"]["level"] == "failed"
    assert "could not be looked at: KeyError (test_check.py" in told["token and workspace"]["found"]
    assert "s3cret" not in str(told)
    assert "time zones" in told


def test_without_settings_and_without_a_server_nothing_can_be_looked_at(
    check: Check, environment: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ARMILLARY_PTOLEMY_TOKEN")
    monkeypatch.delenv("ARMILLARY_PTOLEMY_WORKSPACE")
    said = check()
    assert said.code == 2
    assert "ARMILLARY_PTOLEMY_WORKSPACE and ARMILLARY_PTOLEMY_TOKEN must be set" in said.err
    missing = check("--prefect-file", str(tmp_path / "nowhere.yaml"))
    assert missing.code == 2
    assert "nowhere.yaml does not exist" in missing.err


@pytest.mark.flow
def test_a_server_on_which_nothing_is_deployed_stops_no_command(
    check: Check, prefect_server: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - after the server's settings

    described = tmp_path / "prefect.yaml"
    described.write_text(
        "deployments: [{name: nowhere, entrypoint: flows.sync_venues.sync_venues, version: x,"
        " work_pool: {name: nowhere}, parameters: {account: {$ref: {block_document_slug: a/b}}},"
        " schedules: [{slug: one, cron: 0 1 * * *, timezone: Asia/Tokyo}]}]"
    )
    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    monkeypatch.delenv("ARMILLARY_PTOLEMY_TOKEN")
    monkeypatch.delenv("ARMILLARY_PTOLEMY_WORKSPACE")
    said = check("--prefect-file", str(described))
    assert said.code == 0, said.out
    lines = said.out.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith("    ")] == [
        "ok     Prefect server",
        "look   deployments",
        "ok     time zones",
        "look   run records",
    ]
    assert "look   deployments: none of the 1 of prefect.yaml is on the server" in said.out
