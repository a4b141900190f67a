"""Prefect's part of the practice stack: a server with its UI, and a worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from armillary.errors import ArmillaryError, ConfigurationError

START_SECONDS = 120
STOP_SECONDS = 10

PORTS_TRIED = 100

WORK_POOL = "default"
"""The pool that every deployment of prefect.yaml names."""

SETTINGS: Mapping[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The pages that the links and the guide are about; the new ones are a click away.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    # Dozens of block types that nothing here is about, and seconds of its start.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    # A person who has just pressed a button waits for the worker to see it.
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}

_LAST_WORDS = 1500
"""So many characters of a log are shown of a process that has ended."""

_STATE, _PARENT, _BEGAN = 0, 1, 19
"""Places in /proc/PID/stat behind the name: Z has ended, the parent's id, when it began."""


@dataclass(frozen=True)
class Process:
    """A process that was started, and where it writes its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def require_alive(self) -> None:
        """Make sure that it is still there.

        Raises:
            ArmillaryError: it has ended by itself; its last words are told.
        """
        if self.popen.poll() is not None:
            raise ArmillaryError(
                f"The {self.name} has ended by itself (code {self.popen.returncode}).",
                next_step=f"Its last words:\n{self.last_words}",
            )

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-_LAST_WORDS:]


def free_port_from(port: int) -> int:
    """The first port of the loopback address from this one on that can be had.

    Raises:
        ConfigurationError: a hundred of them are taken.
    """
    for tried in range(port, min(port + PORTS_TRIED, 65536)):
        with socket.socket() as probe, suppress(OSError):
            # The connections of a stack that has just ended do not count; Prefect asks likewise.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", tried))
            return tried
    raise ConfigurationError(
        f"No port from {port} on is free on 127.0.0.1.", next_step="Name another with --port."
    )


@contextmanager
def prefect_server(folder: Path, port: int) -> Iterator[Process]:
    """A Prefect server with its UI, for as long as the block lasts; it needs a while to answer.

    Args:
        folder: for its log; its data lies in PREFECT_HOME.
        port: of the loopback address.
    """
    command = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _prefect("Prefect server", command, folder / "server.log") as server:
        yield server


def wait_until_healthy(server: Process, port: int) -> None:
    """Wait for a Prefect server that was started.

    Raises:
        ArmillaryError: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(port):
        server.require_alive()
        if time.monotonic() > deadline:
            raise ArmillaryError(
                f"The Prefect server does not answer {START_SECONDS} seconds after its start.",
                next_step=f"Its last words:\n{server.last_words}",
            )
        time.sleep(0.2)


@contextmanager
def worker(folder: Path) -> Iterator[Process]:
    """A worker that runs each flow run as a process below it.

    Args:
        folder: for its log.
    """
    command = ["worker", "start", "--pool", WORK_POOL, "--type", "process"]
    command += ["--name", "practice", "--no-create-pool-if-not-found"]
    with _prefect("worker", command, folder / "worker.log") as process:
        yield process


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=2).is_success
    except httpx.TransportError:
        return False


@contextmanager
def _prefect(name: str, command: Sequence[str], log: Path) -> Iterator[Process]:
    with log.open("wb") as output:
        popen = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-m", "prefect", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the command, which then ends them one after another.
            start_new_session=True,
        )
    try:
        yield Process(name, popen, log)
    finally:
        _end(popen)


def _end(popen: subprocess.Popen[bytes]) -> None:
    """End a process, and what it leaves behind: each flow run has a session of its own."""
    family = _below({popen.pid})
    popen.terminate()
    with suppress(subprocess.TimeoutExpired):
        popen.wait(STOP_SECONDS)
    # An orphan is nobody's child any more; by id and start it is still the same process.
    now = _processes()
    left = {pid for pid, known in family.items() if pid in now and now[pid].began == known.began}
    for pid in left | set(_below(left)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    popen.kill()
    popen.wait()


class _Known(NamedTuple):
    parent: int
    began: str


def _below(pids: set[int]) -> dict[int, _Known]:
    """All descendants of processes, by their ids; none where there is no /proc."""
    processes = _processes()
    found = set(pids)
    while grown := {pid for pid, known in processes.items() if known.parent in found} - found:
        found |= grown
    return {pid: processes[pid] for pid in found - pids}


def _processes() -> dict[int, _Known]:
    found: dict[int, _Known] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name of a program may hold anything, so also blanks and brackets.
            fields = path.read_text().rpartition(")")[2].split()
            if fields[_STATE] != "Z":
                found[int(path.parent.name)] = _Known(int(fields[_PARENT]), fields[_BEGAN])
    return found
