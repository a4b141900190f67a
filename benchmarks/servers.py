"""The servers of a benchmark: simulator, Prefect server, S3 server, processes that end with it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx

from benchmarks.simulator_ceiling import Server, simulator
from cli.prefect_server import free_port, prefect_api

_SEED_CHUNK = 20_000
_CONTROL_SECONDS = 120
_START_SECONDS = 60


@dataclass(frozen=True)
class Requests:
    """Requests of one kind as the simulator's log has them."""

    count: int
    seconds: float
    """From the arrival of the first to the arrival of the last."""
    failed: int


class Workspace:
    """The workspace ``demo`` of a simulator in another process, and that simulator's controls."""

    def __init__(self, server: Server) -> None:
        self.api = f"{server.url}/v1"
        self.token = server.token
        self._control = httpx.Client(
            base_url=f"{server.url}/_simulator", timeout=_CONTROL_SECONDS, trust_env=False
        )

    @property
    def address(self) -> str:
        """Where the paths of the workspace start."""
        return f"{self.api}/workspaces/demo"

    def close(self) -> None:
        """Let go of the control connection."""
        self._control.close()

    def seed(self, rows: Iterable[dict[str, Any]]) -> None:
        """Load instruments without requests."""
        left = iter(rows)
        while chunk := list(islice(left, _SEED_CHUNK)):
            self._control.post("/seed", json={"instruments": chunk}).raise_for_status()

    def delay(self, method: str, seconds: float) -> None:
        """Answer every request of a method only after some time."""
        rule = {"method": method, "action": "delay", "seconds": seconds, "times": None}
        self._control.put("/faults", json=[rule]).raise_for_status()

    def at_once(self) -> None:
        """Answer at once again."""
        self._control.put("/faults", json=[]).raise_for_status()

    def forget(self) -> None:
        """Empty the log."""
        self._control.post("/reset-calls").raise_for_status()

    def requests(self, method: str = "", template: str = "") -> Requests:
        """What was asked since ``forget``; blank stands for any."""
        entries = [
            entry
            for entry in self._control.get("/log").raise_for_status().json()["log"]
            if method in ("", entry["method"]) and template in ("", entry["template"])
        ]
        times = [entry["at"] for entry in entries]
        return Requests(
            count=len(entries),
            seconds=max(times) - min(times) if times else 0.0,
            failed=sum(1 for entry in entries if not 200 <= (entry["status"] or 0) < 300),
        )


@contextmanager
def workspace() -> Iterator[Workspace]:
    """An empty workspace as the guides see the API (their loop needs pages of 500)."""
    with simulator() as server:
        opened = Workspace(server)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server; the environment names it to children while the block lasts.

    Neither a server nor a profile of the person who measures is used.
    """
    before = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
            for name in [
                name for name in os.environ if name.startswith(("PREFECT_", "ARMILLARY_"))
            ]:
                del os.environ[name]
            os.environ["PREFECT_HOME"] = folder
            os.environ["ARMILLARY_RUNS"] = f"{folder}/runs"
            with prefect_api():
                yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def s3_server() -> Iterator[str]:
    """Moto in a process of its own; its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > until:
                raise RuntimeError("moto did not start")
            time.sleep(0.1)
        yield url
    finally:
        child.terminate()
        child.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
