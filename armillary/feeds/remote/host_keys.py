"""Which key an SFTP server must show. One that nobody vouched for is never accepted (F25)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from armillary.feeds.remote.place import Unreachable, Unusable

if TYPE_CHECKING:
    import paramiko

_LEAST_PARTS = 2
_LENGTH_BYTES = 4


def checked_host_key(written: str) -> str:
    """A key as ``ssh-keyscan`` and ``known_hosts`` write it, without the host.

    Raises:
        ValueError: it is no key; says how one looks.
    """
    kind, blob = _parts(written)
    length = int.from_bytes(blob[:_LENGTH_BYTES], "big")
    if not kind or blob[_LENGTH_BYTES : _LENGTH_BYTES + length] != kind.encode():
        raise ValueError(
            'host_key is no key of a server; it looks like "ssh-ed25519 AAAAC3Nz…", the last two '
            "words of a line that ssh-keyscan prints"
        )
    return written.strip()


def fingerprint(blob: bytes) -> str:
    """As ``ssh-keygen -l`` prints it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def trust(
    client: paramiko.SSHClient, host: str, port: int, host_key: str, known_hosts: str
) -> None:
    """Tell the client which key is the right one.

    Raises:
        Unusable: neither is given, or the file cannot be read.
    """
    import paramiko  # noqa: PLC0415 -- a quarter of a second, which no other source needs

    if not host_key and not known_hosts:
        raise Unusable("which key the server must show is not said: give host_key or known_hosts")
    if known_hosts:
        try:
            client.load_host_keys(str(Path(known_hosts).expanduser()))
        except (OSError, paramiko.SSHException) as error:
            raise Unusable(f"known_hosts cannot be read ({type(error).__name__})") from None
    if host_key:
        kind, blob = _parts(host_key)
        key = paramiko.PKey.from_type_string(kind, blob)
        client.get_host_keys().add(_named(host, port), kind, key)
    client.set_missing_host_key_policy(_refusing()())


def other_key(host: str, shown_kind: str, shown_blob: bytes) -> Unreachable:
    """The server showed another key than it must."""
    return Unreachable(
        f"{host} shows another host key ({shown_kind} {fingerprint(shown_blob)}) than the feed "
        "vouches for. Either the vendor changed it, or somebody stands in between: nothing was "
        "sent. Ask the vendor on another way before the key in the feed is changed"
    )


def _refusing() -> type[paramiko.MissingHostKeyPolicy]:
    import paramiko  # noqa: PLC0415

    class Refusing(paramiko.MissingHostKeyPolicy):  # type: ignore[misc] # untyped
        def missing_host_key(
            self,
            client: paramiko.SSHClient,  # noqa: ARG002 -- of the class it extends
            hostname: str,
            key: paramiko.PKey,
        ) -> None:
            raise Unreachable(
                f"{hostname.strip('[]').replace(']:', ':')} shows a host key that the feed does "
                f"not know ({key.get_name()} {fingerprint(key.asbytes())}): nothing was sent. "
                "Compare it with what the vendor publishes, then write it as host_key"
            )

    return Refusing


def _named(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"  # noqa: PLR2004 -- as known_hosts does


def _parts(written: str) -> tuple[str, bytes]:
    words = written.split()
    if len(words) < _LEAST_PARTS:
        return "", b""
    try:
        return words[0], base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return "", b""
