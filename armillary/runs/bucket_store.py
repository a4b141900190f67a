"""Run records below a prefix of an S3 bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from armillary.runs.objects import Versioned, checked, unusable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOT_WON = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""A condition that did not hold, one that was being decided for another, and nothing to swap."""

PATIENCE = Config(
    connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
)
"""A service that swallows requests must fail one within a lease's life, not after five minutes."""


class BucketStore:
    """A prefix of an S3 bucket; credentials come from the machine's own chain.

    ``create`` and ``swap`` are conditional writes. A service that takes no notice of conditions
    (some do) answers True to everybody: ``armillary.runs.lease`` reads back what it wrote.
    """

    def __init__(self, place: str, endpoint_url: str | None) -> None:
        parts = urlsplit(place)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._s3: S3Client = boto3.client("s3", endpoint_url=endpoint_url, config=PATIENCE)
        self.place = place

    def read(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        found = self.read_versioned(key)
        return None if found is None else found.content

    def write(self, key: str, content: bytes) -> None:
        """Replace the object."""
        name = self._name(key)
        with self._usable():
            self._s3.put_object(Bucket=self._bucket, Key=name, Body=content)

    def create(self, key: str, content: bytes) -> bool:
        """Make the object: True if it was made, False if there was one, or a rival's turn."""
        name = self._name(key)
        with self._usable():
            try:
                self._s3.put_object(Bucket=self._bucket, Key=name, Body=content, IfNoneMatch="*")
            except ClientError as error:
                return _not_won(error)
            return True

    def read_versioned(self, key: str) -> Versioned | None:
        """The object with its ETag, or None where there is none."""
        name = self._name(key)
        with self._usable():
            try:
                answer = self._s3.get_object(Bucket=self._bucket, Key=name)
            except self._s3.exceptions.NoSuchKey:
                return None
            return Versioned(answer["Body"].read(), answer["ETag"])

    def swap(self, key: str, content: bytes, version: str) -> bool:
        """Replace the object if it still is what was read, else leave it and say False."""
        if self._put_if(key, content, version):
            return True
        # Ceph (16 at least) compares with the quotes, and so refuses what is still there.
        found = self.read_versioned(key)
        if found is None or found.version != version:
            return False
        return self._put_if(key, content, version.strip('"'))

    def _put_if(self, key: str, content: bytes, etag: str) -> bool:
        name = self._name(key)
        with self._usable():
            try:
                self._s3.put_object(Bucket=self._bucket, Key=name, Body=content, IfMatch=etag)
            except ClientError as error:
                return _not_won(error)
            return True

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that start with these characters, sorted."""
        folder, slash, _ = prefix.rpartition("/")
        if slash:
            checked(folder)
        start = f"{self._prefix}/" if self._prefix else ""
        with self._usable():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=start + prefix
            )
            names = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return iter(sorted(name.removeprefix(start) for name in names))

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is as good as removed."""
        name = self._name(key)
        with self._usable():
            self._s3.delete_object(Bucket=self._bucket, Key=name)

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{checked(key)}" if self._prefix else checked(key)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise unusable(self.place, error) from error


def _not_won(error: ClientError) -> bool:
    """False for a condition that was not met; any other refusal goes on its way."""
    if error.response["Error"]["Code"] in NOT_WON:
        return False
    raise error
