"""Examining an export beside its transfer: in a thread, and a large one in a process of its own.

Rows are looked at by Python code, one thread at a time, and the transfer itself is such code too:
in one process each would wait for the other, and a gigabyte take twice as long as it has to. So
would files that are read back at once (``armillary.backup.stored``).
"""

from __future__ import annotations

import fcntl
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Protocol, Self

import msgspec

from armillary.backup.examination import Answer, Examination, Examined
from armillary.errors import ExportDamaged, TransferFailed

_read_answer = msgspec.msgpack.Decoder(Answer).decode

WAITING = 8
"""Chunks that may wait; then the transfer waits for the examiner."""

PROCESS_BYTES = 64 * 1024**2
"""From here on a process of its own is worth the third of a second it takes to start."""

PIPE_BYTES = 1024**2

END_SECONDS = 5.0
"""A process that has closed its output ends within moments."""


class Examiner(Protocol):
    """Takes chunks; tells at the end what they were. It lives within ``with``."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """End it; what still waits does not matter any more."""
        ...

    def put(self, chunk: bytes) -> None:
        """The next chunk.

        Raises:
            ExportDamaged: what came before is no export.
        """
        ...

    def finish(self) -> Examined:
        """Wait for the last chunk's turn.

        Raises:
            ExportDamaged: it is not a whole export.
        """
        ...


def examiner_for(resource_type: str, length: int | None) -> Examiner:
    """The right one for a file of so many bytes; None where the server did not tell."""
    alone = (os.cpu_count() or 1) == 1
    if length is None or length < PROCESS_BYTES or alone:
        return ThreadExaminer(resource_type)
    return ProcessExaminer(resource_type)


class ThreadExaminer:
    """Beside the transfer in the same process."""

    def __init__(self, resource_type: str) -> None:
        self._examination = Examination(resource_type)
        self._examined: Examined | None = None
        self._chunks: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._failed: BaseException | None = None
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="examiner", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self._end()

    def put(self, chunk: bytes) -> None:
        """As ``Examiner.put``."""
        if self._failed is not None:
            raise self._failed
        self._chunks.put(chunk)

    def finish(self) -> Examined:
        """As ``Examiner.finish``."""
        self._end()
        if self._failed is not None:
            raise self._failed
        assert self._examined is not None  # noqa: S101 - the thread has ended, and not failed
        return self._examined

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
            if chunk is None:
                self._examined = self._examination.close()
            else:
                self._examination.feed(chunk)
        except BaseException as error:  # noqa: BLE001 - raised again where the file is read
            self._failed = error


class ProcessExaminer:
    """On another core. It ends when its standard input does, so a killed run leaves none."""

    def __init__(self, resource_type: str) -> None:
        self._resource_type = resource_type
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C is for the run, which then ends this.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-m", "armillary.backup.examination", self._resource_type],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if self._process.stdin and hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # a smaller pipe is slower, and no more than that
                fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return self

    def __exit__(self, *_: object) -> None:
        process = self._running
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        process.wait()

    def put(self, chunk: bytes) -> None:
        """As ``Examiner.put``."""
        stdin = self._running.stdin
        assert stdin is not None  # noqa: S101 - it was asked for
        try:
            stdin.write(chunk)
        except OSError:
            self.finish()  # it ended before the last chunk: its answer tells why
            raise self._ended() from None

    def finish(self) -> Examined:
        """As ``Examiner.finish``."""
        with suppress(OSError):
            if self._running.stdin is not None:
                self._running.stdin.close()
        try:
            answer = _read_answer(self._read())
        except msgspec.DecodeError:
            raise self._ended() from None
        if answer.examined is None:
            raise ExportDamaged(answer.damaged)
        return answer.examined

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - used within ``with``
        return self._process

    def _read(self) -> bytes:
        stdout = self._running.stdout
        return stdout.read() if stdout is not None else b""

    def _ended(self) -> TransferFailed:
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(END_SECONDS)  # its output ends a moment before it does
        code = self._running.returncode
        return TransferFailed(
            f"The process that looks at the rows of {self._resource_type} ended by itself "
            f"(exit code {code}).",
            next_step="If the machine ran out of memory, give it more; then start the run again.",
        )
