"""No class is read for the first time in a thread: docs/decisions/0027."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from armillary.backup.manifest import encode
from tests.backup.made import manifest_of

ROOT = Path(__file__).parents[2]

MANY_READ = """
import sys, threading
from armillary.backup.manifest import decode
content = sys.stdin.buffer.read()
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)
def read():
    together.wait()
    for _ in range(200):
        decode(content)
threads = [threading.Thread(target=read) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.slow
def test_many_threads_may_read_the_first_manifest_together() -> None:
    content = encode(manifest_of())
    for _ in range(10):
        ended = subprocess.run(
            [sys.executable, "-c", MANY_READ],
            input=content, cwd=ROOT, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr.decode()


def test_no_reading_describes_a_class_by_itself() -> None:
    for path in (ROOT / "armillary").rglob("*.py"):
        assert not re.search(r"\.decode\([^)]*\btype=", path.read_text()), path
