"""Taking a file out of its packing, and knowing that it is whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from typing import IO

import zstandard

from armillary.errors import FeedRefused
from armillary.feeds.content import looks_like
from armillary.feeds.location import Packing
from armillary.feeds.remote import place
from armillary.feeds.remote.place import CHUNK_BYTES, TooLarge
from armillary.feeds.remote.stream import Readable, gathered

MAX_RATIO = 500
"""Tables of instruments shrink to a tenth, or to a fiftieth: more is made to fill a memory."""

_HARMLESS_BYTES = 64 * 1024**2
"""Up to here the ratio does not matter."""


def unpacked(packed: bytes, packing: Packing, name: str) -> bytes:
    """The one file inside.

    Raises:
        FeedRefused: Cut off, damaged, another packing, not exactly one file, or a bomb.
    """
    most = max(_HARMLESS_BYTES, MAX_RATIO * len(packed))
    try:
        with _OPENERS[packing](BytesIO(packed), name) as stream:
            return gathered(_chunks(stream, min(most, place.MAX_BYTES)))
    except TooLarge:
        raise too_large(name, beyond_ratio=most < place.MAX_BYTES) from None
    except EOFError:
        raise FeedRefused(
            f"{name} is cut off: its {packing} packing ends before its end mark."
        ) from None
    except (
        OSError,
        lzma.LZMAError,
        zlib.error,
        zipfile.BadZipFile,
        zstandard.ZstdError,
        RuntimeError,  # of zipfile: a method it does not know
    ) as error:
        found = looks_like(packed)
        if found is None or packing in found:
            found = f"a damaged or cut off {packing} archive"
        raise FeedRefused(
            f"{name} cannot be unpacked: by its name it is {packing}, its content looks like "
            f"{found} ({error})."
        ) from None


def too_large(name: str, *, beyond_ratio: bool = False) -> FeedRefused:
    """The refusal of more than a feed may hold."""
    if beyond_ratio:
        return FeedRefused(
            f"{name} unpacks to more than {MAX_RATIO} times its size: it is damaged, or made to "
            "fill the memory of whoever opens it."
        )
    return FeedRefused(
        f"{name} holds more than {place.MAX_BYTES // 1024**2:,} MiB: it is damaged, or has to be "
        "split into several feeds."
    )


def _chunks(stream: Readable, most_bytes: int) -> Iterator[bytes]:
    left = most_bytes
    while chunk := stream.read(CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise TooLarge
        yield chunk


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


class _Zstd:
    """All frames one after another. The library's own reader takes a cut off one for whole."""

    def __init__(self, packed: BytesIO) -> None:
        self._packed = packed.getbuffer()
        self._at = 0
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 -- comes in pieces of its own
        while self._at < len(self._packed) or self._frame:
            if self._at >= len(self._packed):
                raise EOFError
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            # Little goes in at a time, because all that comes of it comes at once.
            given = self._packed[self._at : self._at + _PIECE_BYTES]
            found = self._frame.decompress(given)
            self._at += len(given)
            if self._frame.eof:
                self._at -= len(self._frame.unused_data)
                self._frame = None
            if found:
                return found
        return b""


_PIECE_BYTES = 1024
"""The worst of zstd is 33 MB of this."""


@contextmanager
def _open_zstd(packed: BytesIO, name: str) -> Iterator[Readable]:  # noqa: ARG001
    yield _Zstd(packed)


_OPENERS: dict[Packing, Callable[[BytesIO, str], AbstractContextManager[Readable]]] = {
    "gzip": lambda packed, _: gzip.GzipFile(fileobj=packed),
    "bzip2": lambda packed, _: bz2.BZ2File(packed),
    "xz": lambda packed, _: lzma.LZMAFile(packed),  # noqa: SIM115 -- closed by the caller
    "zip": _open_zip,
    "zstd": _open_zstd,
}
