"""Where runs leave what the next one needs: a folder, or a prefix in an S3 bucket.

Small objects under slash-separated keys. A worker in a container needs the bucket: its folder is
gone when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from armillary.errors import ConfigurationError
from armillary.runs.bucket_store import BucketStore
from armillary.runs.folder_store import FolderStore
from armillary.runs.objects import Versioned


class RunStore(Protocol):
    """Reads and replaces whole objects; a reader sees the old or the new one, never a part.

    Every method raises ConfigurationError when the place cannot be used, or for a key that is
    no key (an empty part, ``..``). An object that is swapped is not also written or deleted:
    those two ask nobody.
    """

    place: str
    """The address, as a person would write it."""

    def read(self, key: str) -> bytes | None:
        """The object, or None where there is none."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Replace the object, whatever is there."""
        ...

    def create(self, key: str, content: bytes) -> bool:
        """Make the object: True if it was made, False if there was one.

        In a bucket False may also follow an own write whose answer was lost. Who has to know
        reads the object and finds his own content, or not.
        """
        ...

    def read_versioned(self, key: str) -> Versioned | None:
        """The object with what ``swap`` asks for, or None where there is none."""
        ...

    def swap(self, key: str, content: bytes, version: str) -> bool:
        """Replace the object if it still is what was read, else leave it and say False.

        ``version`` comes from ``read_versioned``. False may follow a lost answer as in ``create``.
        """
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that start with these characters, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is as good as removed."""
        ...


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
