"""All measures: ``python -m benchmarks [--only NAME] [--quick] [--repeat N]``.

Prints one table and writes benchmarks/results.json. What is measured, and how to read it:
docs/reference/measures.md.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import (
    apply_updates,
    backup_gib,
    first_load,
    no_change_by_export,
    no_change_sync,
    plan_million,
    split_gib,
)
from benchmarks.measure import Figure, Measure, Taken

RESULTS = Path(__file__).with_name("results.json")
MODULES = (
    apply_updates,
    no_change_sync,
    no_change_by_export,
    first_load,
    plan_million,
    backup_gib,
    split_gib,
)
MEASURES = {module.NAME: module.measure for module in MODULES}
REPEAT = 5
_PACKAGES = ("prefect", "polars", "pyarrow", "httpx", "boto3", "msgspec", "zstandard")
_VERDICTS = {"aim": "[green]aim[/]", "must": "[yellow]must[/]", "missed": "[bold red]missed[/]"}


def main(argv: Sequence[str] | None = None) -> None:
    """Take the measures, print them, keep them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=MEASURES, action="append", help="may be given again")
    parser.add_argument(
        "--quick", action="store_true", help="one round, smaller sizes; nothing is kept"
    )
    parser.add_argument("--repeat", type=int, help=f"rounds of each measure (default: {REPEAT})")
    chosen = parser.parse_args(argv)
    repeat = chosen.repeat or (1 if chosen.quick else REPEAT)
    taken = []
    for name in chosen.only or MEASURES:
        Console(stderr=True).print(f"{name}: {repeat} rounds", highlight=False)
        taken.append(MEASURES[name](repeat=repeat, quick=chosen.quick))
    _print(taken)
    if not chosen.quick:
        _keep(taken)


def _print(measures: Sequence[Measure]) -> None:
    table = Table("figure")
    for heading in ("median", "lowest", "highest", "must", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("reached", no_wrap=True)
    for measure in measures:
        for found in measure.taken:
            table.add_row(f"{measure.name}: {found.figure.name}", *_cells(found))
        table.add_section()
    out = Console(highlight=False)
    out.print(table)
    for measure in measures:
        out.print(f"{measure.name}: {measure.title}; rounds: {len(measure.rounds)}")
    out.print("Medians of what each round saw. What it means: docs/reference/measures.md")


def _cells(found: Taken) -> list[str]:
    figure = found.figure
    sign = "≥" if figure.more_is_better else "≤"
    return [
        *(_shown(value, figure) for value in (found.median, min(found.values), max(found.values))),
        *(f"{sign} {goal:g}" for goal in (figure.must, figure.aim)),
        _VERDICTS[found.verdict],
    ]


def _shown(value: float, figure: Figure) -> str:
    return f"{value:.3f}" if figure.unit == "x" else f"{value:.0f}"


def _keep(measures: Sequence[Measure]) -> None:
    """Replace what was measured now; measures that were left out keep their last results."""
    kept: dict[str, Any] = {}
    if RESULTS.exists():
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    versions = {"python": platform.python_version()}
    versions |= {package: version(package) for package in _PACKAGES}
    for measure in measures:
        kept[measure.name] = {**measure.as_dict(), "versions": versions}
    ordered = {name: kept[name] for name in MEASURES if name in kept}
    RESULTS.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
