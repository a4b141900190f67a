"""A connection whose transport the application can reach, so that a dropped one is really gone."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Literal

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Protocol
except ImportError:  # pragma: no cover - httptools is a speed-up, h11 always comes with uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol  # type: ignore[assignment]

TRANSPORT = "simulator.transport"
"""Key of the transport in the state of an ASGI scope."""


class OpenProtocol(_Protocol):
    """Uvicorn's own protocol; every request's scope state carries the transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport where uvicorn copies the state of each scope from."""
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)


def drop(scope: dict[str, Any], how: Literal["reset", "close"]) -> None:
    """End the connection at once: RST for ``reset``, what is written and FIN for ``close``."""
    transport: asyncio.Transport = scope["state"][TRANSPORT]
    if how == "close":
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
