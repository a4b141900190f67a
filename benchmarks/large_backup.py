"""A backup of a big workspace by the real flow, and what it takes; run by hand.

    python -m benchmarks.large_backup [--instruments 100000] [--values 2000000] …

Simulator, Prefect server, S3 server, the backup and its verification each have a process of their
own. The figures are absolute: they are of this machine, and of a service that is no real one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from armillary.backup.outcome import size
from benchmarks.backup_flow import run_backup, run_verification
from benchmarks.big_workspace import add_sizes, fill
from benchmarks.memory import told_memory
from benchmarks.servers import prefect_server, s3_server
from benchmarks.simulator_ceiling import simulator


def main() -> None:
    """Fill a workspace, back it up, read it back, print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_backup")
    add_sizes(parser)
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
    out.print(f", {result['calls_used']:,} API calls; {told_memory(made)}")
    verified = read["result"]
    out.print(
        f"read back: {verified['state']}, {read['seconds']:.1f} seconds, "
        f"{verified['files_read']} files, {size(verified['bytes_read'])}; {told_memory(read)}"
    )
    for problem in (*result["problems"], *(each["what"] for each in verified["problems"])):
        out.print(f"problem: {problem}", markup=False)


if __name__ == "__main__":
    main()
