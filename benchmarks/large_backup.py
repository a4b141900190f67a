"""A backup of a big workspace by the real flow, and what it takes; run by hand.

    python -m benchmarks.large_backup [--instruments 100000] [--values 2000000] …

Simulator, Prefect server, S3 server, the backup and its verification each have a process of their
own. The figures are absolute: they are of this machine, and of a service that is no real one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from armillary.backup.outcome import size
from benchmarks.backup_flow import run_backup, run_verification
from benchmarks.big_workspace import fill
from benchmarks.servers import prefect_server
from benchmarks.simulator_ceiling import simulator
from cli.prefect_server import free_port

START_SECONDS = 60
SIZES = {
    "instruments": 100_000,
    "markets": 20,
    "calendars": 5_000,
    "listings": 120_000,
    "suspensions": 5_000,
    "values": 2_000_000,
    "composites": 200_000,
}


def main() -> None:
    """Fill a workspace, back it up, read it back, print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_backup")
    for name, count in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"default: {count:,}")
    parser.add_argument("--compression", choices=("zstd", "none"), default="zstd")
    sizes = vars(parser.parse_args())
    compression = sizes.pop("compression")
    told = Console(stderr=True, highlight=False)
    with simulator() as server, s3_server() as s3, prefect_server():
        seconds = fill(server, sizes)
        told.print(f"seeded, seconds: {seconds}; the simulator has {server.resident_mb():,.0f} MB")
        made = run_backup(f"{server.url}/v1", server.token, s3, compression)
        read = run_verification(s3)
    print_backup(made, read)


@contextmanager
def s3_server() -> Iterator[str]:
    """Moto in a process of its own; its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_SECONDS
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


def print_backup(made: Mapping[str, Any], read: Mapping[str, Any]) -> None:
    """The files and what each took, then the whole."""
    result, tasks = made["result"], made["tasks"]
    table = Table()
    for heading in ("type", "rows", "exported", "stored", "export, s", "store, s"):
        table.add_column(heading, justify="left" if heading == "type" else "right")
    for file in result["files"]:
        kind = file["resource_type"]
        table.add_row(
            kind,
            f"{file['rows']:,}",
            size(file["bytes"]),
            size(file["stored_bytes"]),
            *(f"{tasks.get(f'{step} {kind}', float('nan')):.1f}" for step in ("export", "store")),
        )
    out = Console(highlight=False, width=100)
    out.print(table)
    out.print(f"backup: {result['state']}, {result['seconds']:.1f} seconds", end="")
    out.print(f", {result['calls_used']:,} API calls; {_memory(made)}")
    verified = read["result"]
    out.print(
        f"read back: {verified['state']}, {read['seconds']:.1f} seconds, "
        f"{verified['files_read']} files, {size(verified['bytes_read'])}; {_memory(read)}"
    )
    for problem in (*result["problems"], *(each["what"] for each in verified["problems"])):
        out.print(f"problem: {problem}", markup=False)


def _memory(found: Mapping[str, Any]) -> str:
    above = found["peak_mb"] - found["start_mb"]
    return f"{found['start_mb']:.0f} MB before, at most {above:.0f} MB more"


if __name__ == "__main__":
    main()
