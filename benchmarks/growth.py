"""How a plan grows with its size: ``python -m benchmarks.growth [--quick] [--repeat N]``.

From a thousand instruments against a thousand to a million against a million, the very work that
``plan_million`` measures, each time in a process of its own. Prints the table of docs/scale.md,
writes benchmarks/growth.json, and draws docs/images/growth.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import plan_million
from benchmarks.children import in_child
from benchmarks.growth_plot import Line, Panel, drawn

SIZES = (1_000, 10_000, 100_000, 1_000_000)
REPEAT = 3
RESULTS = Path(__file__).with_name("growth.json")
PLOT = Path(__file__).resolve().parents[1] / "docs" / "images" / "growth.svg"

Point = dict[str, float]
"""What one size came to: processor time (``seconds`` alone is by the clock), MB, bytes."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, keep, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--quick", action="store_true", help="up to 100,000; nothing is kept")
    parser.add_argument("--repeat", type=int, default=REPEAT, help=f"rounds (default: {REPEAT})")
    chosen = parser.parse_args(argv)
    points = [point(size, chosen.repeat) for size in (SIZES[:-1] if chosen.quick else SIZES)]
    print(table(points))
    if not chosen.quick:
        kept = {"rounds": chosen.repeat, "cores": os.cpu_count(), "points": points}
        RESULTS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        PLOT.write_text(plot(points), encoding="utf-8")


def point(records: int, repeat: int) -> Point:
    """Take one size: medians over the rounds.

    Of the parts it is the processor time, of all threads: other work on the machine touches it
    little.
    """
    with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
        files: dict[str, Any] = {"feed": f"{folder}/feed.csv", "export": f"{folder}/export.csv"}
        in_child(plan_million.write_files, count=records, **files)
        sizes = {name: Path(path).stat().st_size for name, path in files.items()}
        rounds = [in_child(plan_million.plan, **files) for _ in range(repeat)]
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    rest = ("cpu_match_seconds", "cpu_plan_seconds", "cpu_digest_seconds")
    return {
        "records": records,
        "feed_bytes": sizes["feed"],
        "export_bytes": sizes["export"],
        "both_bytes": sizes["feed"] + sizes["export"],
        "feed_seconds": round(medians["cpu_feed_seconds"], 4),
        "export_seconds": round(medians["cpu_export_seconds"], 4),
        "plan_seconds": round(sum(medians[name] for name in rest), 4),
        "cpu_seconds": round(medians["cpu_seconds"], 4),
        "seconds": round(medians["seconds"], 4),
        "peak_mb": round(medians["peak_mb"], 1),
        "above_start_mb": round(medians["above_start_mb"], 1),
    }


def table(points: Sequence[Point]) -> str:
    """The table of docs/scale.md."""
    heads = (
        "instruments",
        "feed",
        "export",
        "read the feed",
        "read the export",
        "plan",
        "together",
        "by the clock",
        "memory",
    )
    rows = [
        (
            f"{int(one['records']):,}",
            _bytes(one["feed_bytes"]),
            _bytes(one["export_bytes"]),
            *(
                _seconds(one[name])
                for name in (
                    "feed_seconds",
                    "export_seconds",
                    "plan_seconds",
                    "cpu_seconds",
                    "seconds",
                )
            ),
            f"{one['peak_mb']:,.0f} MB",
        )
        for one in points
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, *rows)]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines)


def plot(points: Sequence[Point]) -> str:
    """The same as a picture: seconds on the left, memory on the right, both logarithmic."""
    counts = [one["records"] for one in points]

    def line(title: str, name: str, scale: float = 1) -> Line:
        return Line(title, [(x, one[name] * scale) for x, one in zip(counts, points, strict=True)])

    seconds = Panel(
        "seconds of processor time",
        [
            line("together", "cpu_seconds"),
            line("read the feed", "feed_seconds"),
            line("read the export", "export_seconds"),
            line("match and plan", "plan_seconds"),
        ],
    )
    memory = Panel(
        "MB",
        [
            line("memory, largest", "peak_mb"),
            line("of it above the start", "above_start_mb"),
            line("both files", "both_bytes", 1e-6),
        ],
    )
    return drawn("Planning n instruments against n", [seconds, memory])


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"


def _bytes(value: float) -> str:
    return f"{value / 1e6:,.1f} MB"


if __name__ == "__main__":
    main()
