"""Calling a function in a process of its own: no other thread has its GIL, no other its memory.

Arguments and result travel as JSON. A child that takes too long is ended.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 900
_LAST_WORDS = 3000


class ChildFailed(RuntimeError):
    """A child ended without a result; the message holds its last words."""


def in_child(
    function: Callable[..., Any], timeout_seconds: float = TIMEOUT_SECONDS, /, **arguments: Any
) -> Any:
    """The result of a module-level function, called in a fresh interpreter.

    Raises:
        ChildFailed: it raised, or took longer than ``timeout_seconds``.
    """
    called = f"{function.__module__}.{function.__name__}"
    with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
        answer = Path(folder) / "answer.json"
        asked = json.dumps([function.__module__, function.__name__, arguments, str(answer)])
        try:
            # Arguments go by standard input: one of them is a token.
            child = subprocess.run(
                [sys.executable, "-m", "benchmarks.children"],
                input=asked.encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"{called} took more than {timeout_seconds:.0f} seconds") from None
        if child.returncode or not answer.exists():
            said = child.stdout.decode(errors="replace")[-_LAST_WORDS:]
            raise ChildFailed(f"{called} ended with {child.returncode}:\n{said}")
        return json.loads(answer.read_bytes())


def _answer() -> None:
    module, name, arguments, answer = json.load(sys.stdin)
    result = getattr(importlib.import_module(module), name)(**arguments)
    Path(answer).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    _answer()
