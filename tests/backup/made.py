"""Backups as a run leaves them, made of real rows and put into a real bucket by plain boto3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import zstandard

from armillary.backup.catalogue import parsed
from armillary.backup.manifest import FileEntry, Manifest, SchemasEntry, encode
from armillary.backup.resources import NOT_COVERED, RESOURCE_TYPES
from armillary.clock import SystemClock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Rows = list[dict[str, Any]]

WORKSPACE = "demo"

SCHEMAS = b'{"resources": {}, "missing": {}}\n'


class StoppedClock(SystemClock):
    """Tells one time of day for ever."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def rows_of(instruments: int = 3) -> dict[str, Rows]:
    """A small workspace in which every reference is met."""
    names = [f"ACME{number}" for number in range(instruments)]
    return {
        "time_series_values": [
            {"id": f"v-{name}", "instrument_id": f"i-{name}", "type_id": "close", "value": "1.10"}
            for name in names
        ],
        "composite_time_series_values": [
            {"id": f"c-{name}", "instrument": {"id": f"i-{name}", "identifier": name}}
            for name in names
        ],
        "market_listing_suspensions": [{"id": "s-1", "listing_id": f"l-{names[0]}"}],
        "market_calendars": [{"id": "k-1", "market_id": "XASX"}],
        "market_listings": [
            {"id": f"l-{name}", "identifier": None, "instrument_id": name, "market_id": "m-XASX"}
            for name in names
        ],
        "instruments": [
            {"id": f"i-{name}", "identifier": name, "name": "Acme", "archived_at": None}
            for name in names
        ],
        "markets": [{"id": "m-XASX", "identifier": "XASX"}],
    }


def exported(rows: Rows) -> bytes:
    """As the service exports them."""
    return json.dumps(rows).encode()


def entry_of(
    resource_type: str, rows: Rows, *, compression: str = "zstd"
) -> tuple[FileEntry, bytes]:
    """A file's entry in the manifest, and what is stored of it."""
    content = exported(rows)
    stored = zstandard.compress(content) if compression == "zstd" else content
    entry = FileEntry(
        resource_type=resource_type,
        key=f"{resource_type}.json" + (".zst" if compression == "zstd" else ""),
        format="json",
        compression=compression,  # type: ignore[arg-type]
        rows=len(rows),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        stored_bytes=len(stored),
        stored_sha256=hashlib.sha256(stored).hexdigest(),
        etag="",
        version_id=None,
        checksums={},
        job_id=f"job-{resource_type}",
        expected_rows=len(rows),
        exported_at=datetime(2026, 11, 20, 2, 5, tzinfo=UTC),
    )
    return entry, stored


def manifest_of(backup_id: str = "2026-11-20T02-00-00Z", **changed: Any) -> Manifest:
    """A manifest of a full backup whose files are not there."""
    made = parsed(backup_id)
    assert made
    facts: dict[str, Any] = {
        "backup_id": backup_id,
        "workspace_id": "7b0d4a9c-0000-4000-8000-000000000001",
        "workspace_slug": WORKSPACE,
        "state": "COMPLETE",
        "coverage": "full",
        "resource_types": list(RESOURCE_TYPES),
        "include_archived": True,
        "filter": None,
        "format": "json",
        "compression": "zstd",
        "started_at": made[0],
        "finished_at": made[0] + timedelta(minutes=7),
        "tool_version": "0.1.0",
        "files": [entry_of(kind, rows)[0] for kind, rows in rows_of().items()],
        "problems": [],
        "not_covered": list(NOT_COVERED),
        "schemas": SchemasEntry.of("schemas.json", SCHEMAS, {}),
        "run_id": "3f1e0000-0000-4000-8000-000000000002",
        **changed,
    }
    return Manifest(**facts)


class Shelf:
    """Puts backups into a bucket, and harms them."""

    def __init__(self, s3: S3Client, bucket: str, prefix: str = "") -> None:
        self.s3 = s3
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""

    def put(self, key: str, content: bytes, **more: Any) -> Mapping[str, Any]:
        """Write an object, as anybody with rights could."""
        answer = self.s3.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=content, **more)
        return dict(answer)

    def get(self, key: str) -> bytes:
        """Read an object."""
        return self.s3.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def keys(self) -> list[str]:
        """Every key below the prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key.removeprefix(self.prefix) for key in found]

    def change(self, key: str, at: int = 0) -> None:
        """Turn one bit of a stored object over; length and metadata stay."""
        head = self.s3.head_object(Bucket=self.bucket, Key=self.prefix + key)
        content = bytearray(self.get(key))
        content[at] ^= 1
        self.put(key, bytes(content), Metadata=head["Metadata"])

    def unfinished(self, backup_id: str, workspace: str = WORKSPACE, journal: bytes = b"") -> None:
        """Put what a run leaves that was killed before its manifest."""
        folder = f"{workspace}/{backup_id}"
        self.put(f"{folder}/_run.json", journal or b"{}")
        self.put(f"{folder}/time_series_values.json.zst", b"some bytes")

    def manifest(self, backup_id: str, workspace: str = WORKSPACE, **changed: Any) -> Manifest:
        """Put a manifest alone: enough for whatever reads no files."""
        manifest = manifest_of(backup_id, **changed)
        self.put(f"{workspace}/{backup_id}/manifest.json", encode(manifest))
        return manifest

    def backup(
        self,
        backup_id: str = "2026-11-20T02-00-00Z",
        rows: Mapping[str, Rows] | None = None,
        *,
        compression: str = "zstd",
        lock: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> Manifest:
        """Put a whole backup."""
        folder = f"{WORKSPACE}/{backup_id}"
        entries = []
        for kind, of_kind in (rows or rows_of()).items():
            entry, stored = entry_of(kind, of_kind, compression=compression)
            answer = self.put(
                f"{folder}/{entry.key}",
                stored,
                Metadata={"backup-id": backup_id, "resource-type": kind},
                **(lock or {}),
            )
            head = self.s3.head_object(Bucket=self.bucket, Key=f"{self.prefix}{folder}/{entry.key}")
            entries.append(
                {
                    "etag": head["ETag"],
                    "version_id": answer.get("VersionId"),
                    "entry": entry,
                }
            )
        files = [
            FileEntry(
                **{
                    **{name: getattr(found["entry"], name) for name in FileEntry.__struct_fields__},
                    "etag": found["etag"],
                    "version_id": found["version_id"],
                }
            )
            for found in entries
        ]
        self.put(f"{folder}/schemas.json", SCHEMAS, **(lock or {}))
        self.put(f"{folder}/_run.json", b"{}", **(lock or {}))
        manifest = manifest_of(backup_id, files=files, compression=compression, **changed)
        self.put(f"{folder}/manifest.json", encode(manifest), **(lock or {}))
        return manifest
