"""One export from its link into the bucket: hashed, counted and packed on the way.

    download ──┬─ examiner: SHA-256 and rows of what was exported, in a thread or process
               └─ packing ── SHA-256 of what is stored ── pipe ── upload in parts

All of it at once, in bounded memory. The object becomes visible only after the last row proved
that the export is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Literal, Never, Protocol, cast

import zstandard

from armillary.backup.bucket import Bucket, Stored
from armillary.backup.download import NEXT_STEP, Download, Link, StartAgain
from armillary.backup.examination import Examined
from armillary.backup.examiner import examiner_for
from armillary.backup.link_client import LinkClient
from armillary.backup.pipe import Pipe, UploadEnded
from armillary.backup.seen import Seen
from armillary.clock import Clock, SystemClock
from armillary.errors import ExportDamaged, StoreFailed, TransferFailed

ATTEMPTS = 3
"""At one whole file: a source that breaks off (J10), or a store that fails after boto3's own
repeats (S01)."""

PAUSE_SECONDS = 5.0
"""Before a store that failed is tried once more; then twice as long."""

ZSTD_LEVEL = 1
"""Measured on values, which are most of a backup: smaller than at level 3, in 6/10 of the time."""

Compression = Literal["zstd", "none"]

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Transferred:
    """What was moved."""

    key: str
    format: Literal["json", "csv"]
    compression: Compression
    rows: int
    bytes: int
    """As exported."""
    sha256: str
    """Of the exported bytes."""
    stored_bytes: int
    stored_sha256: str
    etag: str
    version_id: str | None
    checksums: dict[str, str]
    seen: Seen
    """What the rows told."""


def transfer(
    link: Link,
    bucket: Bucket,
    key: str,
    *,
    resource_type: str,
    compression: Compression,
    metadata: Mapping[str, str],
    progress: Progress,
    stop: Callable[[], None],
    clock: Clock | None = None,
) -> Transferred:
    """Stream one export into the bucket.

    Args:
        link: gives a fresh link.
        bucket: where it goes.
        key: of the object.
        resource_type: of the rows.
        compression: of what is stored.
        metadata: of the object.
        progress: given the bytes so far, and how many there are if the server told.
        stop: called often; raises to end it (a lost lease).
        clock: for pauses.

    Raises:
        TransferFailed: the export could not be had whole; nothing of it is left in the bucket.
        StoreFailed: the bucket did not take it, ``ATTEMPTS`` times.
        ConfigurationError: the bucket will not take it, however often it is tried.
    """
    clock = clock or SystemClock()
    why = ""
    with LinkClient() as client:
        for attempt in range(1, ATTEMPTS + 1):
            download = Download(link, client, clock=clock, stop=stop)
            passing = _Passing(
                bucket,
                key,
                resource_type=resource_type,
                compression=compression,
                metadata=metadata,
            )
            try:
                return passing.run(download, progress, stop)
            except (StartAgain, ExportDamaged) as error:
                why = str(error)
            except StoreFailed:
                if attempt == ATTEMPTS:
                    raise
                stop()
                clock.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise TransferFailed(
        f"The export of {resource_type} was read {ATTEMPTS} times from its first byte and never "
        f"came whole: {why.removesuffix('.')}.",
        next_step=NEXT_STEP,
    )


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _AsItIs:
    """No compression."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Passing:
    """One attempt at one file."""

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        resource_type: str,
        compression: Compression,
        metadata: Mapping[str, str],
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._compression: Compression = compression
        self._metadata = metadata
        self._resource_type = resource_type
        self._pipe = Pipe()
        self._packer = _packer(compression)
        self._stored_hash = hashlib.sha256()
        self._stored_bytes = 0
        self._bytes = 0

    def run(self, download: Download, progress: Progress, stop: Callable[[], None]) -> Transferred:
        with ThreadPoolExecutor(1, thread_name_prefix="upload") as pool:
            uploading: Future[Stored] | None = None
            try:
                uploading = pool.submit(self._upload)
                examined = self._pass(download, progress, stop)
                self._pipe.end()
                stored = uploading.result()
            except UploadEnded:
                self._tell_why(uploading)
            except BaseException:
                # Whatever it is, also a signal: nobody may wait at the other end for ever.
                self._pipe.break_off()
                self._wait_for_the_end(uploading)
                raise
        return self._moved(examined, stored)

    def _pass(self, download: Download, progress: Progress, stop: Callable[[], None]) -> Examined:
        """Hand every byte to the examiner and to the upload."""
        with ExitStack() as stack:
            pieces = stack.enter_context(closing(download.chunks()))
            first = next(pieces, b"")  # with it the server tells how much there is
            examiner = stack.enter_context(examiner_for(self._resource_type, download.length))
            for piece in chain([first], pieces):
                stop()
                self._bytes += len(piece)
                examiner.put(piece)
                self._hand_on(self._packer.compress(piece))
                progress(self._bytes, download.length)
            self._hand_on(self._packer.flush())
            return examiner.finish()

    def _hand_on(self, piece: bytes) -> None:
        if self._compression != "none":  # else it is the hash of the export, and made already
            self._stored_hash.update(piece)
        self._stored_bytes += len(piece)
        self._pipe.put(piece)

    def _upload(self) -> Stored:
        try:
            source = cast("IO[bytes]", self._pipe)
            return self._bucket.upload(self._key, source, metadata=self._metadata)
        finally:
            self._pipe.abandon()

    def _tell_why(self, uploading: Future[Stored] | None) -> Never:
        if uploading is not None:
            uploading.result()
        raise StoreFailed(
            f"{self._bucket.place}: the upload of {self._key} ended before its last byte."
        )

    @staticmethod
    def _wait_for_the_end(uploading: Future[Stored] | None) -> None:
        """Its parts are removed by then; what it says is only that it was broken off."""
        if uploading is not None:
            with suppress(Exception):
                uploading.result()

    def _moved(self, examined: Examined, stored: Stored) -> Transferred:
        if stored.bytes != self._stored_bytes:
            raise StoreFailed(
                f"{self._bucket.place}: {self._stored_bytes:,} bytes of {self._key} were sent and "
                f"{stored.bytes:,} lie there."
            )
        return Transferred(
            key=self._key,
            format=examined.format,
            compression=self._compression,
            rows=examined.seen.rows,
            bytes=examined.bytes,
            sha256=examined.sha256,
            stored_bytes=stored.bytes,
            stored_sha256=examined.sha256
            if self._compression == "none"
            else self._stored_hash.hexdigest(),
            etag=stored.etag,
            version_id=stored.version_id,
            checksums=stored.checksums,
            seen=examined.seen,
        )


def _packer(compression: Compression) -> _Packer:
    if compression == "none":
        return _AsItIs()
    packing: Any = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    return cast("_Packer", packing.compressobj())
