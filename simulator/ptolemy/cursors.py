"""Opaque cursors: a place in an order, bound to the question that was asked."""

from __future__ import annotations

import base64
import binascii
import itertools
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from simulator.clock import SimulatorClock
from simulator.config import Config
from simulator.exchange import Refusal, encode
from simulator.ptolemy.records import Record

SNAPSHOTS_KEPT = 32
BY_NUMBER = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list: after record ``position`` by number, or an index into a snapshot."""

    snapshot: int
    position: int


class Cursors:
    """Writes and reads the cursors of a workspace; keeps the snapshots of sorted lists."""

    def __init__(self, clock: SimulatorClock) -> None:
        self._clock = clock
        self._serial = itertools.count(1)
        self._snapshots: OrderedDict[int, list[Any]] = OrderedDict()

    def write(self, place: Place, question: int) -> str:
        """The text of a cursor; a different one at each call."""
        now = self._clock.monotonic()
        text = f"{question}:{place.snapshot}:{place.position}:{now:.3f}:{next(self._serial)}"
        sealed = f"{text}:{zlib.crc32(text.encode())}"
        return base64.urlsafe_b64encode(sealed.encode()).decode()

    def read(self, text: str, question: int, config: Config) -> Place:
        """The place of a cursor.

        Raises:
            Refusal: as ``cursor_expired`` says, when it is foreign or too old (contract N8).
        """
        try:
            sealed = base64.b64decode(text.encode(), altchars=b"-_", validate=True).decode()
            body, _, seal = sealed.rpartition(":")
            asked, snapshot, position, issued, _ = body.split(":")
            if int(seal) != zlib.crc32(body.encode()) or int(asked) != question:
                raise ValueError(text)
        except (ValueError, binascii.Error) as error:
            raise _expired(config, "The cursor belongs to another request") from error
        age = self._clock.monotonic() - float(issued)
        if config.cursor_seconds is not None and age > config.cursor_seconds:
            raise _expired(config, "The cursor has expired")
        place = Place(int(snapshot), int(position))
        if place.snapshot != BY_NUMBER and place.snapshot not in self._snapshots:
            raise _expired(config, "The cursor has expired")
        return place

    def keep(self, rows: list[Any]) -> int:
        """Keep a sorted list for the pages to come; its number."""
        number = next(self._serial)
        self._snapshots[number] = rows
        while len(self._snapshots) > SNAPSHOTS_KEPT:
            self._snapshots.popitem(last=False)
        return number

    def snapshot(self, number: int) -> list[Record]:
        """A list kept before."""
        self._snapshots.move_to_end(number)
        return self._snapshots[number]


def question(path: str, asked: dict[str, Any]) -> int:
    """A fingerprint of everything asked but the page."""
    rest = {key: asked[key] for key in sorted(asked) if key not in ("limit", "after", "include")}
    return zlib.crc32(path.encode() + encode(rest))


def _expired(config: Config, message: str) -> Refusal:
    return Refusal(config.cursor_expired, message, code="cursor_expired", field="after")
