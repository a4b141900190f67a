"""The bytes of a stored object: a connection that breaks is opened again where it broke."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

RESUMES = 5
"""In a row, without a byte in between."""


class Body:
    """Reads like a file."""

    def __init__(self, get: Callable[..., Any]) -> None:
        """Open it.

        Args:
            get: ``get_object`` of one object; more arguments name a range and a condition.
        """
        self._get = get
        answer = get()
        self._etag = answer["ETag"]
        self._bytes = int(answer["ContentLength"])
        self._stream = answer["Body"]
        self._at = 0
        self._broken = 0
        self._telling: Callable[[], AbstractContextManager[None]] = nullcontext

    def told_by(self, telling: Callable[[], AbstractContextManager[None]]) -> Body:
        """Have faults while reading told in words."""
        self._telling = telling
        return self

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes; nothing at the end.

        Raises:
            StoreFailed, ConfigurationError: as ``told_by`` says.
        """
        with self._telling():
            while True:
                try:
                    chunk = bytes(self._stream.read(None if size < 0 else size))
                except (BotoCoreError, HTTPError, OSError):
                    if self._broken >= RESUMES:
                        raise
                    self._broken += 1
                    self._open_again()
                    continue
                if chunk:
                    self._broken = 0
                    self._at += len(chunk)
                return chunk

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.close()

    def _open_again(self) -> None:
        self._stream.close()
        if self._at >= self._bytes:
            self._stream = io.BytesIO()  # only the end of the answer was missing
        else:
            answer = self._get(Range=f"bytes={self._at}-", IfMatch=self._etag)
            self._stream = answer["Body"]
