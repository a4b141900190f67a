"""Giving back, from outside, the leases of a run whose process has ended."""

from __future__ import annotations

from datetime import datetime

import msgspec

from armillary.runs.lease import LeaseRecord, lease_of
from armillary.runs.store import RunStore
from armillary.runs.under_way import LeaseNote


def still_held(store: RunStore, note: LeaseNote) -> bool:
    """Whether the lease is the very one that the run took, and nobody gave it back.

    Raises:
        ConfigurationError: the records cannot be used, or the lease in them is damaged.
    """
    return _own(store, note) is not None


def give_back(store: RunStore, note: LeaseNote, now: datetime) -> bool:
    """Give the lease back if it still is that run's; whether it was.

    To be called when the run's process is known to have ended: whatever it sent before may still
    arrive, and nothing new comes.

    Args:
        store: the run records all workers share.
        note: what the run noted when it took the lease.
        now: the time to write into it.

    Raises:
        ConfigurationError: the records cannot be used, or the lease in them is damaged.
    """
    found = _own(store, note)
    if found is None:
        return False
    record, version = found
    released = msgspec.structs.replace(record, released_at=now)
    return store.swap(note.key, msgspec.json.encode(released), version)


def _own(store: RunStore, note: LeaseNote) -> tuple[LeaseRecord, str] | None:
    found = lease_of(store, note.key, note.subject)
    if found is None or found[0].nonce != note.nonce or found[0].released_at is not None:
        return None
    return found
