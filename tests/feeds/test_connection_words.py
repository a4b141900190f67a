"""What people read of a connection that failed: no name of a class."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError
from paramiko.ssh_exception import NoValidConnectionsError, SSHException

from armillary.feeds.remote.failures import why_lost, why_no_connection

NO_HOST = socket.gaierror(-2, "Name or service not known")


def behind(outer: Exception, cause: Exception) -> Exception:
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (behind(httpx.ConnectError("x"), NO_HOST), "is no host name that is known here"),
        (
            EndpointConnectionError(endpoint_url="u", error=behind(Exception(), NO_HOST)),
            "is no host name that is known here",
        ),
        (
            NoValidConnectionsError({("127.0.0.1", 9): ConnectionRefusedError()}),
            "refuses the connection: no service listens at that port",
        ),
        (httpx.ConnectTimeout("x"), "does not answer within 15 seconds"),
        (EOFError(), "ended the connection before it was made"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "answers, but not with TLS as it is"),
        (SSHException("Error reading SSH protocol banner"), "answers, but not as an SFTP server"),
        (OSError(101, "Network is unreachable"), "cannot be reached: network is unreachable"),
        (ValueError("token=hunter2"), "does not answer"),
    ],
)
def test_why_there_is_no_connection(error: Exception, said: str) -> None:
    assert why_no_connection(error).startswith(said)
    assert "hunter2" not in why_no_connection(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.RemoteProtocolError("x"), "the connection ended early"),
        (httpx.ReadTimeout("x"), "nothing was heard for 60 seconds"),
        (TimeoutError(), "nothing was heard for 60 seconds"),
        (httpx.DecodingError("x"), "the answer cannot be unpacked"),
    ],
)
def test_how_a_connection_ended(error: Exception, said: str) -> None:
    assert why_lost(error) == said
