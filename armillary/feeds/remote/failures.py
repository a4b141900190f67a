"""What a failed connection means, in words that quote neither address nor answer (R05)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence

from armillary.feeds.remote.place import CONNECT_SECONDS, IDLE_SECONDS

_MOST_CAUSES = 12
"""Libraries wrap an error of the system three or four times."""

_TIMEOUTS = ("ConnectTimeout", "ConnectTimeoutError", "PoolTimeout")
_ENDED = (
    "ConnectionClosedError",
    "IncompleteReadError",
    "ReadError",
    "RemoteProtocolError",
    "ResponseStreamingError",
    "WriteError",
)
_SILENT = ("ReadTimeout", "ReadTimeoutError", "WriteTimeout")
_SHOWN_CHARS = 200


def why_no_connection(error: Exception) -> str:
    """What the server did, to stand behind its name."""
    causes = list(_causes(error))
    return _plainly(causes) or _by_what_came(causes)


def _plainly(causes: Sequence[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return "is no host name that is known here"
        if isinstance(cause, ConnectionRefusedError):
            return "refuses the connection: no service listens at that port"
        if isinstance(cause, ssl.SSLCertVerificationError):
            # These words name host and certificate, nothing secret.
            return f"shows a certificate that cannot be trusted: {str(cause)[:_SHOWN_CHARS]}"
        if isinstance(cause, TimeoutError) or type(cause).__name__ in _TIMEOUTS:
            return f"does not answer within {CONNECT_SECONDS:g} seconds"
    return ""


def _by_what_came(causes: Sequence[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, EOFError | ConnectionError | ssl.SSLEOFError):
            return "ended the connection before it was made"
        if isinstance(cause, ssl.SSLError):
            return "answers, but not with TLS as it is needed here"
        if "protocol banner" in str(cause):
            return "answers, but not as an SFTP server"
    system = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return (
        f"cannot be reached: {system[0][0].lower()}{system[0][1:]}" if system else "does not answer"
    )


def why_lost(error: Exception) -> str:
    """How a connection that was there ended; the name of the error where nothing else is known."""
    for cause in _causes(error):
        kind = type(cause).__name__
        if isinstance(cause, TimeoutError) or kind in _SILENT:
            return f"nothing was heard for {IDLE_SECONDS:g} seconds"
        if isinstance(cause, EOFError | ConnectionError) or kind in _ENDED:
            return "the connection ended early"
        if kind == "DecodingError":
            return "the answer cannot be unpacked"
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it; paramiko and botocore keep that in places of their own."""
    waiting, seen = [error], 0
    while waiting and seen < _MOST_CAUSES:
        found = waiting.pop(0)
        seen += 1
        yield found
        behind = [found.__cause__ or found.__context__]
        behind += (getattr(found, "errors", None) or {}).values() if _by_address(found) else ()
        behind += [getattr(found, "kwargs", {}).get("error")] if _of_botocore(found) else ()
        waiting += [each for each in behind if isinstance(each, BaseException)]


def _by_address(error: BaseException) -> bool:
    """One error for each address of a host (``NoValidConnectionsError``)."""
    return isinstance(getattr(error, "errors", None), dict)


def _of_botocore(error: BaseException) -> bool:
    return isinstance(getattr(error, "kwargs", None), dict)
