"""Nights of backups, and plans to prune them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from armillary.backup.catalogue import Catalogue
from armillary.backup.prune import PrunePlan, plan
from armillary.backup.retention import Retention
from tests.backup.made import Shelf

WRITTEN = datetime.now(UTC)
"""The store dates what the tests put there now."""

NOW = WRITTEN + timedelta(days=3, hours=1)
LAST_ONE = Retention(keep_last=1)


def night(days_ago: int) -> str:
    """Id of the backup of a night; the last one was last night."""
    return f"{NOW - timedelta(days=days_ago, hours=7):%Y-%m-%dT%H-%M-%SZ}"


def planned(catalogue: Catalogue, policy: Retention = LAST_ONE, **more: Any) -> PrunePlan:
    return plan(catalogue, policy, more.pop("now", NOW), **more)


def to_remove(made: PrunePlan) -> list[str]:
    return [removal.backup_id for removal in made.removals]


def folders(shelf: Shelf) -> list[str]:
    held = shelf.keys()
    return sorted({key.rpartition("/")[0] for key in held})


def begin_upload(shelf: Shelf, key: str) -> None:
    begun = shelf.s3.create_multipart_upload(Bucket=shelf.bucket, Key=shelf.prefix + key)
    shelf.s3.upload_part(
        Bucket=shelf.bucket,
        Key=shelf.prefix + key,
        UploadId=begun["UploadId"],
        PartNumber=1,
        Body=b"a part",
    )


def uploads(shelf: Shelf) -> list[str]:
    found = shelf.s3.list_multipart_uploads(Bucket=shelf.bucket).get("Uploads", [])
    return sorted(entry["Key"].removeprefix(shelf.prefix) for entry in found)
