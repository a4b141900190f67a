"""Planning a million against a million: two files to the plan value, over merely reading them."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv

from armillary.feeds.reading import read_feed
from armillary.sync.canonical import CLEAR, canonical_or_as_found
from armillary.sync.existing import Existing, candidates
from armillary.sync.frames import InstrumentColumns, column, in_scope
from armillary.sync.ground import Ground
from armillary.sync.matching import match
from armillary.sync.planner import Remembered, make_plan
from armillary.sync.workspace import WorkspaceReading
from benchmarks.children import in_child
from benchmarks.measure import Figure, Measure, Round, just, ratio
from benchmarks.memory import Memory
from benchmarks.records import COLUMNS, DATA_TYPES, feed_of, write_export, write_feed

NAME = "plan-million"
RECORDS = 1_000_000
CHANGED_EVERY = 100

FIGURES = (
    Figure("time over bare reading", ratio("plan_seconds", "reading_seconds"), must=4, aim=2),
    Figure("peak memory, MB", just("plan_peak_mb"), must=2048, aim=1024, unit="MB"),
)


def measure(*, repeat: int, quick: bool) -> Measure:
    """Take the measure.

    Args:
        repeat: how many rounds.
        quick: smaller sizes, for a look while developing.
    """
    count = RECORDS // 10 if quick else RECORDS
    with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
        files: dict[str, Any] = {
            "feed": f"{folder}/feed.csv",
            "export": f"{folder}/instruments.csv",
        }
        in_child(write_files, count=count, **files)
        sizes = {name: Path(path).stat().st_size // 1_000_000 for name, path in files.items()}
        rounds = [_round(files, count) for _ in range(repeat)]
    return Measure(
        name=NAME,
        title=f"plan {count:,} against {count:,}, 1 in {CHANGED_EVERY} changed",
        sizes={
            "records": count,
            "changed": -(-count // CHANGED_EVERY),
            "fields": len(DATA_TYPES),
            "feed_mb": sizes["feed"],
            "export_mb": sizes["export"],
        },
        rounds=rounds,
        figures=FIGURES,
        notes=(
            "The exported file becomes the frame of existing instruments here, by polars: the "
            "sync itself does not read by export yet.",
            "Bare reading is pyarrow for the feed and polars for the export, every column as text, "
            "with their own threads. Peak memory is that of the whole process, imports included.",
        ),
    )


def _round(files: dict[str, Any], count: int) -> Round:
    bare = in_child(read_barely, **files)
    ours = in_child(plan, **files)
    changed = -(-count // CHANGED_EVERY)
    if ours["updates"] != changed or ours["unchanged"] != count - changed:
        raise RuntimeError(f"the plan is not the one the files call for: {ours}")
    return {
        "reading_seconds": bare["seconds"],
        "plan_seconds": ours["seconds"],
        "reading_peak_mb": bare["peak_mb"],
        "plan_peak_mb": ours["peak_mb"],
        "reading_cpu_seconds": bare["cpu_seconds"],
        "plan_cpu_seconds": ours["cpu_seconds"],
        **{name: value for name, value in ours.items() if name.startswith("part_")},
    }


def write_files(feed: str, export: str, count: int) -> None:
    """Write both files: the same instruments, but for one lot size in ``CHANGED_EVERY``."""
    write_feed(Path(feed), count, lambda number: None if number % CHANGED_EVERY else "7.5")
    write_export(Path(export), count)


def read_barely(feed: str, export: str) -> dict[str, float]:
    """Read both files into columns of text."""
    text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    start, cpu = time.perf_counter(), time.process_time()
    table = pyarrow.csv.read_csv(feed, convert_options=text)
    frame = pl.read_csv(export, infer_schema=False)
    seconds = time.perf_counter() - start
    if table.num_rows != frame.height:
        raise RuntimeError(f"{table.num_rows} and {frame.height} rows were read")
    cpu_seconds = time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": _peak_mb()}


def plan(feed: str, export: str) -> dict[str, float]:
    """Read both files and make the plan, with its digest."""
    definition = feed_of(Path(feed))
    memory = Memory()
    parts = _Parts()
    reading = parts.timed("part_feed_seconds", lambda: read_feed(definition, DATA_TYPES))
    active = parts.timed("part_export_seconds", lambda: read_export(export))
    matching = parts.timed("part_match_seconds", lambda: match(reading.records, active))
    new = candidates(matching)
    if new:
        raise RuntimeError(f"{len(new)} records look new, the first is {new[0]}")
    made = parts.timed(
        "part_plan_seconds",
        lambda: make_plan(
            definition,
            _ground(),
            reading,
            Existing(
                WorkspaceReading(active=active, trusted=True),
                InstrumentColumns(DATA_TYPES).frame(),
                matching,
            ),
            remembered=Remembered(),
        ),
    )
    parts.timed("part_digest_seconds", lambda: made.digest)
    return {
        "seconds": sum(parts.seconds.values()),
        "cpu_seconds": sum(parts.cpu.values()),
        "peak_mb": _peak_mb(),
        "above_start_mb": memory.above_start_mb,
        "updates": made.count("update"),
        "unchanged": made.unchanged,
        **parts.seconds,
        **parts.cpu,
    }


def read_export(path: str) -> pl.DataFrame:
    """An exported file as ``InstrumentColumns.frame`` gives pages: active, owned, canonical."""
    cells = pl.read_csv(path, infer_schema=False)
    frame = cells.select(
        "id",
        "identifier",
        pl.col("name").fill_null(CLEAR).str.strip_chars(),
        pl.col("type_id").alias("type"),
        pl.col("archived_at").fill_null(CLEAR).ne(CLEAR).alias("archived"),
        *(
            canonical_or_as_found(pl.col(key), data_type).alias(column(key))
            for key, data_type in DATA_TYPES.items()
        ),
    )
    owned = frame.filter(~pl.col("archived") & in_scope({"exchange": ["xasx"]}, DATA_TYPES))
    return owned.drop("archived")


class _Parts:
    """Where the time goes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        """Processor time of all threads: what others do on the machine hardly touches it."""

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        start, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.seconds[name] = time.perf_counter() - start
        self.cpu[name.replace("part_", "cpu_")] = time.process_time() - cpu
        return result


def _ground() -> Ground:
    return Ground(
        workspace_id="01920000-0000-7000-8000-000000000001",
        workspace_slug="demo",
        type_id="01920000-0000-7000-8000-000000000002",
        type_identifier="equity",
        data_types=DATA_TYPES,
        required_fields=frozenset(),
        deliveries=None,
    )


def _peak_mb() -> float:
    """Largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
