"""Removing an object with all its versions, as far as the store lets go of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from armillary.backup.store_faults import ABSENT, DENIED, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NO_VERSIONS = frozenset({"NotImplemented", "501", "405", "MethodNotAllowed", "InvalidRequest"})
"""What a store without versions says when it is asked for them."""

UNLISTED = (
    "Its versions may not be listed, and to delete without them would only hide it: the "
    "credentials need s3:ListBucketVersions."
)

KEPT = frozenset({*DENIED, "InvalidRequest", "ObjectLocked"})
"""What a store says that does not let go."""


@dataclass(frozen=True)
class NotDeleted:
    """An object that is still there."""

    key: str
    reason: str
    locked_until: datetime | None
    """By Object Lock; None for any other reason."""


Doing = Callable[[str], AbstractContextManager[None]]
"""Tells in words what was done when a request failed."""


class Removal:
    """Removes objects of one bucket."""

    def __init__(self, client: S3Client, bucket: str, prefix: str, doing: Doing) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._doing = doing

    def kept(self, prefix: str) -> set[str]:
        """The keys that have any version or delete marker; none where nobody may know."""
        with self._doing(f"listing {prefix}"):
            try:
                return {
                    entry["Key"].removeprefix(self._prefix)
                    for entry in self._versions_below(self._prefix + prefix)
                }
            except ClientError as error:
                if code_of(error) not in NO_VERSIONS | DENIED:
                    raise
        return set()

    def remove(self, key: str) -> NotDeleted | None:
        """Remove one object; what is left of it, if anything.

        The oldest version goes first: what is left of an object is its newest state.
        """
        with self._doing(f"removing {key}"):
            versions = self._versions(self._prefix + key)
            if versions is None:
                return NotDeleted(key, UNLISTED, None)
            for number, version in enumerate(versions):
                refusal = self._refusal(version)
                if refusal:
                    until = max(
                        filter(None, map(self._locked_until, versions[number:])), default=None
                    )
                    return NotDeleted(key, f"The store refuses it ({refusal}).", until)
        return None

    def _versions(self, key: str) -> list[dict[str, Any]] | None:
        """Of one object, as arguments that name them, oldest first; None if they may not be seen.

        To delete without a version would then only hide the object behind a marker.
        """
        plain = {"Bucket": self._bucket, "Key": key}
        try:
            found = sorted(self._listed(key), key=lambda entry: entry[:2])
        except ClientError as error:
            if code_of(error) in NO_VERSIONS:
                return [plain]
            if code_of(error) not in DENIED:
                raise
            return None if self._has_versions(plain) else [plain]
        if found:
            versions = [version for _, _, version in found]
            return [
                plain if version == "null" else {**plain, "VersionId": version}
                for version in versions
            ]
        # To remove what is not there would leave a marker in a bucket with versions.
        return [plain] if self._is_there(plain) else []

    def _listed(self, key: str) -> Iterator[tuple[bool, datetime, str]]:
        for entry in self._versions_below(key):
            if entry["Key"] == key:
                yield entry["IsLatest"], entry["LastModified"], entry["VersionId"]

    def _versions_below(self, prefix: str) -> Iterator[Any]:
        paginator = self._client.get_paginator("list_object_versions")
        for page in paginator.paginate(Bucket=self._bucket, Prefix=prefix):
            yield from page.get("Versions", [])
            yield from page.get("DeleteMarkers", [])

    def _has_versions(self, plain: dict[str, Any]) -> bool:
        try:
            head = self._client.head_object(**plain)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return False
            raise
        return head.get("VersionId", "null") != "null"

    def _is_there(self, plain: dict[str, Any]) -> bool:
        try:
            self._client.head_object(**plain)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return False
            raise
        return True

    def _refusal(self, version: dict[str, Any]) -> str:
        """Why the store keeps it; blank once it is gone."""
        try:
            self._client.delete_object(**version)
        except ClientError as error:
            code = code_of(error)
            if code in ABSENT:
                return ""
            if code in KEPT:
                return code
            raise
        return ""

    def _locked_until(self, version: dict[str, Any]) -> datetime | None:
        """By what the store says beside the object, or else when it is asked for that alone."""
        try:
            head = self._client.head_object(**version)
            if until := head.get("ObjectLockRetainUntilDate"):
                return until
            answer = self._client.get_object_retention(**version)
        except ClientError:
            return None
        return answer.get("Retention", {}).get("RetainUntilDate")
