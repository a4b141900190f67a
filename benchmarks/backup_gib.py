"""A backup of one GiB: the real transfer against a bare download handed to a bare upload."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, cast

import boto3
import httpx
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from pydantic import SecretStr

from armillary.backup.bucket import Bucket
from armillary.backup.place import MIB, BucketPlace
from armillary.backup.transfer import Transferred, transfer
from benchmarks.children import in_child
from benchmarks.loopback_store import BUCKET, LoopbackStore, loopback_store
from benchmarks.measure import Figure, Measure, Round, just, ratio
from benchmarks.memory import Memory

NAME = "backup-gib"
EXPORT_BYTES = 1024 * MIB
INSTRUMENTS = 100_000
KIND = "time_series_values"
PART_BYTES = 8 * MIB
UPLOAD_THREADS = 4

FIGURES = (
    Figure("time over bare transfer", ratio("none_seconds", "bare_seconds"), must=1.5, aim=1.1),
    Figure("the same with zstd", ratio("zstd_seconds", "bare_seconds"), must=1.5, aim=1.1),
    Figure("peak memory above start, MB", just("none_peak_mb"), must=200, aim=100, unit="MB"),
    Figure("the same with zstd, MB", just("zstd_peak_mb"), must=200, aim=100, unit="MB"),
)


def measure(*, repeat: int, quick: bool) -> Measure:
    """Take the measure.

    Args:
        repeat: how many rounds.
        quick: smaller sizes, for a look while developing.
    """
    least = EXPORT_BYTES // 16 if quick else EXPORT_BYTES
    with tempfile.TemporaryDirectory(prefix="armillary-bench-") as folder:
        file = Path(folder) / "export.json"
        rows = in_child(write_export, path=str(file), least=least)
        with loopback_store(file) as store:
            rounds = [_round(store, rows, file.stat().st_size) for _ in range(repeat)]
        exported_mb = file.stat().st_size // 1_000_000
    return Measure(
        name=NAME,
        title=f"transfer an export of {least // MIB:,} MiB, {rows:,} values, into a bucket",
        sizes={
            "rows": rows,
            "instruments": INSTRUMENTS,
            "exported_mb": exported_mb,
            "part_bytes": PART_BYTES,
            "upload_threads": UPLOAD_THREADS,
        },
        rounds=rounds,
        figures=FIGURES,
        notes=(
            "Both sides use the same server in another process, which sends a file and counts what "
            "is uploaded, in parts of 8 MiB over four threads. Bare is an httpx stream handed to "
            "boto3: no hash, no rows, no compression.",
            "It is plain HTTP, so boto3 hashes each part on both sides to sign it; over TLS it "
            "encrypts instead.",
            "Memory is the peak of the process above what it had after its imports.",
        ),
    )


def _round(store: LoopbackStore, rows: int, size: int) -> Round:
    bare = in_child(move_barely, url=store.url, link=store.link)
    found = {"bare_seconds": bare["seconds"], "bare_peak_mb": bare["peak_mb"]}
    for compression in ("none", "zstd"):
        ours = in_child(move, url=store.url, link=store.link, compression=compression)
        if ours["rows"] != rows or not ours["bytes"] == bare["bytes"] == size:
            raise RuntimeError(f"{rows:,} rows in {size:,} bytes were to move: {bare}, {ours}")
        found[f"{compression}_seconds"] = ours["seconds"]
        found[f"{compression}_peak_mb"] = ours["peak_mb"]
    return found


def write_export(path: str, least: int) -> int:
    """Write an export of values as the service gives it, of at least so many bytes; its rows."""
    rows = written = 0
    with Path(path).open("w", encoding="ascii") as file:
        file.write("[")
        while written < least:
            piece = ",".join(_value(number) for number in range(rows, rows + 10_000))
            written += file.write(f",{piece}" if rows else piece)
            rows += 10_000
        file.write("]")
    return rows


def _value(number: int) -> str:
    day, which = divmod(number, INSTRUMENTS)
    return (
        f'{{"instrument_id":"t{which:07}.xasx","type_id":"close-price",'
        f'"timestamp":"2026-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}T00:00:00Z",'
        f'"value":"{number % 9973}.{number % 89 + 10}",'
        f'"created_at":"2026-11-20T02:00:00.{number % 1000:03}Z",'
        f'"id":"{number * 2654435761 % 2**32:08x}-0000-7000-8000-{number:012x}",'
        '"archived_at":null}'
    )


def move_barely(url: str, link: str) -> dict[str, float]:
    """Hand the stream of a download to an upload, and nothing else."""
    session = _session()
    where = {"endpoint_url": url, "config": Config(s3={"addressing_style": "path"})}
    client = session.client("s3", **where)  # type: ignore[call-overload]
    config = TransferConfig(
        multipart_threshold=PART_BYTES,
        multipart_chunksize=PART_BYTES,
        max_concurrency=UPLOAD_THREADS,
    )
    memory = Memory()
    start = time.perf_counter()
    with httpx.Client() as http, http.stream("GET", link) as answer:
        answer.raise_for_status()
        stream = cast("IO[bytes]", _Stream(answer.iter_raw()))
        client.upload_fileobj(stream, BUCKET, "bare.json", Config=config)
    seconds = time.perf_counter() - start
    stored = client.head_object(Bucket=BUCKET, Key="bare.json")["ContentLength"]
    return {"seconds": seconds, "peak_mb": memory.above_start_mb, "bytes": stored}


def move(url: str, link: str, compression: Literal["none", "zstd"]) -> dict[str, float]:
    """The transfer of a backup, with all that a backup looks at while the rows pass."""
    place = BucketPlace(
        BUCKET, endpoint_url=url, part_bytes=PART_BYTES, upload_threads=UPLOAD_THREADS
    )
    bucket = Bucket(place, _session())
    memory = Memory()
    start = time.perf_counter()
    moved: Transferred = transfer(
        lambda: SecretStr(link),
        bucket,
        f"{KIND}.json",
        resource_type=KIND,
        compression=compression,
        metadata={"backup-id": "bench", "resource-type": KIND},
        progress=lambda _done, _total: None,
        stop=lambda: None,
    )
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak_mb": memory.above_start_mb,
        "rows": moved.rows,
        "bytes": moved.bytes,
        "stored_bytes": moved.stored_bytes,
    }


def _session() -> boto3.session.Session:
    return boto3.session.Session(
        aws_access_key_id="made-up", aws_secret_access_key="made-up", region_name="us-east-1"
    )


class _Stream(io.RawIOBase):
    """What a download gives, read in the sizes an upload asks for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._held = bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._held) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._held += chunk
        found = bytes(self._held if size < 0 else self._held[:size])
        del self._held[: len(found)]
        return found
