"""The bytes of an export from its pre-signed link.

A link is a secret that lasts minutes: it is asked for when it is needed, sent nowhere but to its
own host, and stands in no message. No token of ours goes with it (contract section 14).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus

from pydantic import SecretStr
from urllib3 import BaseHTTPResponse

from armillary.backup.link_client import LinkClient, LinkFault, address_of, pieces_of, start_of
from armillary.clock import Clock
from armillary.errors import TransferFailed

FAULTS = 5
"""In a row, without a byte in between; then the file is given up."""

MOST_FAULTS = 50
"""In all: a connection that breaks after every few bytes would go on for days."""

REFUSED = frozenset({401, 403, 404, 410})
"""What an expired link is answered with, by one store or another."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")

NEXT_STEP = "Start the backup again."

Link = Callable[[], SecretStr]
"""Gives a link that has its whole life before it."""


class StartAgain(Exception):
    """The rest cannot be glued to what came before: the file has to be read from its first byte."""


class Download:
    """One pass over an export, from its first byte to its last, by as many requests as it takes.

    A broken connection goes on where it broke, by a range, if the server says that it is the same
    file (length, and ETag or time of change) and sends the range that was asked (J07, J08). The
    link is kept until it is refused: a fresh one is a call that somebody pays for. No exception
    carries it, and none that does is chained to it.
    """

    def __init__(
        self, link: Link, client: LinkClient, *, clock: Clock, stop: Callable[[], None]
    ) -> None:
        self._link = link
        self._held: SecretStr | None = None
        self._client = client
        self._clock = clock
        self._stop = stop
        self._at = 0
        self.length: int | None = None
        """Of the whole file, once the server told it."""
        self._mark = ("", "")
        """What tells this file from another: its ETag and its time of change."""
        self._faults = 0
        self._all_faults = 0
        self._host = "its host"

    def chunks(self) -> Generator[bytes, None, None]:
        """The bytes, in order.

        Raises:
            StartAgain: the rest is another file's, or cannot be had alone.
            TransferFailed: it failed too often, in a row without a byte in between or in all.
        """
        while True:
            try:
                yield from self._rest()
                return
            except LinkFault as fault:
                why = str(fault)
            self._faults += 1
            self._all_faults += 1
            if self._faults >= FAULTS or self._all_faults >= MOST_FAULTS:
                raise self._given_up(why)
            self._stop()
            pause = min(2.0 ** (self._faults - 1), 30.0)
            self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load

    def _given_up(self, why: str) -> TransferFailed:
        in_a_row = self._faults >= FAULTS
        how_often = f"{FAULTS} times in a row" if in_a_row else f"{MOST_FAULTS} times, the last"
        of = f" of {self.length:,}" if self.length else ""
        return TransferFailed(
            f"The download from {self._host} broke {how_often} at byte {self._at:,}{of}: {why}.",
            next_step=NEXT_STEP,
        )

    def _rest(self) -> Generator[bytes, None, None]:
        headers = {"Accept-Encoding": "identity"}
        etag = self._mark[0]
        if self._at:
            headers["Range"] = f"bytes={self._at}-"
            if _is_strong(etag):
                headers["If-Range"] = etag
        if self._held is None:
            self._held = self._link()
        address = address_of(self._held)
        self._host = address.host or self._host
        with self._client.open(address, headers) as answer:
            self._judge(answer)
            for piece in pieces_of(answer):
                self._at += len(piece)
                self._faults = 0
                yield piece
        if self.length is not None and self._at < self.length:
            raise LinkFault(f"only {self._at:,} of {self.length:,} bytes came")
        if self.length is not None and self._at > self.length:
            raise StartAgain(f"{self._at:,} bytes came of a file of {self.length:,}")

    def _judge(self, answer: BaseHTTPResponse) -> None:
        """Whether this answer goes on with what was read so far."""
        status = answer.status
        if status in REFUSED:
            self._held = None
            code = _CODE.search(start_of(answer))
            words = f" {code[1]}" if code else ""
            raise LinkFault(f"its link was refused ({status}{words})")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise LinkFault(f"it answered {status}")
        if answer.headers.get("content-encoding", "identity") not in {"", "identity"}:
            raise TransferFailed(
                "The export came packed although it was asked for as it is.", next_step=NEXT_STEP
            )
        mark = (answer.headers.get("etag", ""), answer.headers.get("last-modified", ""))
        if self._at:
            self._judge_rest(status, answer.headers, mark)
            return
        if status != HTTPStatus.OK:
            raise LinkFault(f"it answered {status}")
        length = answer.headers.get("content-length", "")
        self.length = int(length) if length.isdecimal() else None
        self._mark = mark

    def _judge_rest(self, status: int, headers: Mapping[str, str], mark: tuple[str, str]) -> None:
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if status != HTTPStatus.PARTIAL_CONTENT or found is None:
            raise StartAgain("the server does not send the rest of a file alone")
        can_tell = _is_strong(mark[0]) or mark[1]
        whole = None if found[2] == "*" else int(found[2])
        same_length = whole is None or self.length is None or whole == self.length
        if int(found[1]) != self._at or not (can_tell and same_length and mark == self._mark):
            raise StartAgain("the file changed while it was read, or cannot be told from another")
        self.length = whole if self.length is None else self.length


def _is_strong(etag: str) -> bool:
    """Whether equal tags mean equal bytes (RFC 9110)."""
    return bool(etag) and not etag.startswith("W/")
