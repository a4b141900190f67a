"""Splitting one GiB for a restore: verified parts against bare unpacking and hashing."""

from __future__ import annotations

import hashlib
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from armillary.backup.manifest import FileEntry
from armillary.backup.place import MIB
from armillary.backup.stored import StoredFile
from armillary.restore.ahead import read_ahead
from armillary.restore.split import MOST_BYTES, split
from benchmarks.backup_gib import EXPORT_BYTES, INSTRUMENTS, KIND, write_export
from benchmarks.children import in_child
from benchmarks.measure import Figure, Measure, Round, just, ratio
from benchmarks.memory import Memory

NAME = "split-gib"
PART_BYTES = MOST_BYTES

FIGURES = (
    Figure("time over bare pass", ratio("split_seconds", "bare_seconds"), must=3, aim=1.3),
    Figure("peak memory above start, MB", just("split_peak_mb"), must=200, aim=64, unit="MB"),
)


def measure(*, repeat: int, quick: bool) -> Measure:
    """Take the measure.

    Args:
        repeat: how many rounds.
        quick: smaller sizes, for a look while developing.
    """
    least, most = (EXPORT_BYTES // 16, PART_BYTES // 16) if quick else (EXPORT_BYTES, PART_BYTES)
    with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
        entry = in_child(store_export, folder=folder, least=least)
        rounds = [_round(folder, entry, most) for _ in range(repeat)]
    return Measure(
        name=NAME,
        title=f"split a stored export of {least // MIB:,} MiB, {entry['rows']:,} values",
        sizes={
            "rows": entry["rows"],
            "instruments": INSTRUMENTS,
            "exported_mb": entry["bytes"] // 1_000_000,
            "stored_mb": entry["stored_bytes"] // 1_000_000,
            "part_bytes": most,
            "parts": int(rounds[0]["parts"]),
        },
        rounds=rounds,
        figures=FIGURES,
        notes=(
            "Bare unpacks the file and hashes what comes out, in pieces of 1 MiB, in one thread. "
            "Ours hashes what is stored too, proves each row to be JSON, counts them, compares "
            "with the manifest and writes the parts to the disk, one at a time.",
            "Both read the file from the disk, where it was just written.",
            "Memory is the peak of the process above what it had after its imports.",
        ),
    )


def _round(folder: str, entry: dict[str, Any], most_bytes: int) -> Round:
    bare = in_child(pass_barely, folder=folder, entry=entry)
    ours = in_child(split_stored, folder=folder, entry=entry, most_bytes=most_bytes)
    if ours["rows"] != entry["rows"] or bare["bytes"] != entry["bytes"]:
        raise RuntimeError(f"{entry['rows']:,} rows were to be split: {bare}, {ours}")
    return {
        "bare_seconds": bare["seconds"],
        "bare_peak_mb": bare["peak_mb"],
        "split_seconds": ours["seconds"],
        "split_peak_mb": ours["peak_mb"],
        "parts": ours["parts"],
    }


def store_export(folder: str, least: int) -> Any:
    """Write an export of values as a backup stores it; its entry in a manifest."""
    export = Path(folder) / "export.json"
    rows = write_export(str(export), least)
    stored = Path(folder) / f"{KIND}.json.zst"
    with export.open("rb") as source, stored.open("wb") as target:
        zstandard.ZstdCompressor(level=3).copy_stream(source, target)
    entry = FileEntry(
        resource_type=KIND,
        key=stored.name,
        format="json",
        compression="zstd",
        rows=rows,
        bytes=export.stat().st_size,
        sha256=_sha256(export),
        stored_bytes=stored.stat().st_size,
        stored_sha256=_sha256(stored),
        etag="",
        version_id=None,
        checksums={},
        job_id="bench",
        expected_rows=rows,
        exported_at=datetime(2026, 11, 20, 2, tzinfo=UTC),
    )
    export.unlink()
    return msgspec.to_builtins(entry)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pass_barely(folder: str, entry: dict[str, Any]) -> dict[str, float]:
    """Unpack a stored file and hash what comes out, and nothing else."""
    memory = Memory()
    start = time.perf_counter()
    seen, count = hashlib.sha256(), 0
    with (Path(folder) / entry["key"]).open("rb") as stored:
        unpacked = zstandard.ZstdDecompressor().stream_reader(stored, read_size=MIB)
        while chunk := unpacked.read(MIB):
            seen.update(chunk)
            count += len(chunk)
    seconds = time.perf_counter() - start
    if seen.hexdigest() != entry["sha256"]:
        raise RuntimeError("the bare pass saw other bytes")
    return {"seconds": seconds, "peak_mb": memory.above_start_mb, "bytes": count}


def split_stored(folder: str, entry: dict[str, Any], most_bytes: int) -> dict[str, float]:
    """Verify a stored file and cut it into parts, each done with when it is whole."""
    told = msgspec.convert(entry, FileEntry)
    memory = Memory()
    start = time.perf_counter()
    rows = parts = 0
    with (Path(folder) / told.key).open("rb") as stored:
        file = StoredFile(told, stored)
        for part in split(read_ahead(file.read), most_bytes=most_bytes, folder=Path(folder)):
            with part:
                rows += part.rows
                parts += 1
        file.judge(rows)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak_mb": memory.above_start_mb,
        "rows": rows,
        "parts": parts,
    }
