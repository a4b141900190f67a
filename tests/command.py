"""The ``armillary`` command in a process of its own, forked from one that has imported Prefect.

A process from nothing spends seconds of processor time on imports, and the suite starts a hundred.
What the start itself is about (settings that Prefect reads when it is imported, a server of the
command's own) needs ``python -m cli``.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pkgutil
import runpy
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from multiprocessing import forkserver
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("armillary", "blocks", "tasks", "flows")
PREFECT = ("prefect.flow_engine", "prefect.task_engine", "prefect_aws.credentials")


class Command:
    """A command that was started; a context manager that waits for its end."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it.

        Args:
            arguments: of ``armillary``.
            environment: all of it, with the ``PREFECT_API_URL`` of its server.

        Raises:
            ValueError: it needs an interpreter of its own.
        """
        if "--verbose" in arguments:
            raise ValueError("What Prefect logs is settled when it is imported: python -m cli")
        self.stdout = self.stderr = ""
        """What it printed and told, once it has ended."""
        self._said = Path(mkdtemp(prefix="armillary-command-"))
        _have_parent(environment["PREFECT_API_URL"])
        self._process = multiprocessing.get_context("forkserver").Process(
            target=_run,
            args=(list(arguments), dict(environment), str(self._said), str(Path.cwd())),
            daemon=True,  # nothing outlives the tests
        )
        self._process.start()

    def __enter__(self) -> Self:
        """Nothing more: it has begun."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do not leave it behind."""
        if error is not None:
            self._process.kill()
        self._process.join()
        self.poll()

    @property
    def returncode(self) -> int | None:
        """As ``subprocess`` tells it: None while it runs, negative for a signal."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit code, if it has ended."""
        code = self.returncode
        if code is not None and self._said.exists():
            self.stdout, self.stderr = (
                path.read_text() if (path := self._said / name).exists() else ""
                for name in ("out", "err")
            )
            shutil.rmtree(self._said)
        return code

    def wait(self, timeout: float = 100) -> int:
        """The exit code at its end.

        Raises:
            TimeoutError: it has not ended in time, and was killed.
        """
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            self._process.kill()
            self._process.join()
            self.poll()
            raise TimeoutError(f"armillary has not ended within {timeout} s: {self.stderr}")
        return code

    def send_signal(self, sent: signal.Signals) -> None:
        """As the terminal, or a supervisor, sends it."""
        if self._process.pid is not None and self.poll() is None:
            os.kill(self._process.pid, sent)


def _have_parent(api_url: str) -> None:
    """Start the process that all commands are forked from; it runs nothing itself."""
    names = [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
    ]
    multiprocessing.set_forkserver_preload([*PREFECT, *names, __name__])
    kept = dict(os.environ)
    # Prefect reads these when it is imported: as cli/prefect_server.py would have set them.
    os.environ |= {"PREFECT_API_URL": api_url, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ.pop("PREFECT_LOGGING_LEVEL", None)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _run(arguments: list[str], environment: dict[str, str], said: str, folder: str) -> None:
    """What ``python -m cli`` does, in the forked process."""
    settled = os.environ["PREFECT_API_URL"]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(Path(said, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = ["armillary", *arguments]
    if os.environ["PREFECT_API_URL"] != settled:
        from prefect.context import refresh_global_settings_context  # noqa: PLC0415 - see PREFECT

        refresh_global_settings_context()
    try:
        runpy.run_module("cli", run_name="__main__", alter_sys=False)
    finally:
        # As an interpreter ends: multiprocessing does not.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
