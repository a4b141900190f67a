"""Where runs leave what the next one needs: a folder, or a prefix in an S3 bucket.

Small objects under slash-separated keys. A worker in a container needs the bucket: its folder is
gone when it ends.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from armillary.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class RunStore(Protocol):
    """Reads and replaces whole objects."""

    place: str
    """The address, as a person would write it."""

    def read(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Replace the object; a reader sees the old or the new one, never a part."""
        ...


class FolderStore:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def read(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.place, error) from error

    def write(self, key: str, content: bytes) -> None:
        """Replace the object by writing beside it and renaming."""
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
                part.write(content)
                part.flush()
                os.fsync(part.fileno())
            Path(part.name).replace(path)
        except OSError as error:
            raise _unusable(self.place, error) from error


class BucketStore:
    """A prefix of an S3 bucket; credentials come from the machine's own chain."""

    def __init__(self, place: str, endpoint_url: str | None) -> None:
        parts = urlsplit(place)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._s3: S3Client = boto3.client("s3", endpoint_url=endpoint_url)
        self.place = place

    def read(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(key))
            content: bytes = answer["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            return None
        except (BotoCoreError, ClientError) as error:
            raise _unusable(self.place, error) from error
        return content

    def write(self, key: str, content: bytes) -> None:
        """Replace the object."""
        try:
            self._s3.put_object(Bucket=self._bucket, Key=self._key(key), Body=content)
        except (BotoCoreError, ClientError) as error:
            raise _unusable(self.place, error) from error

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key


def open_store(place: str, *, endpoint_url: str | None = None) -> RunStore:
    """The store at a folder's path or an ``s3://bucket/prefix`` address.

    Raises:
        ConfigurationError: the address has another form.
    """
    if place.startswith("s3://"):
        return BucketStore(place, endpoint_url)
    if "://" in place:
        raise ConfigurationError(
            f"ARMILLARY_RUNS is {place!r}.",
            next_step="Give a folder, or an address of the form s3://bucket/prefix.",
        )
    return FolderStore(Path(place).expanduser())


def _unusable(place: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The run records at {place!r} cannot be used: {error}.",
        next_step="Check ARMILLARY_RUNS and the rights on it, then start the run again.",
    )
