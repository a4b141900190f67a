"""A page that is written, read, listed and removed before a backup begins (S09 to S11)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from armillary.backup.removal import NO_VERSIONS
from armillary.backup.store_faults import ABSENT, code_of
from armillary.errors import StoreFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TURNS = 3
"""Another run's probe has the same key, and may be removed just when this one is looked for."""

CONTENT = b"armillary proves that it can write and read here\n"

_NO_LOCK = frozenset(
    {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", *ABSENT, *NO_VERSIONS}
)


class _Named(Protocol):
    @property
    def key(self) -> str: ...


class _Bucket(Protocol):
    place: str

    def write(self, key: str, content: bytes, *, locked: bool) -> bool: ...

    def read(self, key: str) -> bytes | None: ...

    def list(self, prefix: str) -> Iterable[_Named]: ...

    def delete(self, keys: Iterable[str]) -> object: ...


def send_probe(bucket: _Bucket, key: str) -> None:
    """Write it, find it, and remove it if the store lets it go.

    Raises:
        StoreFailed: it cannot be found again.
        ConfigurationError: a right is missing, other than the one to remove.
    """
    missing = ""
    for _ in range(TURNS):
        missing = _missing(bucket, key)
        if not missing:
            break
    else:
        raise StoreFailed(f"{bucket.place}: {key} was just written and {missing}.")
    bucket.delete([key])


def _missing(bucket: _Bucket, key: str) -> str:
    bucket.write(key, CONTENT, locked=False)
    if bucket.read(key) != CONTENT:
        return "does not read back"
    if key not in {found.key for found in bucket.list(key)}:
        return "is not listed"
    return ""


def has_lock(client: S3Client, bucket: str) -> bool:
    """Whether a bucket can lock objects.

    Raises:
        ClientError: nobody may know.
    """
    try:
        answer = client.get_object_lock_configuration(Bucket=bucket)
    except ClientError as error:
        if code_of(error) in _NO_LOCK:
            return False
        raise
    return answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
