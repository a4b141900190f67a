"""The practice stack of ``armillary up``, as a test starts it, looks at it and ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cli.prefect_server import free_port
from cli.up_processes import _processes, free_port_from
from tests.servers import Server

END_SECONDS = 60
TRIES = 5


@dataclass(frozen=True)
class PracticeStack:
    """The command as it runs, with what it told when all was ready."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    taken: int
    """A port that was asked for and that something else holds."""
    errors: Path

    @property
    def ui(self) -> str:
        """Address of the Prefect UI."""
        return str(self.told["ui"])

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What the Prefect API answers; while its database is busy it is asked again."""
        for _ in range(TRIES):
            answer = httpx.request(method, f"{self.ui}/api{path}", json=body, timeout=60)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
        return answer.raise_for_status().json() if answer.content else None

    @property
    def server(self) -> Server:
        """For commands of a second terminal."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("PREFECT_", "ARMILLARY_"))}  # fmt: skip
        return Server(self.ui, kept | {"PREFECT_API_URL": f"{self.ui}/api"})

    @property
    def control(self) -> str:
        """Where the simulators are asked what they saw."""
        return str(self.told["places"]["Ptolemy"]["url"]).removesuffix("/v1") + "/_simulator"

    def deployed(self, name: str) -> dict[str, Any]:
        """A deployment, as the server has it."""
        found: dict[str, Any] = self.api("GET", f"/deployments/name/{name}")
        return found

    def block(self, slug: str) -> dict[str, Any]:
        """A block document."""
        kind, _, name = slug.partition("/")
        path = f"/block_types/slug/{kind}/block_documents/name/{name}"
        found: dict[str, Any] = self.api("GET", path)
        return found

    def deliver(self, path: Path) -> None:
        """Let the vendor's feed lead to this file, as a person changes it in the UI."""
        document = self.block("file-feed/vendor")
        change = {"data": {"url": str(path)}, "merge_existing_data": True}
        self.api("PATCH", f"/block_documents/{document['id']}", change)

    def deploy(self, like: str, name: str, **parameters: Any) -> str:
        """One more deployment of the same flow, with other parameters; its id."""
        source = self.deployed(like)
        kept = ("flow_id", "entrypoint", "path", "pull_steps", "parameter_openapi_schema",
                "work_pool_name", "version")  # fmt: skip
        body = {key: source[key] for key in kept}
        body |= {"name": name, "parameters": source["parameters"] | parameters}
        body["enforce_parameter_schema"] = True
        return str(self.api("POST", "/deployments/", body)["id"])

    def family(self) -> dict[int, str]:
        """Every process below the command, with when it began."""
        known, found = _processes(), {self.process.pid}
        while grown := {one for one, of in known.items() if of.parent in found} - found:
            found |= grown
        return {one: known[one].began for one in found - {self.process.pid}}


def left_of(family: dict[int, str]) -> list[int]:
    """Which of these processes are still there."""
    now = _processes()
    return [pid for pid, began in family.items() if pid in now and now[pid].began == began]


@contextmanager
def practice_stack(errors: Path) -> Iterator[PracticeStack]:
    """Start it on a port that is taken, and in an environment that is of somebody's own services.

    Args:
        errors: for what the command says on standard error.
    """
    # Below the ports that outgoing connections are given, as 4200 is.
    taken = free_port_from(14200)
    known = os.environ | {
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "ARMILLARY_PTOLEMY_TOKEN": "ptk_live_of_production",
        "AWS_ACCESS_KEY_ID": "production",
    }
    command = [sys.executable, "-m", "cli", "up", "--port", str(taken), "--json"]
    with errors.open("w") as said, socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        process = subprocess.Popen(
            command, env=known, stdout=subprocess.PIPE, stderr=said, text=True
        )
        try:
            told = _first_object(process, errors)
            yield PracticeStack(process, told, taken, errors)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(END_SECONDS)
            if process.stdout:
                process.stdout.close()


def _first_object(process: subprocess.Popen[str], errors: Path) -> dict[str, Any]:
    """What was printed, as soon as it is whole: the command itself stays."""
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            found: dict[str, Any] = json.loads("".join(lines))
            return found
    raise AssertionError(errors.read_text())
