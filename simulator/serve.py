"""Starting a simulator: in a thread of this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

import uvicorn

from simulator.cadenza.control import CadenzaControl
from simulator.cadenza.service import Cadenza
from simulator.clock import SimulatorClock
from simulator.config import Config
from simulator.control import Control
from simulator.faults import FaultRates, Rule
from simulator.protocol import OpenProtocol
from simulator.ptolemy import dump, seeding
from simulator.ptolemy.downloads import Downloads
from simulator.ptolemy.service import Ptolemy
from simulator.ptolemy.workspace import Workspace
from simulator.server import Server
from simulator.switches import Role

TICK_SECONDS = 0.01
KEEP_ALIVE_SECONDS = 75
START_SECONDS = 30.0
STOP_SECONDS = 10.0
STOP_TICK_SECONDS = 0.002


class _Uvicorn(uvicorn.Server):
    """Uvicorn that stops soon after it is told, and lets held requests go first."""

    def __init__(
        self, config: uvicorn.Config, server: Server, started: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._server = server
        self._when_started = started

    async def main_loop(self) -> None:
        """Tick more often than uvicorn does."""
        self._when_started()
        ticks = 0
        while not await self.on_tick(ticks % 100):
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Release what waits, close what is idle, let the rest finish within reason."""
        self._server.stopping.set()
        for listening in self.servers:
            listening.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = time.monotonic() + STOP_SECONDS
        while (state.connections or state.tasks) and time.monotonic() < until:
            await asyncio.sleep(STOP_TICK_SECONDS)
        for task in list(state.tasks):
            task.cancel()


def build(config: Config) -> tuple[Server, Control]:
    """The application and its controls."""
    clock = SimulatorClock(frozen=config.frozen_clock)
    ptolemy = Ptolemy(config, clock)
    cadenza = Cadenza(config.cadenza, clock, config.seed)
    server = Server(config, clock, [ptolemy, Downloads(ptolemy), cadenza])
    control = Control(ptolemy, cadenza, clock, server)
    server.control = control
    return server, control


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    # Named TCP, or asyncio leaves Nagle's algorithm on and small answers wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _uvicorn(server: Server, started: Callable[[], object]) -> _Uvicorn:
    settings = uvicorn.Config(
        server,
        http=OpenProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    return _Uvicorn(settings, server, started)


def run(config: Config, host: str = "127.0.0.1", port: int = 0) -> None:
    """Serve in the foreground until interrupted; prints one line with what a client needs."""
    listener = bind(host, port)
    server, control = build(config)
    slug = config.workspaces[0].slug
    url = f"http://{host}:{listener.getsockname()[1]}"
    account = config.cadenza.accounts[0]
    line = (
        f"simulator {url}/v1 workspace={slug} token={config.token(slug, 'member')} "
        f"cadenza={url} email={account.email} password={account.password}"
    )
    announce = partial(print, line, flush=True)
    with suppress(KeyboardInterrupt):
        _uvicorn(server, announce).run(sockets=[listener])
    control.close()


class Simulator:
    """A simulator in a background thread on a free loopback port.

    Example:
        with Simulator(Config.preset("guide")) as sim:
            httpx.get(sim.workspace_url + "/instruments",
                      headers={"Authorization": f"Bearer {sim.token}"})
    """

    def __init__(self, config: Config | None = None, *, port: int = 0) -> None:
        self.config = config or Config()
        self._port = port
        self._thread: threading.Thread | None = None
        self._runner: _Uvicorn | None = None
        self._server, self.control = build(self.config)
        self.clock: SimulatorClock = self._server.clock
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self.control.close()

    def start(self) -> None:
        """Start serving (again, on the same port); returns when requests are answered."""
        listener = bind("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._server.stopping = asyncio.Event()
        started = threading.Event()
        self._runner = _uvicorn(self._server, started.set)
        self._thread = threading.Thread(
            target=self._runner.run, args=([listener],), name="simulator", daemon=True
        )
        self._thread.start()
        if not started.wait(START_SECONDS):
            raise RuntimeError(f"The simulator did not start within {START_SECONDS:.0f} s")

    def stop(self) -> None:
        """Stop serving and wait for the thread; the state stays readable."""
        if self._runner is None or self._thread is None:
            return
        self._runner.should_exit = True
        self._thread.join(STOP_SECONDS * 2)
        self._runner = self._thread = None

    @property
    def workspace_url(self) -> str:
        """Base address of the first workspace, by slug."""
        return self.url_of(self.config.workspaces[0].slug)

    def url_of(self, workspace: str) -> str:
        """Base address of a workspace by slug or UUID."""
        return f"{self.url}/v1/workspaces/{workspace}"

    @property
    def token(self) -> str:
        """The member token of the first workspace."""
        return self.token_for("member")

    def token_for(self, role: Role, workspace: str | None = None) -> str:
        """The token of a role in a workspace (slug); the first workspace when none is named."""
        return self.config.token(workspace or self.config.workspaces[0].slug, role)

    @property
    def cadenza_url(self) -> str:
        """Base address of the simulated Cadenza."""
        return self.url

    @property
    def cadenza(self) -> CadenzaControl:
        """Controls of the simulated Cadenza."""
        return self.control.cadenza

    @property
    def store(self) -> Workspace:
        """The first workspace itself, for tests that look inside."""
        return self.control.workspace()

    def workspace(self, slug: str | None = None) -> Workspace:
        """A workspace itself."""
        return self.control.workspace(slug)

    def calls(self) -> dict[str, int]:
        """Counts of requests by ``METHOD /template``."""
        counts: dict[str, int] = self._server.recorder.calls()["calls"]
        return counts

    def reset_calls(self) -> None:
        """Forget counts and log."""
        self._server.recorder.reset()

    def log(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The latest requests, oldest first."""
        return self._server.recorder.log(limit)

    def state(self, workspace: str | None = None) -> dump.State:
        """The canonical state of a workspace."""
        return dump.state(self.control.workspace(workspace))

    def digest(self, workspace: str | None = None) -> str:
        """SHA-256 over that state."""
        return dump.digest(self.control.workspace(workspace))

    @property
    def faults(self) -> list[Rule]:
        """The fault plan; setting it (rules or dicts) starts it from its beginning."""
        return list(self.control.ptolemy.config.faults)

    @faults.setter
    def faults(self, rules: Iterable[Rule | Mapping[str, Any]]) -> None:
        self.control.plan([Rule.model_validate(rule) for rule in rules])

    def set_fault_rates(self, **rates: Any) -> None:
        """Replace the random faults."""
        self.control.plan(self.faults, FaultRates(**rates))

    def configure(self, **changes: Any) -> None:
        """Change switches and limits while running."""
        self.config = self.control.configure(changes)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.clock.advance(seconds)

    def revoke(self, role: Role = "member", workspace: str | None = None) -> None:
        """Revoke the token of a role."""
        self.control.revoke(f"{workspace or self.config.workspaces[0].slug}:{role}")

    def seed(self, rows: Iterable[Mapping[str, Any]], *, workspace: str | None = None) -> int:
        """Load instruments without requests; rows as create bodies, plus ``archived``, ``id``."""
        return self.seed_all({"instruments": rows}, workspace=workspace)["instruments"]

    def seed_all(
        self, rows: Mapping[str, Iterable[Mapping[str, Any]]], *, workspace: str | None = None
    ) -> dict[str, int]:
        """Load rows of several resource types, in the order given."""
        return seeding.seed(self.control.workspace(workspace), rows)
