"""Storing a stream of unknown length in parts, by boto3's own transfer manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig, create_transfer_manager

from armillary.backup.place import BucketPlace
from armillary.errors import ConfigurationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from s3transfer.futures import TransferFuture

MOST_PARTS = 10_000
"""Of one object, by S3."""


class Upload:
    """One stream on its way into one object."""

    def __init__(self, client: S3Client, place: BucketPlace, stream: IO[bytes]) -> None:
        self._client = client
        self._place = place
        self._source = _Source(stream, place)

    @property
    def read_whole(self) -> bool:
        """Whether the stream came to its end; before that no object can have been made of it."""
        return self._source.ended

    def run(self, key: str, asked: Mapping[str, Any]) -> None:
        """Store it, or leave nothing behind.

        Args:
            key: of the object, with the prefix.
            asked: how it is to be kept.

        Raises:
            ClientError, BotoCoreError: what the store answered, after boto3's repeats.
        """
        with create_transfer_manager(self._client, _config(self._place)) as manager:
            source: Any = self._source  # all that is asked of a stream is to read
            transfer = manager.upload(source, self._place.bucket, key, extra_args=dict(asked))
            self._source.transfer = transfer
            transfer.result()


class _Source:
    """A stream that is not read any further once its upload has failed.

    boto3 would read all the rest of it for nothing.
    """

    def __init__(self, stream: IO[bytes], place: BucketPlace) -> None:
        self._stream = stream
        self._place = place
        self._bytes = 0
        self.ended = False
        self.transfer: TransferFuture | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self.transfer is not None and self.transfer.done():
            raise EOFError  # the upload keeps the fault that ended it
        piece = self._stream.read(size)
        self._bytes += len(piece)
        if self._bytes > MOST_PARTS * self._place.part_bytes:
            raise ConfigurationError(
                f"{self._place.words}: the file is larger than {MOST_PARTS:,} parts of "
                f"{self._place.part_bytes:,} bytes, and S3 takes no more parts.",
                next_step="Raise part_bytes of the backup store (ARMILLARY_STORE_PART_BYTES).",
            )
        self.ended = size < 0 or len(piece) < size
        return piece


def _config(place: BucketPlace) -> TransferConfig:
    config = TransferConfig(
        multipart_threshold=place.part_bytes,
        multipart_chunksize=place.part_bytes,
        max_concurrency=place.upload_threads,
        use_threads=True,
        preferred_transfer_client="classic",
    )
    # Of a stream, parts wait in memory: ten by default, whatever the threads.
    config.max_in_memory_upload_chunks = place.upload_threads
    return config
