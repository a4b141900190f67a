"""Files of a backup, read back in the processes of a Dask cluster.

What travels there is where the backup lies and the entry of one file; each worker opens the bucket
itself. What comes back is what was seen: counts, and the names that references need, once each.
Reading changes nothing, so that a file whose worker died is read again by another.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import zstandard

from armillary.backup.file_look import FileLook, FileSeen, look_at_file
from armillary.backup.manifest import FileEntry
from armillary.backup.readers import READERS, BytesRead, Readers, largest_first
from armillary.errors import ArmillaryError, RunStopped
from armillary.settings import Settings
from blocks import BackupStore
from tasks.dask_runner import THREADS, dask_runner, shared_event
from tasks.dask_waiting import wait_for

LARGE_BYTES = 1024**3
"""Unpacked bytes to read from which on a cluster is asked for: its processes take about as long to
start as a gigabyte takes to be read."""

MOST_ALONE = 2
"""Fewer files than this wait for nobody."""

TELL_SECONDS = 1.0
"""How often a worker tells how far it has come, and asks whether the run goes on."""

_read_seen = msgspec.msgpack.Decoder(FileSeen).decode


@dataclass(frozen=True)
class ReadingErrand:
    """What another process has to know to look at one file. Nothing of it is a live object."""

    store: BackupStore = field(repr=False)
    """With its credentials, if the block has any; else a worker has those of its machine."""
    look: FileLook
    number: int
    """Of the file, in what is told of its progress."""
    name: str
    """Of the reading: of what it tells, and of the flag that asks it to stop."""


@contextmanager
def readers_for(store: BackupStore, to_read: Sequence[FileEntry]) -> Iterator[Readers | None]:
    """Other processes for the files, where this machine's settings name some and it is worth it.

    Args:
        store: where the backup lies.
        to_read: the files that are to be read back.

    Yields:
        Who reads; None for threads of this process.

    Raises:
        ConfigurationError: the cluster that is named cannot be used.
    """
    chosen = Settings().task_runner
    alone = len(to_read) < MOST_ALONE or sum(entry.bytes for entry in to_read) < LARGE_BYTES
    if chosen == THREADS or alone:
        yield None
        return
    with dask_runner(chosen, READERS, undone="Nothing was read.") as runner:
        yield DaskReaders(runner.client, store)


class DaskReaders:
    """Processes of a Dask cluster.

    Args:
        client: of its scheduler.
        store: where the backup lies.
    """

    def __init__(self, client: Any, store: BackupStore) -> None:
        self._client = client
        self._store = store

    def look(self, asked: Sequence[FileLook]) -> list[FileSeen]:
        """As ``Readers.look``."""
        name, read = f"armillary-reading-{uuid.uuid4()}", BytesRead(asked)
        futures: dict[int, Any] = {}
        self._client.subscribe_topic(name, lambda event: read.note(*event[1]))
        try:
            for number in largest_first(asked):
                errand = ReadingErrand(self._store, asked[number], number, name)
                futures[number] = self._client.submit(look_elsewhere, errand, pure=False)
            if not wait_for(self._client, list(futures.values()), read.say):
                raise _gone("The Dask scheduler has no workers any more.")
            found = [_fetched(futures[number], asked[number]) for number in range(len(asked))]
            for number, seen in enumerate(found):
                read.note(number, seen.bytes_read)
            read.say()
            return found
        except BaseException:
            # Of a scheduler that is gone the workers notice by themselves.
            with suppress(Exception):
                shared_event(name, self._client).set()
                self._client.cancel(list(futures.values()))
            raise
        finally:
            with suppress(Exception):
                self._client.unsubscribe_topic(name)


def look_elsewhere(errand: ReadingErrand) -> bytes | ArmillaryError:
    """Look at one file in the process this runs in: what was seen, packed; or why it could not be.

    An error is an answer: Dask would log it, with everything that it was given.
    """
    try:
        seen = look_at_file(errand.store.open(), errand.look, _telling(errand))
    except ArmillaryError as error:
        return error
    return zstandard.compress(msgspec.msgpack.encode(seen))


def _telling(errand: ReadingErrand) -> Callable[[int], None]:
    """Tells the run how far the file was read; raises when the run goes no further."""
    import distributed  # noqa: PLC0415 - an extra

    of_dask: Any = distributed
    worker, stopping = of_dask.get_worker(), shared_event(errand.name)
    told_at = time.monotonic()

    def passed(count: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < TELL_SECONDS:
            return
        told_at = time.monotonic()
        if stopping.is_set():
            raise RunStopped("The run was stopped.")
        worker.log_event(errand.name, (errand.number, count))

    return passed


def _fetched(future: Any, look: FileLook) -> FileSeen:
    try:
        answer = future.result()
    except Exception as error:
        # Dask's own: as a rule that several workers died of it, one after another.
        raise _gone(f"{look.entry.key} could not be read: {type(error).__name__}.") from error
    if isinstance(answer, ArmillaryError):
        raise type(answer)(
            f"On a worker of the Dask cluster: {answer.message}", next_step=answer.advice
        )
    return _read_seen(zstandard.decompress(answer))


def _gone(what: str) -> RunStopped:
    return RunStopped(
        f"The Dask cluster of ARMILLARY_TASK_RUNNER did not read the backup to its end. {what} "
        "That says nothing of the backup.",
        next_step="Look at the logs of its workers (often they have too little memory), and verify "
        "again; without ARMILLARY_TASK_RUNNER threads of this process read the files.",
    )
