"""The bytes of an export from its pre-signed link.

A link is a secret that lasts minutes: it is asked for when it is needed, sent nowhere but to its
own host, and stands in no message. No token of ours goes with it (contract section 14).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import httpx
from pydantic import SecretStr

from armillary.clock import Clock
from armillary.errors import TransferFailed

FAULTS = 5
"""In a row, without a byte in between; then the file is given up."""

REFUSED = frozenset({401, 403, 404, 410})
"""What an expired link is answered with, by one store or another."""

TIMEOUT = httpx.Timeout(60.0, connect=15.0)

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")

Link = Callable[[], SecretStr]
"""Gives a link that has its whole life before it."""


class StartAgain(Exception):
    """The rest cannot be glued to what came before: the file has to be read from its first byte."""


class _Fault(Exception):
    """This request failed; the next may not."""


class Download:
    """One pass over an export, from its first byte to its last, by as many requests as it takes.

    A broken connection goes on where it broke, by a fresh link and a range, if the server says
    that it is the same file (length and ETag) and sends the range that was asked (J07, J08).
    """

    def __init__(
        self, link: Link, client: httpx.Client, *, clock: Clock, stop: Callable[[], None]
    ) -> None:
        self._link = link
        self._client = client
        self._clock = clock
        self._stop = stop
        self._at = 0
        self.length: int | None = None
        """Of the whole file, once the server told it."""
        self._etag = ""
        self._faults = 0

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in order.

        Raises:
            StartAgain: the rest is another file's, or cannot be had alone.
            TransferFailed: it failed too often in a row without a byte in between.
        """
        while True:
            try:
                yield from self._rest()
                return
            except _Fault as fault:
                self._faults += 1
                if self._faults >= FAULTS:
                    raise TransferFailed(
                        f"The download broke {self._faults} times in a row at byte {self._at:,}"
                        f"{f' of {self.length:,}' if self.length else ''}: {fault}"
                    ) from None
                self._stop()
                pause = min(2.0 ** (self._faults - 1), 30.0)
                self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load

    def _rest(self) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity"}
        if self._at:
            headers["Range"] = f"bytes={self._at}-"
            if self._etag and not self._etag.startswith("W/"):
                headers["If-Range"] = self._etag
        try:
            link = self._link().get_secret_value()
            with self._client.stream("GET", link, headers=headers) as answer:
                self._judge(answer)
                for chunk in answer.iter_raw():
                    self._at += len(chunk)
                    self._faults = 0
                    yield chunk
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its text may hold the address, which is signed.
            raise _Fault(type(error).__name__) from None
        if self.length is not None and self._at < self.length:
            raise _Fault(f"only {self._at:,} of {self.length:,} bytes came")

    def _judge(self, answer: httpx.Response) -> None:
        """Whether this answer goes on with what was read so far."""
        status = answer.status_code
        if status in REFUSED:
            answer.read()
            code = _CODE.search(answer.text)
            words = f" {code[1]}" if code else ""
            raise _Fault(f"its link was refused ({status}{words})")
        if answer.headers.get("content-encoding", "identity") not in {"", "identity"}:
            raise TransferFailed("The export came packed although it was asked for as it is.")
        etag = answer.headers.get("etag", "")
        if self._at == 0:
            if status != httpx.codes.OK:
                raise _Fault(f"it answered {status}")
            length = answer.headers.get("content-length", "")
            self.length = int(length) if length.isdecimal() else None
            self._etag = etag
            return
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
            raise _Fault(f"it answered {status}")
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if status != httpx.codes.PARTIAL_CONTENT or found is None:
            raise StartAgain("the server does not send the rest of a file alone")
        same = found[2] in {"*", str(self.length)} and etag == self._etag
        if int(found[1]) != self._at or not same:
            raise StartAgain("the file changed while it was read")
