"""Rows of a stored file, from a real bucket, some of them harmed there."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
import zstandard

from armillary.backup.bucket import Bucket
from armillary.backup.manifest import FileEntry
from armillary.backup.stored import read_stored
from armillary.errors import ExportDamaged, FileDamaged, StoreFailed
from armillary.restore.ahead import read_ahead
from armillary.restore.stored_rows import read_rows
from tests.backup.made import Shelf, entry_of
from tests.runs.s3 import Fault, LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER = "demo/2026-11-20T02-00-00Z"
KIND = "time_series_values"

VALUES = [
    {
        "id": f"{number * 2654435761 % 2**32:08x}-0000-7000-8000-{number:012x}",
        "instrument_id": f"t{number:07}.xasx",
        "timestamp": "2026-04-15T09:00:00Z",
        "value": f"{number}.10",
        "archived_at": None,
    }
    for number in range(30_000)
]


def packed(content: bytes, compression: str) -> bytes:
    return zstandard.compress(content) if compression == "zstd" else content


def entry(
    content: bytes,
    rows: int,
    *,
    compression: Literal["zstd", "none"] = "zstd",
    file_format: Literal["json", "csv"] = "json",
) -> tuple[FileEntry, bytes]:
    """An entry for any content, and what is stored of it."""
    stored = packed(content, compression)
    made, _ = entry_of(KIND, [], compression=compression)
    facts = {
        "format": file_format,
        "rows": rows,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "stored_bytes": len(stored),
        "stored_sha256": hashlib.sha256(stored).hexdigest(),
    }
    return msgspec.structs.replace(made, **facts), stored


def harmed(bucket: Bucket, told: FileEntry) -> tuple[list[Any], str]:
    """The rows that came before it was found, and what was found; verifying finds the same."""
    found: list[Any] = []

    def read() -> None:
        for batch in read_rows(bucket, FOLDER, told):
            found.extend(batch)

    with pytest.raises(FileDamaged) as caught:
        read()
    with pytest.raises(FileDamaged) as verified:
        read_stored(bucket, FOLDER, told)
    assert str(caught.value)[:60] == str(verified.value)[:60]
    return found, str(caught.value)


def readers() -> list[str]:
    """Threads that read ahead."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("read-ahead")]


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_all_rows_come_in_order(
    bucket: Bucket, shelf: Shelf, compression: Literal["zstd", "none"]
) -> None:
    told, stored = entry(json.dumps(VALUES).encode(), len(VALUES), compression=compression)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    passed: list[int] = []
    threads = set()

    def note(count: int) -> None:
        passed.append(count)
        threads.add(threading.current_thread())

    batches = list(read_rows(bucket, FOLDER, told, passed=note))
    assert [row for batch in batches for row in batch] == VALUES
    assert len(batches) > 3
    assert all(batches)
    assert sum(passed) == told.stored_bytes
    assert threads == {threading.current_thread()}


def test_numbers_keep_their_digits(bucket: Bucket, shelf: Shelf) -> None:
    told, stored = entry(b'{"data": [{"value": 1.10, "count": 3}]}', 1)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    ((row,),) = read_rows(bucket, FOLDER, told)
    assert (row["value"], str(row["value"]), row["count"]) == (Decimal("1.10"), "1.10", 3)


def test_a_csv_gives_text_and_none(bucket: Bucket, shelf: Shelf) -> None:
    text = io.StringIO()
    rows = [[f"i-{number}", 'two\r\nlines, "so"' * (number % 3)] for number in range(9000)]
    csv.writer(text).writerows([["id", "name"], *rows])
    told, stored = entry(text.getvalue().encode("utf-8-sig"), 9000, file_format="csv")
    shelf.put(f"{FOLDER}/{told.key}", stored)
    found = [row for batch in read_rows(bucket, FOLDER, told) for row in batch]
    assert found == [{"id": name, "name": note or None} for name, note in rows]


def test_j12_an_empty_file_has_no_batches(bucket: Bucket, shelf: Shelf) -> None:
    told, stored = entry(b"[]", 0)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    assert list(read_rows(bucket, FOLDER, told)) == []


# What was harmed at rest


def test_s08_a_file_that_was_deleted(bucket: Bucket, s3: S3Client) -> None:
    told, _ = entry(b"[]", 0)
    assert harmed(bucket, told) == ([], "nothing lies at this key.")


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_s08_a_file_that_was_cut_off(
    bucket: Bucket, shelf: Shelf, compression: Literal["zstd", "none"]
) -> None:
    told, stored = entry(json.dumps(VALUES).encode(), len(VALUES), compression=compression)
    shelf.put(f"{FOLDER}/{told.key}", stored[:-10])
    rows, what = harmed(bucket, told)
    assert rows == VALUES[: len(rows)]
    assert what == (
        f"{len(stored) - 10:,} bytes lie there where the backup stored {len(stored):,}: it was cut "
        "off or replaced."
    )


@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_s08_a_byte_that_turned_over(
    bucket: Bucket, shelf: Shelf, compression: Literal["zstd", "none"], share: float
) -> None:
    told, stored = entry(json.dumps(VALUES).encode(), len(VALUES), compression=compression)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    shelf.change(f"{FOLDER}/{told.key}", at=int(len(stored) * share))
    _, what = harmed(bucket, told)
    assert what == (
        f"it is as long as it was stored ({len(stored):,} bytes) but holds other bytes: it was "
        "altered or replaced (its SHA-256 is not that of the manifest)."
    )


