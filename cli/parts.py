"""The parts the demo stands on, each a process of its own that ends with the demo."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from armillary.errors import ArmillaryError
from armillary.settings import Settings

STOP_SECONDS = 10
_LINE = re.compile(r"simulator (?P<url>\S+) workspace=(?P<workspace>\S+) token=(?P<token>\S+)")


@contextmanager
def simulator(*, runs: str) -> Iterator[Settings]:
    """A simulated Ptolemy with an empty workspace; yields settings that point to it.

    Args:
        runs: folder for what the runs leave.

    Raises:
        ArmillaryError: it did not start.
    """
    command = [sys.executable, "-m", "simulator", "--preset", "reference", "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = _LINE.match(line)
            if found is None:
                said = process.stderr.read() if process.stderr else line
                raise ArmillaryError("The simulator did not start.", next_step=said)
            yield Settings(
                ptolemy_url=found["url"],
                ptolemy_workspace=found["workspace"],
                ptolemy_token=SecretStr(found["token"]),
                ptolemy_concurrency_limit="",
                runs=runs,
            )
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
