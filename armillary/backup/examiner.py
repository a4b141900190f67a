"""Hashing and counting an export beside its transfer, in a thread of its own."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable

from armillary.backup.rows import RowBatch, RowReader

WAITING = 8
"""Chunks that may wait; then the transfer waits for the examiner."""


class Examiner:
    """Takes chunks; tells hash, length and rows at the end."""

    def __init__(self, resource_type: str, take: Callable[[RowBatch], None]) -> None:
        self.reader = RowReader(resource_type)
        self.bytes = 0
        self._take = take
        self._hash = hashlib.sha256()
        self._chunks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="examiner", daemon=True)
        self._thread.start()

    @property
    def sha256(self) -> str:
        """Of all chunks; after ``finish``."""
        return self._hash.hexdigest()

    def put(self, chunk: bytes) -> None:
        """The next chunk.

        Raises:
            ExportDamaged: what came before is no export.
        """
        if self._failed is not None:
            raise self._failed
        self.bytes += len(chunk)
        self._chunks.put(chunk)

    def finish(self) -> None:
        """Wait for the last chunk's turn.

        Raises:
            ExportDamaged: it is not a whole export.
        """
        self.close()
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """End the thread; what was found does not matter any more."""
        if self._thread.is_alive():
            self._chunks.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            if self._failed is None:
                self._try(chunk)
        if self._failed is None:
            self._try(None)

    def _try(self, chunk: bytes | None) -> None:
        try:
            if chunk is not None:
                self._hash.update(chunk)
            for batch in self.reader.close() if chunk is None else self.reader.feed(chunk):
                self._take(batch)
        except BaseException as error:  # noqa: BLE001 - raised again where the file is read
            self._failed = error
