"""Where files are: a folder here, SFTP, S3, a web server, or what else fsspec opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from armillary.feeds.credentials import Credentials
from armillary.feeds.location import scheme_of
from armillary.feeds.remote.place import Place

__all__ = ["Place", "opened"]


@contextmanager
def opened(
    url: str, credentials: Credentials, *, host_key: str = "", known_hosts: str = ""
) -> Iterator[Place]:
    """The folder of an address, until the end of the block.

    Args:
        url: of a file in it.
        credentials: as whom.
        host_key: what an SFTP server must show.
        known_hosts: path of a file with such keys.

    Raises:
        Unusable: the address cannot be used at all.
        Unreachable: nobody answers there.
    """
    place = _place(url, credentials, host_key, known_hosts)
    try:
        yield place
    finally:
        place.close()


def _place(url: str, credentials: Credentials, host_key: str, known_hosts: str) -> Place:
    # Each brings a library that the others do not need.
    scheme = scheme_of(url)
    if not scheme or scheme == "file":
        from armillary.feeds.remote.local import LocalPlace  # noqa: PLC0415

        return LocalPlace(url.removeprefix("file://"))
    if scheme == "sftp":
        from armillary.feeds.remote.sftp import SftpPlace  # noqa: PLC0415

        return SftpPlace(url, credentials, host_key=host_key, known_hosts=known_hosts)
    if scheme == "s3":
        from armillary.feeds.remote.s3 import S3Place  # noqa: PLC0415

        return S3Place(url, credentials)
    if scheme in {"https", "http"}:
        from armillary.feeds.remote.https import HttpsPlace  # noqa: PLC0415

        return HttpsPlace(url, credentials)
    from armillary.feeds.remote.other import OtherPlace  # noqa: PLC0415

    return OtherPlace(url)
