"""A Prefect server of a test's own: with its UI and with all its services."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cli.prefect_server import free_port, wait_until_healthy
from tests.command import Command

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

MIGRATED = "migrated.db"
"""Beside the folders of all workers of a session: an empty database of a Prefect server."""

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Server:
    """Where the server is, for the browser and for commands."""

    url: str
    environment: dict[str, str]

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment against the server, to its end."""
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The same, without waiting for its end."""
        program = Path(sys.executable).parent / arguments[0]
        return subprocess.Popen(
            [program, *arguments[1:]],
            cwd=ROOT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def armillary(self, *arguments: str, **environment: str) -> Command:
        """Start ``armillary`` against the server, forked: what it says is there at its end."""
        return Command(arguments, self.environment | environment)

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """The server's API, for this process."""
        from prefect.client.orchestration import get_client  # noqa: PLC0415 - seconds, for a few
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

        with (
            temporary_settings({PREFECT_API_URL: f"{self.url}/api"}),
            get_client(sync_client=True) as client,
        ):
            yield client


@contextmanager
def own_server(home: Path, *, database: SecretStr | None = None) -> Iterator[Server]:
    """A server whose data and log lie in ``home``.

    Args:
        home: the folder.
        database: where its data lie instead; many runs at once are too much for a file.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "ARMILLARY_"))
    }
    environment = kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_SERVER_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "ARMILLARY_RUNS": str(home / "runs"),
    }
    of_server = dict(environment)
    if database is None:
        _begin_with_a_migrated_database(home)
    else:
        of_server["PREFECT_API_DATABASE_CONNECTION_URL"] = database.get_secret_value()
    log = home / "server.log"
    serve = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*serve, "--port", str(port)], env=of_server, stdout=output, stderr=output
        )
    try:
        wait_until_healthy(server, port, log)
        yield Server(url, environment)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _begin_with_a_migrated_database(home: Path) -> None:
    """As the session's server left it for others, if it has: a migration takes six seconds."""
    migrated = next(
        (found for folder in home.parents if (found := folder / MIGRATED).exists()), None
    )
    if migrated is not None:
        shutil.copy(migrated, home / "prefect.db")
