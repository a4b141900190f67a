"""The bucket of the backup's tests."""

from __future__ import annotations

from tests.backup.conftest import bucket, place, s3, s3_server, shelf

__all__ = ["bucket", "place", "s3", "s3_server", "shelf"]
