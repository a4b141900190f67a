"""Looking at the files of a backup at once: who does it, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import Protocol

from armillary import progress
from armillary.backup.bucket import Bucket
from armillary.backup.file_look import FileLook, FileSeen, look_at_file

READERS = 4
"""Files read at once. Of seven types two or three are large, and a store answers several
connections faster than one; each reader holds some 10 MB, and of a large file a process of 40 MB
looks at the rows beside it, so that four take 200 MB at most, and names of parents."""

STEP_SECONDS = 0.2
"""How long one waits before it is said how far the reading has come."""


class Readers(Protocol):
    """Looks at files, in whatever thread or process."""

    def look(self, asked: Sequence[FileLook]) -> list[FileSeen]:
        """What was seen of each, in the order asked.

        Raises:
            StoreFailed, ConfigurationError: the bucket cannot be read.
            RunStopped: whoever was to read is gone.
        """
        ...


class BytesRead:
    """How far several files have been read, by whomever; said by whoever waits."""

    def __init__(self, asked: Sequence[FileLook]) -> None:
        self._wanted = sum(look.bytes for look in asked)
        self._read = [0] * len(asked)
        self._said = -1

    def note(self, number: int, count: int) -> None:
        """So many bytes of a file were read so far; one that is read again begins anew."""
        self._read[number] = count

    def say(self) -> None:
        """Tell whoever listens, if it has become more."""
        done = sum(self._read)
        if self._wanted and done > self._said:
            self._said = done
            progress.say("reading back, bytes", done, self._wanted)


class _Stopped(Exception):
    """The run goes no further: another file could not be read, or it was cancelled."""


class ThreadReaders:
    """Threads of this process.

    Args:
        bucket: where the backup lies.
        readers: threads at once.
    """

    def __init__(self, bucket: Bucket, readers: int = READERS) -> None:
        self._bucket = bucket
        self._readers = readers

    def look(self, asked: Sequence[FileLook]) -> list[FileSeen]:
        """As ``Readers.look``."""
        if not asked:
            return []
        stop, read = Event(), BytesRead(asked)
        pool = ThreadPoolExecutor(self._readers, thread_name_prefix="reader")
        futures: dict[int, Future[FileSeen]] = {}
        try:
            for number in largest_first(asked):
                passed = _noted(read, number, stop)
                futures[number] = pool.submit(look_at_file, self._bucket, asked[number], passed)
            while not _ended(futures, read):
                pass
        finally:
            # A thread ends with the piece under way: nobody waits for a store that hangs.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
        return [futures[number].result() for number in range(len(asked))]


def largest_first(asked: Sequence[FileLook]) -> list[int]:
    """In which order files are begun: the one that takes longest must not be the last."""
    return sorted(range(len(asked)), key=lambda number: -asked[number].bytes)


def _noted(read: BytesRead, number: int, stop: Event) -> Callable[[int], None]:
    def passed(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        read.note(number, count)

    return passed


def _ended(futures: dict[int, Future[FileSeen]], read: BytesRead) -> bool:
    """Wait a step; whether all have ended. Raises what one of them raised."""
    done, left = wait(futures.values(), STEP_SECONDS, return_when=FIRST_EXCEPTION)
    read.say()
    for _, future in sorted(futures.items()):
        if future in done:
            future.result()
    return not left
