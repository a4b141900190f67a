"""Hashing and counting an export beside its transfer, in a thread of its own."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from typing import Self

from armillary.backup.rows import RowBatch, RowReader

WAITING = 8
"""Chunks that may wait; then the transfer waits for the examiner."""


class Examiner:
    """Takes chunks; tells hash, length and rows at the end. The thread lives within ``with``."""

    def __init__(self, resource_type: str, take: Callable[[RowBatch], None]) -> None:
        self.reader = RowReader(resource_type)
        self.bytes = 0
        self._take = take
        self._hash = hashlib.sha256()
        self._chunks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._failed: BaseException | None = None
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="examiner", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread; what still waits does not matter any more."""
        self._given_up.set()
        self._end()

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
        self._end()
        if self._failed is not None:
            raise self._failed

    def _end(self) -> None:
        if self._thread.is_alive():
            self._chunks.put(None)
            self._thread.join()

    def _run(self) -> None:
        # Takes chunks to the last, whatever became of the first: nobody waits for it for ever.
        while (chunk := self._chunks.get()) is not None:
            self._try(chunk)
        self._try(None)

    def _try(self, chunk: bytes | None) -> None:
        if self._failed is not None or self._given_up.is_set():
            return
        try:
            if chunk is not None:
                self._hash.update(chunk)
            for batch in self.reader.close() if chunk is None else self.reader.feed(chunk):
                self._take(batch)
        except BaseException as error:  # noqa: BLE001 - raised again where the file is read
            self._failed = error
