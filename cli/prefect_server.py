"""The Prefect server the command works with: the one configured, else a temporary one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from armillary.errors import ArmillaryError, ConfigurationError
from cli.console import say

START_SECONDS = 90
STOP_SECONDS = 10
ANSWER_SECONDS = 10

_QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    # Nothing is scheduled on a server that lives as long as one command.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_ENABLED": "false",
    # Nor does anybody look at its blocks, automations and events: seconds of its start, and half of
    # its work for each task run.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
}


@contextmanager
def prefect_api(*, verbose: bool = False, temporary: bool = False) -> Iterator[None]:
    """Have a Prefect API while the block lasts.

    Must be entered before anything imports Prefect: it reads its settings when imported.

    Args:
        verbose: show Prefect's own log as well.
        temporary: do not use the server that is configured, if one is.

    Raises:
        ConfigurationError: the server that PREFECT_API_URL names does not answer.
        ArmillaryError: the temporary server did not start.
    """
    # The command tells the outcome itself; Prefect would say each error three times more.
    if not verbose:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if not temporary and server_is_configured():
        _require_answer(os.environ.get("PREFECT_API_URL", ""))
        yield
        return
    say("Starting a temporary Prefect server (about ten seconds); PREFECT_API_URL names another.")
    with tempfile.TemporaryDirectory(prefix="armillary-prefect-") as home:
        os.environ["PREFECT_HOME"] = home
        os.environ.update(_QUIET)
        port = free_port()
        with _server(Path(home), port):
            os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
            # Nobody can read logs on a server that is about to end; they go to the terminal.
            os.environ["PREFECT_LOGGING_TO_API_ENABLED"] = "false"
            try:
                yield
            finally:
                _drain_events()


def _require_answer(url: str) -> None:
    """Tell it now: Prefect itself tries for a minute, and ends in a traceback."""
    if not url:
        return
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=ANSWER_SECONDS)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        why = type(error).__name__
    else:
        return  # any answer: Prefect Cloud asks for a key here
    host = urlsplit(url).netloc.rpartition("@")[2]
    raise ConfigurationError(
        f"The Prefect server at {host or 'PREFECT_API_URL'} does not answer ({why}).",
        next_step="Start it, or correct PREFECT_API_URL; unset, the command starts a temporary "
        "server. Nothing was done.",
    )


def require_server(limit: str) -> None:
    """Make sure that a server is configured if a limit of it is to be shared.

    Raises:
        ConfigurationError: there is only a temporary server, which nobody else knows.
    """
    if limit and not server_is_configured():
        raise ConfigurationError(
            f"ARMILLARY_PTOLEMY_CONCURRENCY_LIMIT names {limit!r}, a limit that processes share "
            "through a Prefect server, and no server is configured.",
            next_step="Set PREFECT_API_URL to the server all of them use, or leave the limit out.",
        )


def server_is_configured() -> bool:
    """Whether a server is named by the environment or by the person's Prefect profile."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml"))
    if not profiles.exists():
        return False
    from prefect.settings import get_current_settings  # noqa: PLC0415 - a second of import time

    return get_current_settings().api.url is not None


@contextmanager
def _server(home: Path, port: int) -> Iterator[None]:
    log = home / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until_healthy(process, port, log)
        yield
    finally:
        _end(process)


def wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait for a server that was just started.

    Raises:
        ArmillaryError: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    # One client: each loads the authorities of the machine, which takes longer than asking.
    with httpx.Client(timeout=2) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(f"http://127.0.0.1:{port}/api/health").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    tail = log.read_text(errors="replace")[-1500:]
    raise ArmillaryError(
        f"The temporary Prefect server did not start within {START_SECONDS} seconds.",
        next_step="Start one yourself (prefect server start) and set PREFECT_API_URL. Its last "
        f"words:\n{tail}",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _drain_events() -> None:
    """Let queued events arrive before the server goes, else the exit is full of complaints."""
    if "prefect.events.worker" in sys.modules:
        sys.modules["prefect.events.worker"].EventsWorker.drain_all(timeout=STOP_SECONDS)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
