"""Which instruments a restore drill tries: another sample for each backup, the same each time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Literal

from armillary.restore.natural import Orphan
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.selection import Selection
from armillary.restore.side import Side
from armillary.restore.stored_backup import StoredBackup
from armillary.restore.types import TypeNames

SAMPLE = 200
"""Instruments of a drill that was not told otherwise."""

MOST_SAMPLED = 1_000_000
"""What a person may ask for short of all."""

NOT_SAMPLED = "market_calendars"
"""They hang on no instrument, and each costs a call to make and one to remove."""

Sample = int | Literal["all"]


def choose(stored: StoredBackup, sample: Sample) -> Selection:
    """The rows a drill restores: instruments, what hangs on them, the markets they are listed on.

    Args:
        stored: the backup.
        sample: how many instruments; all for everything there is, calendars too.

    Raises:
        FileDamaged: a file is not what the backup wrote.
    """
    held = tuple(kind for kind in RESTORE_ORDER if kind in stored.files)
    if sample == "all":
        return Selection(held)
    chosen = tuple(kind for kind in held if kind != NOT_SAMPLED)
    side = Side(TypeNames.of(stored.schemas()), stored.batches, Selection())
    instruments = frozenset(heapq.nsmallest(sample, _identifiers(stored, side), _order(stored)))
    return Selection(chosen, instruments, frozenset(_markets(stored, side, instruments)))


def _order(stored: StoredBackup) -> Callable[[str], bytes]:
    """By a digest: in no order that anybody chose, and another one for each backup."""
    seed = bytes.fromhex(stored.manifest.sha256)

    def place(identifier: str) -> bytes:
        return blake2b(identifier.encode(), digest_size=16, key=seed).digest()

    return place


def _identifiers(stored: StoredBackup, side: Side) -> Iterator[str]:
    if "instruments" not in stored.files:
        side.lacks("instruments")
        return
    naturals, seen = side.naturals("instruments"), set[str]()
    for batch in stored.batches("instruments"):
        for row in batch:
            try:
                identifier = naturals.enrol(row).key[0]
            except Orphan:
                continue
            if identifier not in seen:
                seen.add(identifier)
                yield identifier
    side.directory.settle("instruments")


def _markets(stored: StoredBackup, side: Side, instruments: frozenset[str]) -> Iterator[str]:
    """The markets on which chosen instruments are listed."""
    if not {"markets", "market_listings"} <= stored.files.keys():
        return
    side.read("markets")
    naturals = side.naturals("market_listings")
    for batch in stored.batches("market_listings"):
        for row in batch:
            try:
                if naturals.parent(row, "instrument_id")[0] in instruments:
                    yield naturals.parent(row, "market_id")[0]
            except Orphan:
                continue
