"""How fast the simulator is, and how much memory a million instruments take.

    python benchmarks/simulator_ceiling.py [--seconds 3] [--instruments 1000000] [--json FILE]

The simulator runs in a process of its own; the client is a bare asyncio socket loop in this one.
When the client's core is busier than the server's, the figure is the client's limit, not the
simulator's; the table says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

CONNECTIONS = 16
SEED_CHUNK = 50_000
BUSY = 0.9
Request = Callable[[int], bytes]


@dataclass
class Rate:
    """One line of the table."""

    what: str
    per_second: float
    server_core: float
    client_core: float

    @property
    def limit(self) -> str:
        """Who was the bottleneck."""
        if self.server_core >= BUSY:
            return "simulator"
        return "client" if self.client_core >= BUSY else "machine shared"


@dataclass(frozen=True)
class Server:
    """A simulator in a child process."""

    host: str
    port: int
    token: str
    pid: int

    @property
    def url(self) -> str:
        """The address without path."""
        return f"http://{self.host}:{self.port}"

    def resident_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def post(self, path: str, body: object) -> bytes:
        """One plain request."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
            return content

    def digest(self) -> str:
        """Of everything the workspace holds: no UUIDs, no times, no order."""
        with urllib.request.urlopen(self.url + "/_simulator/digest") as answer:
            found: str = json.load(answer)["digest"]
            return found


@contextmanager
def simulator(seed: int = 1) -> Iterator[Server]:
    """Start a simulator of its own and stop it again; it works on jobs as soon as they come.

    Args:
        seed: with another one UUIDs and tokens are others.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(f"preset: guide\nseed: {seed}\njob_begins: submitted\n")
        config.flush()
        command = [sys.executable, "-m", "simulator", "--port", "0", "--config", config.name]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        words = child.stdout.readline().split()  # by then it has read its configuration
    host, port = words[1].removeprefix("http://").removesuffix("/v1").split(":")
    token = words[3].removeprefix("token=")
    try:
        yield Server(host, int(port), token, child.pid)
    finally:
        child.terminate()
        child.wait(30)
        child.stdout.close()


def message(server: Server, method: str, path: str, body: object = None) -> bytes:
    """A whole HTTP request."""
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} /v1/workspaces/demo{path} HTTP/1.1\r\nHost: {server.host}\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def _loop(server: Server, request: Request, first: int, until: float) -> int:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    done = 0
    while time.perf_counter() < until:
        writer.write(request(first + done * CONNECTIONS))
        head = await reader.readuntil(b"\r\n\r\n")
        if head[9:10] != b"2":
            raise RuntimeError(head.decode())
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if length:
            await reader.readexactly(int(length))
        done += 1
    writer.close()
    await writer.wait_closed()
    return done


async def measure(server: Server, what: str, request: Request, seconds: float) -> Rate:
    """Requests a second over sixteen connections."""
    server_cpu, client_cpu = server.cpu_seconds(), time.process_time()
    start = time.perf_counter()
    loops = (_loop(server, request, first, start + seconds) for first in range(CONNECTIONS))
    done = sum(await asyncio.gather(*loops))
    took = time.perf_counter() - start
    return Rate(
        what,
        round(done / took, 1),
        round((server.cpu_seconds() - server_cpu) / took, 2),
        round((time.process_time() - client_cpu) / took, 2),
    )


def instrument(number: int) -> dict[str, object]:
    """A create body with all fifteen values a listed share has."""
    return {
        "name": f"Instrument {number} Limited",
        "identifier": f"t{number:07d}.xasx",
        "type_id": "equity",
        "field_values": {
            "isin": f"AU{number:010d}",
            "currency": "AUD",
            "exchange": "xasx",
            "lot_size": "100",
            "tick_size": "0.01",
            "country": "AU",
            "sector": "Materials",
            "listed_on": "2001-02-03",
            "active_trading": "true",
            "figi": f"BBG{number:09d}",
            "etf": "false",
        },
    }


async def rates(server: Server, seconds: float) -> list[Rate]:
    """Creates first, then reads and changes of what was created."""
    known = [f"/instruments/t{number:07d}.xasx" for number in range(1000)]
    patch = {"field_values": {"lot_size": "10", "sector": "Energy"}}
    requests: dict[str, Request] = {
        "POST /instruments": lambda n: message(server, "POST", "/instruments", instrument(n)),
        "GET /instruments/{id}": lambda n: message(server, "GET", known[n % 1000]),
        "PATCH /instruments/{id}": lambda n: message(server, "PATCH", known[n % 1000], patch),
        "GET /instruments?limit=200": lambda _: message(server, "GET", "/instruments?limit=200"),
    }
    return [await measure(server, what, request, seconds) for what, request in requests.items()]


def fill(server: Server, wanted: int) -> dict[str, float]:
    """Load instruments by the control path; memory, time, and the time of pages among them."""
    before, start = server.resident_mb(), time.perf_counter()
    for first in range(5_000_000, 5_000_000 + wanted, SEED_CHUNK):
        last = min(first + SEED_CHUNK, 5_000_000 + wanted)
        rows = [instrument(number) for number in range(first, last)]
        server.post("/_simulator/seed", {"instruments": rows})
    seeded = time.perf_counter() - start
    path = "/v1/workspaces/demo/instruments/filter"
    body: dict[str, object] = {"type_id": "equity", "limit": 200}
    start = time.perf_counter()
    for _ in range(100):
        page = json.loads(server.post(path, body))
        if not page["meta"]["has_more"]:
            break
        body["after"] = page["meta"]["next_cursor"]
    paged = time.perf_counter() - start
    return {
        "instruments": wanted,
        "resident_mb_before": round(before, 1),
        "resident_mb": round(server.resident_mb(), 1),
        "seed_seconds": round(seeded, 1),
        "ms_per_page_of_200": round(paged * 10, 2),
    }


def main() -> None:
    """Measure, print, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--instruments", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with simulator() as server:
        found = asyncio.run(rates(server, chosen.seconds))
        memory = fill(server, chosen.instruments)
    print(f"{'request':<30}{'per second':>12}{'server core':>13}{'client core':>13}  limit")
    for rate in found:
        cores = f"{rate.server_core:>13.0%}{rate.client_core:>13.0%}"
        print(f"{rate.what:<30}{rate.per_second:>12,.0f}{cores}  {rate.limit}")
    for name, value in memory.items():
        print(f"{name:<30}{value:>12,.1f}")
    if chosen.json:
        report = {"rates": [{**asdict(rate), "limit": rate.limit} for rate in found], **memory}
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
