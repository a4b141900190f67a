"""A folder of an SFTP server, by paramiko."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from armillary.feeds.credentials import Credentials
from armillary.feeds.remote import host_keys
from armillary.feeds.remote.failures import why_lost, why_no_connection
from armillary.feeds.remote.place import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    Entry,
    Lost,
    Unreachable,
    Unusable,
)
from armillary.feeds.remote.stream import limited

if TYPE_CHECKING:
    import paramiko

_PORT = 22
_KEEPALIVE_SECONDS = 15
_REQUESTS_AHEAD = 64
"""Of 32 KiB each: enough for a line with a delay of 100 ms, and no more than servers allow."""


class SftpPlace:
    """Names in the folder of an address. Vendors write there while we look: two looks."""

    settle_seconds = 5.0

    def __init__(
        self, url: str, credentials: Credentials, *, host_key: str = "", known_hosts: str = ""
    ) -> None:
        import paramiko  # noqa: PLC0415 -- a quarter of a second, which no other source needs

        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORT
        path = unquote(parts.path)
        # As curl has it: /~/ is the home of the user, all else begins at the root.
        self._folder = path.removeprefix("/~/").rpartition("/")[0] if path else ""
        if not self._folder:
            self._folder = "." if path.startswith("/~/") else "/"
        self._client = paramiko.SSHClient()
        try:
            host_keys.trust(self._client, self._host, self._port, host_key, known_hosts)
            self._files = self._opened(
                credentials.username or unquote(parts.username or ""),
                credentials.password or unquote(parts.password or ""),
                credentials.private_key,
            )
        except BaseException:
            self._client.close()
            raise

    def entries(self, prefix: str) -> list[Entry]:
        """Files whose name starts so; links among them, marked as what they are."""
        with _worded():
            try:
                found = self._files.listdir_attr(self._folder)
            except FileNotFoundError:
                raise self._no_folder() from None
        return [_entry(each.filename, each) for each in found if each.filename.startswith(prefix)]

    def describe(self, name: str) -> Entry:
        """The file as it is now."""
        with _worded():
            try:
                return _entry(name, self._files.stat(self._path(name)))
            except FileNotFoundError:
                self._refuse_missing_folder()
                raise

    def read(self, name: str, expected_bytes: int | None) -> bytes:
        """The whole content, asked for in many pieces at once."""
        with _worded(), self._files.open(self._path(name), "rb") as stream:
            if expected_bytes:
                stream.prefetch(expected_bytes, _REQUESTS_AHEAD)
            return limited(stream, expected_bytes)

    def probe(self, name: str) -> None:
        """Open it."""
        with _worded():
            self._files.open(self._path(name), "rb").close()

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _refuse_missing_folder(self) -> None:
        try:
            self._files.stat(self._folder)
        except FileNotFoundError:
            raise self._no_folder() from None
        except OSError:
            return  # the file is what was asked for

    def _no_folder(self) -> Unreachable:
        return Unreachable(f"{self._host} has no folder '{self._folder}'")

    def _path(self, name: str) -> str:
        return f"{self._folder.rstrip('/')}/{name}"

    def _opened(self, user: str, password: str, private_key: str) -> paramiko.SFTPClient:
        import paramiko  # noqa: PLC0415

        if not user:
            raise Unusable("sftp:// needs a user: set username")
        key = _private_key(private_key, password) if private_key else None
        if key is None and not password:
            raise Unusable("sftp:// needs a password or a private key")
        found: Exception
        try:
            self._client.connect(
                self._host,
                self._port,
                username=user,
                password=password if key is None else None,
                pkey=key,
                # What lies about on a worker, such as the agent's keys, is no part of a feed.
                allow_agent=False,
                look_for_keys=False,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
            )
            self._kept_alive()
            files = self._client.open_sftp()
            # Else a server that falls silent is waited for without end.
            files.get_channel().settimeout(IDLE_SECONDS)
            return files
        except paramiko.BadHostKeyException as error:
            found = host_keys.other_key(self._host, error.key.get_name(), error.key.asbytes())
        except paramiko.AuthenticationException:
            way = "this private key" if key else "this password"
            found = Unreachable(f"{self._host} does not let the user '{user}' in with {way}")
        except (OSError, EOFError, paramiko.SSHException) as error:
            found = Unreachable(f"{self._host} {why_no_connection(error)}")
        raise found

    def _kept_alive(self) -> None:
        transport = self._client.get_transport()
        if transport is not None:
            transport.set_keepalive(_KEEPALIVE_SECONDS)
            transport.channel_timeout = IDLE_SECONDS


def _private_key(text: str, password: str) -> paramiko.PKey:
    import paramiko  # noqa: PLC0415

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(StringIO(text), password or None)
        except paramiko.PasswordRequiredException:
            said = "the private key is protected: give its password, too"
            break
        except (paramiko.SSHException, ValueError, IndexError):
            said = "the private key cannot be read: it is none of ed25519, ecdsa, rsa, or its "
            said += "password is another"
    raise Unusable(said)


def _entry(name: str, facts: paramiko.SFTPAttributes) -> Entry:
    mode = facts.st_mode or 0
    return Entry(
        name,
        size_bytes=facts.st_size,
        # A server that tells no time leaves the size, and the second look.
        mark="" if facts.st_mtime is None else str(facts.st_mtime),
        changed_at=facts.st_mtime,
        is_folder=stat.S_ISDIR(mode),
        is_link=stat.S_ISLNK(mode),
    )


@contextmanager
def _worded() -> Iterator[None]:
    """Errors of a connection that was there as what they mean."""
    import paramiko  # noqa: PLC0415

    found: Exception
    try:
        yield
        return
    except (FileNotFoundError, PermissionError):
        raise
    except (EOFError, TimeoutError, ConnectionError, paramiko.SSHException) as error:
        found = Lost(why_lost(error))
    except OSError as error:
        # What the server says of a file, such as "Failure"; a socket that is closed says so, too.
        found = Lost("the connection is closed") if "closed" in str(error).lower() else error
    raise found
