"""Why no answer came, as a value.

The HTTP library's own exceptions do not leave this package, not even as a cause: they pass through
frames that handle the headers of the request, and with them the token.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass

import httpcore
import httpx

from armillary.api.call import Call
from armillary.api.endpoint import Endpoint

WIRE_FAULTS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpx.DecodingError,
)

_NOTHING_SENT = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.ProxyError,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong on the wire.

    ``sent`` is False only when certainly no byte of the request left this machine.
    """

    message: str
    sent: bool
    untrusted: bool = False
    """The server's certificate cannot be trusted: no repeat, and no way round it (A08)."""


def fault_of(error: Exception, call: Call, connection: Endpoint, deadline: float) -> Fault:
    """Describe an exception of ``WIRE_FAULTS`` for a person."""
    said = f" ({error})" if str(error) else ""
    if isinstance(error, _NOTHING_SENT):
        untrusted = _is_certificate(error)
        host = httpx.URL(connection.url).host
        if untrusted:
            return Fault(f"The certificate of {host} cannot be trusted{said}.", False, True)
        return Fault(f"no connection to {host}{said}.", sent=False)
    if isinstance(error, httpcore.TimeoutException):
        if time.monotonic() >= deadline:
            return Fault(f"no complete answer within {call.timeout_seconds:g} seconds.", sent=True)
        return Fault(f"nothing was heard for {call.read_timeout_seconds:g} seconds.", sent=True)
    if isinstance(error, httpx.DecodingError):
        return Fault(f"the answer's compression is damaged{said}.", sent=True)
    return Fault(f"the connection broke before the answer was complete{said}.", sent=True)


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
