"""Fetching the bytes of a source: any fsspec address, unpacked, and known to be whole."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import SEEK_END, BytesIO
from typing import IO, Any, Protocol

import fsspec

from armillary.errors import ConfigurationError, FeedRefused
from armillary.feeds.content import looks_like
from armillary.feeds.location import Packing, packing_of, shown


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


MAX_BYTES = 4 * 1024**3
"""Of the unpacked file. More is a damaged or hostile archive, or a file to be split."""

_CHUNK_BYTES = 4 * 1024**2
_MARKS_OF_CHANGE = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag")


def fetch(url: str) -> bytes:
    """The whole content of a file, unpacked by the end of its name.

    Raises:
        ConfigurationError: The address cannot be used at all: unknown protocol, missing package.
        FeedRefused: Not delivered, not readable, changed while it was read, cut off, or empty.
    """
    name = shown(url)
    packing = packing_of(url)
    packed = _read(url, name)
    content = _unpacked(packed, packing, name) if packing else packed
    if not content:
        raise FeedRefused(f"{name} is empty: it has not a single byte{_inside(packing)}.")
    return content


def _inside(packing: Packing | None) -> str:
    return f" inside its {packing} packing" if packing else ""


def _read(url: str, name: str) -> bytes:
    try:
        return _content(url, name)
    except FeedRefused as error:
        refusal: FeedRefused | ConfigurationError = error
    except _Unusable as error:
        refusal = ConfigurationError(
            f"The address {name} cannot be opened: {error}.",
            next_step="Mend the address, or install the package named, then start again.",
        )
    except FileNotFoundError:
        refusal = FeedRefused(
            f"{name} has not been delivered: there is no such file.",
            next_step="Nothing was written. Start the sync again when the file is there, or mend "
            "the address in the feed definition.",
        )
    except PermissionError:
        refusal = FeedRefused(
            f"{name} may not be read by this user or with these credentials.",
            next_step="Nothing was written. Give read access, then start the sync again.",
        )
    except Exception as error:  # noqa: BLE001 -- every file system has errors of its own
        refusal = FeedRefused(f"{name} could not be read to its end ({type(error).__name__}).")
    # Out here, because an error keeps the one it was raised beside, even `from None`: that one
    # carries the address, and addresses carry tokens.
    raise refusal


class _Unusable(Exception):
    """The address names no file system that is there."""


def _content(url: str, name: str) -> bytes:
    try:
        files, path = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise _Unusable(str(error)) from None
    before = files.info(path)
    if before.get("type") == "directory":
        raise FeedRefused(f"{name} is a folder: the feed definition has to name one file.")
    with files.open(path, "rb") as stream:
        content = _limited(stream, name, expected_bytes=before.get("size"))
    files.invalidate_cache()
    if _marks(before) != _marks(files.info(path)):
        raise FeedRefused(
            f"{name} changed while it was read: it is still being written.",
            next_step="Nothing was written. Start the sync again when the file is complete.",
        )
    return content


class _WithoutAddresses(logging.Filter):
    """fsspec writes whole addresses to its log, with passwords and signatures in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _ADDRESS.sub(_as_shown, record.getMessage()), None
        record.exc_info = None
        return True


def _as_shown(found: re.Match[str]) -> str:
    return shown(found[0])


_ADDRESS = re.compile(r"[a-z0-9+]+://[^\s'\"]+")

for _name in ("fsspec", "fsspec.http"):
    logging.getLogger(_name).addFilter(_WithoutAddresses())


def _marks(info: dict[str, Any]) -> list[str]:
    return [str(info.get(mark)) for mark in _MARKS_OF_CHANGE]


def _limited(stream: _Readable, name: str, expected_bytes: int | None = None) -> bytes:
    # In one piece where the size is known: growing a buffer chunk by chunk costs as much again.
    content = BytesIO(stream.read(min(expected_bytes or 0, MAX_BYTES) or _CHUNK_BYTES))
    content.seek(0, SEEK_END)
    while chunk := stream.read(_CHUNK_BYTES):
        content.write(chunk)
        if content.tell() > MAX_BYTES:
            raise FeedRefused(
                f"{name} holds more than {MAX_BYTES // 1024**2:,} MiB: it is damaged, or has to be "
                "split into several feeds."
            )
    return content.getvalue()


def _unpacked(packed: bytes, packing: Packing, name: str) -> bytes:
    try:
        with _OPENERS[packing](BytesIO(packed), name) as stream:
            return _limited(stream, name)
    except EOFError:
        raise FeedRefused(
            f"{name} is cut off: its {packing} packing ends before its end mark."
        ) from None
    except (OSError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        found = looks_like(packed)
        if found is None or packing in found:
            found = f"a damaged or cut off {packing} archive"
        raise FeedRefused(
            f"{name} cannot be unpacked: by its name it is {packing}, its content looks like "
            f"{found} ({error})."
        ) from None


def _open_zip(packed: BytesIO, name: str) -> IO[bytes]:
    archive = zipfile.ZipFile(packed)
    files = [member for member in archive.infolist() if not member.is_dir()]
    if len(files) != 1:
        names = ", ".join(member.filename for member in files[:5]) or "none"
        raise FeedRefused(
            f"{name} holds {len(files)} files ({names}) where exactly one is expected."
        )
    if files[0].flag_bits & 1:
        raise FeedRefused(f"{name} is protected by a password, which no feed definition carries.")
    return archive.open(files[0])


_OPENERS: dict[Packing, Callable[[BytesIO, str], AbstractContextManager[_Readable]]] = {
    "gzip": lambda packed, _: gzip.GzipFile(fileobj=packed),
    "bzip2": lambda packed, _: bz2.BZ2File(packed),
    "xz": lambda packed, _: lzma.LZMAFile(packed),  # noqa: SIM115 -- closed by the caller
    "zip": _open_zip,
}
