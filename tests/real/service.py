"""An S3 service of another project, the keys to it, and buckets in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3

from armillary.backup.bucket import Bucket
from armillary.backup.place import MIB, BucketPlace

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"

PREFIX = "desk"


@dataclass(frozen=True)
class Service:
    """Where it is and who may use it. A bucket of its own for each test; none is cleaned up."""

    url: str
    access_key: str
    secret_key: str
    tls_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The keys, as every client reads them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def over_tls(self) -> Service:
        """The same service behind its certificate."""
        return replace(self, url=self.tls_url)

    @property
    def session(self) -> boto3.session.Session:
        """Has the keys."""
        return boto3.session.Session(self.access_key, self.secret_key, region_name=REGION)

    @property
    def client(self) -> S3Client:
        """A plain client."""
        return self.session.client("s3", endpoint_url=self.url)

    def make_bucket(self, *, versions: bool = False, lock: bool = False) -> str:
        """A new empty bucket."""
        name = f"backups-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if versions:
            self.client.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        return name

    def place(self, name: str, **asked: Any) -> BucketPlace:
        """A prefix in a bucket of this service, with the smallest parts there are."""
        given = {"prefix": PREFIX, "endpoint_url": self.url, "part_bytes": 5 * MIB, **asked}
        return BucketPlace(name, **given)

    def bucket(self, name: str, **asked: Any) -> Bucket:
        """The same, opened with the keys."""
        return Bucket(self.place(name, **asked), self.session)
