"""A line to a server that can be cut: as seen from a client, the server is stopped."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

READ_BYTES = 64 * 1024


class Line:
    """Passes on what comes in on a port of its own, until it is cut."""

    def __init__(self, port: int) -> None:
        """Pass on to this port of the machine."""
        self._to = port
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = self._listening(0)
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        """It is whole."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cut for good."""
        self.cut()

    def cut(self) -> None:
        """Every connection ends, and new ones are refused."""
        with self._lock:
            self._listener.close()
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._open.clear()

    def mend(self) -> None:
        """As before, on the same port."""
        self._listener = self._listening(self.port)

    def _listening(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._open += [here, there]
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=_pass_on, args=ends, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(READ_BYTES):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
