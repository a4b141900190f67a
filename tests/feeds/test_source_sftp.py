"""What OpenSSH cannot be made to do without rights of the system: passwords, and files of no age.

The server is paramiko's own, in a thread; OpenSSH's is in ``tests/real/test_sftp.py``.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import paramiko
import pytest

from armillary.errors import FeedRefused
from armillary.feeds.credentials import Credentials
from armillary.feeds.remote.place import IDLE_SECONDS
from armillary.feeds.remote.sftp import SftpPlace
from armillary.feeds.source import Fetching, fetch
from tests.api.clocks import JumpClock
from tests.feeds.vendor import HEADER

ROWS = HEADER + b"A,xasx,Alpha,AU1,100\n"
PASSWORD = "hunter2-5d1f"


class Door(paramiko.ServerInterface):  # type: ignore[misc] # untyped
    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "password"

    def check_auth_password(self, username: str, password: str) -> Any:
        right = (username, password) == ("desk", PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> Any:  # noqa: ARG002
        return paramiko.OPEN_SUCCEEDED


class Files(paramiko.SFTPServerInterface):  # type: ignore[misc] # untyped
    """One file, of which the server tells the size and no time."""

    def stat(self, path: str) -> Any:
        if path != "/out/asx.csv":
            return paramiko.SFTP_NO_SUCH_FILE
        found = paramiko.SFTPAttributes()
        found.st_size = len(ROWS)
        return found

    def open(self, path: str, flags: int, attr: Any) -> Any:  # noqa: ARG002
        return _Open()


class _Open(paramiko.SFTPHandle):  # type: ignore[misc] # untyped
    def read(self, offset: int, length: int) -> bytes:
        return ROWS[offset : offset + length]


@contextmanager
def server() -> Iterator[tuple[int, str]]:
    """The port, and the host key as a feed names it."""
    key = paramiko.ECDSAKey.generate()
    listening = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(near)
            transports.append(transport)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
            transport.start_server(event=threading.Event(), server=Door())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], f"{key.get_name()} {key.get_base64()}"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()
    for transport in transports:
        transport.close()


def test_f25_a_server_that_falls_silent_is_not_waited_for_without_end() -> None:
    with server() as (port, host_key):
        as_whom = Credentials(username="desk", password=PASSWORD)
        place = SftpPlace(f"sftp://127.0.0.1:{port}/out/asx.csv", as_whom, host_key=host_key)
        with closing(place):
            assert place._files.get_channel().gettimeout() == IDLE_SECONDS
            assert place.describe("asx.csv").size_bytes == len(ROWS)


def test_a_password_and_a_server_that_tells_no_time() -> None:
    with server() as (port, host_key):
        url = f"sftp://127.0.0.1:{port}/out/asx.csv"
        asked = Fetching(Credentials(username="desk", password=PASSWORD), host_key=host_key)
        fetched = fetch(url, asked, JumpClock())
        assert (fetched.content, fetched.fingerprint) == (ROWS, "")
        whole = url.replace("//", f"//desk:{PASSWORD}@")
        assert fetch(whole, Fetching(host_key=host_key), JumpClock()).content == ROWS
        wrong = Fetching(Credentials(username="desk", password="other"), host_key=host_key)
        with pytest.raises(FeedRefused) as refused:
            fetch(url, wrong, JumpClock())
    assert str(refused.value) == (
        f"{url} cannot be had: 127.0.0.1 does not let the user 'desk' in with this password. "
        "Nothing was written. Start the sync again when that is mended."
    )
