"""A backup of a big workspace restored into an empty one, compared row by row; run by hand.

    python -m benchmarks.large_restore [--instruments 100000] [--values 2000000] …

Both simulators, Prefect server, S3 server, the backup, the restore and the comparison each have a
process of their own. The figures are absolute: they are of this machine, and of a service that is
no real one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.backup_flow import run_backup
from benchmarks.big_workspace import add_sizes, fill
from benchmarks.memory import told_memory
from benchmarks.restore_flow import run_comparison, run_restore
from benchmarks.servers import prefect_server, s3_server
from benchmarks.simulator_ceiling import simulator

COUNTS = ("rows", "imported", "archive", "parts", "calls")
"""Of a type, as its result names them."""


def main() -> None:
    """Fill a workspace, back it up, restore it into another, compare both, print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_restore")
    add_sizes(parser)
    parser.add_argument(
        "--digests",
        action="store_true",
        help="also compare all that both simulators hold; each needs its memory once more for that",
    )
    sizes = vars(parser.parse_args())
    digests = sizes.pop("digests")
    told = Console(stderr=True, highlight=False)
    with s3_server() as s3, prefect_server(), simulator(seed=2) as empty:
        with simulator() as full:
            seconds = fill(full, sizes)
            told.print(
                f"seeded, seconds: {seconds}; the simulator has {full.resident_mb():,.0f} MB"
            )
            made = run_backup(f"{full.url}/v1", full.token, s3, "zstd")
            told.print(f"backed up: {made['result']['state']}, {made['result']['seconds']:.1f} s")
            before = full.digest() if digests else ""
        restored = run_restore(f"{empty.url}/v1", empty.token, s3)
        compared = run_comparison(f"{empty.url}/v1", empty.token, s3)
        after = empty.digest() if digests else ""
    wrong = [*problems(sizes, restored["result"], compared["result"])]
    if before != after:
        wrong.append("the two simulators do not hold the same")
    print_restore(restored, compared, wrong)
    raise SystemExit(1 if wrong else 0)


def problems(
    sizes: Mapping[str, int], restored: Mapping[str, Any], compared: Mapping[str, Any]
) -> Iterator[str]:
    """Why both workspaces are not the same; nothing if they are.

    Args:
        sizes: rows that were seeded.
        restored: the result of the restore.
        compared: the result of a plan afterwards.
    """
    if restored["state"] != "Completed":
        yield f"the restore ended as {restored['state']}"
    seeded, rows = sum(sizes.values()), sum(kind["rows"] for kind in compared["types"])
    if rows != seeded:
        yield f"{seeded:,} rows were seeded, and {rows:,} compared"
    for kind in compared["types"]:
        for count in ("differs", "absent", "extra"):
            if kind[count]:
                yield f"{kind[count]:,} of {kind['resource_type']}: {count}"
    for failed in restored["failures"]:
        yield f"{failed['resource_type']} {failed['row']}: {failed['reason']}"


def print_restore(
    restored: Mapping[str, Any], compared: Mapping[str, Any], wrong: list[str]
) -> None:
    """The types and what each took, then the whole."""
    table = Table()
    for heading in ("type", "rows", "imported", "archived again", "parts", "calls", "seconds"):
        table.add_column(heading, justify="left" if heading == "type" else "right")
    for kind in restored["result"]["types"]:
        counts = (f"{kind[name]:,}" for name in COUNTS)
        table.add_row(kind["resource_type"], *counts, f"{kind['seconds']:.1f}")
    out = Console(highlight=False, width=100)
    out.print(table)
    for words, found in (("restore", restored), ("compared again", compared)):
        result = found["result"]
        out.print(f"{words}: {result['state']}, {found['seconds']:.1f} seconds", end="")
        out.print(f", {result['calls']['used']:,} API calls; {told_memory(found)}")
    equal = sum(kind["equal"] for kind in compared["result"]["types"])
    out.print(f"equal in both workspaces: {equal:,} rows")
    for problem in wrong:
        out.print(f"problem: {problem}", markup=False)


if __name__ == "__main__":
    main()
