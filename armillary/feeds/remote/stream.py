"""Reading a stream to its end, and no further than a feed may be long."""

from __future__ import annotations

from collections.abc import Iterable
from io import SEEK_END, BytesIO
from typing import Protocol

from armillary.feeds.remote import place
from armillary.feeds.remote.place import CHUNK_BYTES, TooLarge


class Readable(Protocol):
    """What is open for reading."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def limited(stream: Readable, expected_bytes: int | None = None) -> bytes:
    """All of a stream.

    Raises:
        TooLarge: It holds more than ``MAX_BYTES``.
    """
    # In one piece where the size is known: growing a buffer chunk by chunk costs as much again.
    content = BytesIO(stream.read(min(expected_bytes or 0, place.MAX_BYTES) or CHUNK_BYTES))
    content.seek(0, SEEK_END)
    while chunk := stream.read(CHUNK_BYTES):
        content.write(chunk)
        if content.tell() > place.MAX_BYTES:
            raise TooLarge
    return content.getvalue()


def gathered(chunks: Iterable[bytes]) -> bytes:
    """All chunks as one.

    Raises:
        TooLarge: They are more than ``MAX_BYTES``.
    """
    content = BytesIO()
    for chunk in chunks:
        content.write(chunk)
        if content.tell() > place.MAX_BYTES:
            raise TooLarge
    return content.getvalue()
