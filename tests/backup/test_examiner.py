"""Looking at rows in a thread and in a process: the same answer, and nobody waits for ever."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from armillary.backup.examination import Examined
from armillary.backup.examiner import (
    PROCESS_BYTES,
    Examiner,
    ProcessExaminer,
    ThreadExaminer,
    examiner_for,
)
from armillary.errors import ExportDamaged, TransferFailed

ROWS = [
    {"id": f"i-{number}", "identifier": f"acmé{number}", "archived_at": None if number % 3 else "x"}
    for number in range(20_000)
]
CONTENT = json.dumps(ROWS, ensure_ascii=False).encode()

BOTH = [ThreadExaminer, ProcessExaminer]


def examined(examiner: Examiner, content: bytes, size: int = 100_000) -> Examined:
    with examiner:
        for at in range(0, len(content), size):
            examiner.put(content[at : at + size])
        return examiner.finish()


@pytest.mark.parametrize("kind", BOTH)
def test_both_tell_the_same(kind: Any) -> None:
    found = examined(kind("instruments"), CONTENT)
    assert (found.format, found.bytes) == ("json", len(CONTENT))
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert found.seen.rows == 20_000
    assert found.seen.active == sum(row["archived_at"] is None for row in ROWS)
    assert found.seen.names == {str(row[key]) for row in ROWS for key in ("id", "identifier")}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-20], "The export is cut off or damaged"),
        (b"<html>" + b" " * 30_000_000, "an HTML or XML page and no rows"),
        (b"", "The export is empty"),
    ],
    ids=["cut off", "page", "empty"],
)
def test_what_is_no_whole_export_is_told(kind: Any, content: bytes, message: str) -> None:
    with pytest.raises(ExportDamaged, match=message):
        examined(kind("instruments"), content)


def test_a_large_file_has_a_process_and_a_small_or_unknown_one_a_thread() -> None:
    assert isinstance(examiner_for("markets", PROCESS_BYTES), ProcessExaminer)
    assert isinstance(examiner_for("markets", PROCESS_BYTES - 1), ThreadExaminer)
    assert isinstance(examiner_for("markets", None), ThreadExaminer)


def running(examiner: ProcessExaminer) -> subprocess.Popen[bytes]:
    process = vars(examiner)["_process"]
    assert isinstance(process, subprocess.Popen)
    return process


def test_whoever_gives_up_leaves_no_process() -> None:
    examiner = ProcessExaminer("instruments")
    with examiner:
        examiner.put(CONTENT)
    assert running(examiner).returncode == -signal.SIGKILL


def test_a_process_that_dies_is_told_and_not_waited_for() -> None:
    examiner = ProcessExaminer("instruments")
    with examiner:
        examiner.put(CONTENT)
        running(examiner).kill()
        with pytest.raises(TransferFailed) as caught:
            examiner.put(CONTENT * 20)
    assert str(caught.value).startswith(
        "The process that looks at the rows of instruments ended by itself"
    )


PARENT = """
import sys, time
from armillary.backup.examiner import ProcessExaminer
examiner = ProcessExaminer("instruments")
with examiner:
    examiner.put(b"[")
    print(vars(examiner)["_process"].pid, flush=True)
    time.sleep(60)
"""


def test_a_killed_run_leaves_no_process() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = Path(f"/proc/{int(parent.stdout.readline())}")
        if not child.parent.exists():
            parent.kill()
            pytest.skip("needs /proc to see a process of somebody else")
        assert child.exists()
        parent.kill()
    deadline = time.monotonic() + 20
    while child.exists() and not is_dead(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_dead(process: Path) -> bool:
    """Ended, and not yet buried by whoever inherited it."""
    try:
        return ") Z " in (process / "stat").read_text()
    except OSError:
        return True


def test_what_was_seen_survives_the_way_between_processes() -> None:
    found = examined(ThreadExaminer("instruments"), CONTENT)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Examined) == found