def test_s08_other_rows_that_are_as_long(bucket: Bucket, shelf: Shelf) -> None:
    """Nothing breaks: only the hash, at the end, tells that no row of it may be believed."""
    told, _ = entry(b'[{"id":"a"},{"id":"b"}]', 2, compression="none")
    shelf.put(f"{FOLDER}/{told.key}", b'[{"id":"a"},{"id":"c"}]')
    rows, what = harmed(bucket, told)
    assert len(rows) == 2
    assert "holds other bytes" in what


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"rows": 3}, "it holds 2 rows where the manifest says 3, although not a byte has changed"),
        ({"sha256": "0" * 64}, "it unpacks to 23 bytes that are not the 23 that were exported"),
        ({"bytes": 24}, "it unpacks to 23 bytes that are not the 24 that were exported"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says(
    bucket: Bucket, shelf: Shelf, facts: dict[str, Any], what: str
) -> None:
    told, stored = entry(b'[{"id":"a"},{"id":"b"}]', 2)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    rows, found = harmed(bucket, msgspec.structs.replace(told, **facts))
    assert [row["id"] for row in rows] == ["a", "b"]
    assert found.startswith(what)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'[{"id":"a"},{"id":', "it cannot be read as rows (The export is cut off or damaged: "),
        (b"<html>", "it cannot be read as rows (The export is an HTML or XML page and no rows; "),
    ],
)
def test_j10_a_file_that_was_stored_damaged(
    bucket: Bucket, shelf: Shelf, content: bytes, what: str
) -> None:
    told, stored = entry(content, 2)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    _, found = harmed(bucket, told)
    assert found.startswith(what)
    assert found.endswith(
        "although not a byte has changed since it was stored: it was written wrongly."
    )


def test_j15_rows_that_are_no_utf8_are_told_and_count(bucket: Bucket, shelf: Shelf) -> None:
    told, stored = entry(b'[{"id":"a"},{"id":"h\xfcrt"},{"id":"b"}]', 3)
    shelf.put(f"{FOLDER}/{told.key}", stored)
    bad: list[tuple[int, bytes]] = []
    rows = read_rows(
        bucket, FOLDER, told, unreadable=lambda number, row, _: bad.append((number, row))
    )
    assert [row["id"] for batch in rows for row in batch] == ["a", "b"]
    assert bad == [(2, b'{"id":"h\xfcrt"}')]
    with pytest.raises(FileDamaged, match="cannot be read as rows"):
        list(read_rows(bucket, FOLDER, told))


# While it is read


def test_s08_a_version_that_is_put_over_it_meanwhile_is_not_read(
    bucket: Bucket, shelf: Shelf, s3: S3Client
) -> None:
    s3.put_bucket_versioning(Bucket="backups", VersioningConfiguration={"Status": "Enabled"})
    content = json.dumps(VALUES).encode()
    told, stored = entry(content, len(VALUES), compression="none")
    key = f"{FOLDER}/{told.key}"
    shelf.put(key, stored)
    current = bucket.head(key)
    shelf.put(key, content.replace(b"t0000001", b"t9999999"))
    found = [row for batch in read_rows(bucket, FOLDER, told, current=current) for row in batch]
    assert found == VALUES
    with pytest.raises(FileDamaged, match="holds other bytes"):
        list(read_rows(bucket, FOLDER, told))


def test_s02_a_connection_that_breaks_is_opened_again(
    bucket: Bucket, shelf: Shelf, s3_server: LoopbackS3
) -> None:
    told, stored = entry(json.dumps(VALUES).encode(), len(VALUES), compression="none")
    shelf.put(f"{FOLDER}/{told.key}", stored)
    s3_server.faults = [Fault("GET", told.key, cut_at=700_000, times=2)]
    found = [row for batch in read_rows(bucket, FOLDER, told) for row in batch]
    assert found == VALUES
    ranges = [
        asked.headers.get("range")
        for asked in s3_server.asked
        if asked.method == "GET" and told.key in asked.target
    ]
    assert ranges == [None, "bytes=700000-", "bytes=1400000-"]


def test_whoever_stops_early_leaves_no_thread_and_no_connection(
    bucket: Bucket, shelf: Shelf
) -> None:
    told, stored = entry(json.dumps(VALUES).encode(), len(VALUES), compression="none")
    shelf.put(f"{FOLDER}/{told.key}", stored)
    batches = read_rows(bucket, FOLDER, told)
    assert next(batches)[0] == VALUES[0]
    assert len(readers()) == 1
    del batches
    assert readers() == []


def test_what_the_progress_raises_ends_the_reading(bucket: Bucket, shelf: Shelf) -> None:
    told, stored = entry(json.dumps(VALUES).encode(), len(VALUES))
    shelf.put(f"{FOLDER}/{told.key}", stored)

    def stop(_: int) -> None:
        raise StoreFailed("Stopped by a person.")

    with pytest.raises(StoreFailed, match="Stopped by a person"):
        list(read_rows(bucket, FOLDER, told, passed=stop))
    assert readers() == []


# Reading ahead


def test_chunks_come_in_order_and_one_ahead() -> None:
    left = [b"a", b"b", b"c", b""]
    assert list(read_ahead(lambda: left.pop(0))) == [b"a", b"b", b"c"]
    assert left == []


def test_what_a_reading_raises_comes_after_what_was_read_before() -> None:
    def read() -> bytes:
        if not left:
            raise ExportDamaged("It broke.")
        return left.pop(0)

    left = [b"a", b"b"]
    chunks = read_ahead(read)
    assert [next(chunks), next(chunks)] == [b"a", b"b"]
    with pytest.raises(ExportDamaged, match="It broke"):
        next(chunks)
