"""``make audit``: a hole fails, none passes, nobody to ask is told; against an OSV of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.prefect_server import free_port
from tests.servers import ROOT

AUDIT = str(ROOT / ".ci" / "audit.py")

LOCK = "".join(
    f"{name}=={version} --hash=sha256:{'a' * 64}\n"
    for name, version in (("certifi", "2026.1.1"), ("urllib3", "2.5.0"))
)

HOLE = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2026-1111"],
    "summary": "Follows a redirect\nwith the token.",
    "affected": [
        {
            "package": {"name": "urllib3", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.6.1"}]}],
        }
    ],
}

IGNORED = """
[[ignored]]
id = "CVE-2026-1111"
reason = "Nothing here follows a redirect."
until = 2026-12-31
"""


class Osv:
    """What it knows, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/query"
        self.holes: dict[str, Any] = {}
        self.status = 200
        self.asked: list[str] = []


Audit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as started:
        thread = threading.Thread(target=started.serve_forever, daemon=True)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


@pytest.fixture
def osv(server: ThreadingHTTPServer) -> Osv:
    server.osv = Osv(server.server_port)  # type: ignore[attr-defined]
    found: Osv = server.osv  # type: ignore[attr-defined]
    return found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        osv: Osv = self.server.osv  # type: ignore[attr-defined]
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = asked["package"]
        osv.asked.append(f"{package['name']} {asked['version']}")
        found = osv.holes.get(package["name"])
        body = json.dumps({"vulns": [found]} if found else {}).encode()
        self.send_response(osv.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
        """Nothing."""


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """``audit(url, ignored="...", lock="...")`` runs it as ``make audit`` does."""

    def run(url: str, *, ignored: str = "", lock: str = LOCK) -> subprocess.CompletedProcess[str]:
        pinned, passed = tmp_path / "requirements.lock", tmp_path / "advisories.toml"
        pinned.write_text(lock)
        passed.write_text(ignored)
        options = ["--lock", str(pinned), "--ignored", str(passed), "--osv-url", url]
        return subprocess.run(
            [sys.executable, AUDIT, *options, "--today", "2026-11-26"],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


def test_without_a_hole_it_passes(osv: Osv, audit: Audit) -> None:
    done = audit(osv.url)
    assert (done.returncode, done.stdout) == (
        0,
        "No known hole in what requirements.lock pins.\n",
    ), done.stderr
    assert osv.asked[1:] == ["certifi 2026.1.1", "urllib3 2.5.0"]


def test_a_hole_fails_and_says_what_to_do(osv: Osv, audit: Audit) -> None:
    osv.holes["urllib3"] = HOLE
    done = audit(osv.url)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "hole: urllib3 2.5.0: CVE-2026-1111 (GHSA-aaaa-bbbb-cccc), fixed in 2.6.1. Follows a "
        "redirect with the token.",
        "Raise what has a fix (`make lock`), or give .ci/advisories.toml a reason and a day.",
    ]


@pytest.mark.parametrize(
    ("until", "code", "words"),
    [
        ("2026-11-26", 0, "let pass until 2026-11-26: urllib3 2.5.0"),
        ("2026-11-25", 1, "It was let pass until 2026-11-25: look again."),
    ],
)
def test_an_advisory_is_let_pass_until_its_last_day(
    osv: Osv, audit: Audit, until: str, code: int, words: str
) -> None:
    osv.holes["urllib3"] = HOLE
    done = audit(osv.url, ignored=IGNORED.replace("2026-12-31", until))
    assert done.returncode == code, done.stderr
    assert words in done.stdout


def test_one_that_is_no_hole_any_more_is_told(osv: Osv, audit: Audit) -> None:
    done = audit(osv.url, ignored=IGNORED)
    assert done.returncode == 0
    assert "CVE-2026-1111 in advisories.toml is no hole any more: take it out." in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        "[[ignored]]\nid = 'CVE-2026-1111'\nreason = ' '\nuntil = 2026-12-31\n",
        "[[ignored]]\nid = 'CVE-2026-1111'\nreason = 'later'\nuntil = 'soon'\n",
        "[[ignored]]\nid = 'CVE-2026-1111'\n",
    ],
)
def test_without_reason_and_day_nothing_is_let_pass(audit: Audit, wrong: str) -> None:
    done = audit("http://127.0.0.1:1/", ignored=wrong)
    assert done.returncode == 1
    assert "reason and a day (until)" in done.stdout


def test_nobody_to_ask_is_told_and_is_no_failure(audit: Audit) -> None:
    done = audit(f"http://127.0.0.1:{free_port()}/v1/query")
    assert done.returncode == 0
    assert done.stdout == (
        "Not audited: the advisory service cannot be reached from here ([Errno 111] Connection "
        "refused).\n"
    )


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(503, 0, "Not audited: "), (404, 1, "The audit failed: http://127.0.0.1")],
)
def test_a_service_that_is_down_is_nobody_and_a_wrong_one_is_a_failure(
    osv: Osv, audit: Audit, status: int, code: int, words: str
) -> None:
    osv.status = status
    done = audit(osv.url)
    assert (done.returncode, done.stdout.startswith(words)) == (code, True)
    assert f"answered {status}" in done.stdout


def test_a_lock_without_hashes_is_a_failure(osv: Osv, audit: Audit) -> None:
    done = audit(osv.url, lock="urllib3==2.5.0\n")
    assert done.returncode == 1
    assert done.stdout.startswith("The audit failed: pip-audit ended with 1: ")


def test_the_project_lets_nothing_pass_that_has_no_reason_and_the_lock_can_be_read(
    osv: Osv,
) -> None:
    """All pins of the project, with the file that is in force."""
    done = subprocess.run(
        [sys.executable, AUDIT, "--osv-url", osv.url],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pinned = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    ]
    assert len(osv.asked) == len(pinned) + 1
