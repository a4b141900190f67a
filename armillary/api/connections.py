"""One client per process for each workspace and token, so that all of a run shares its limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from armillary.api.connection import Connection
from armillary.api.ptolemy import Ptolemy, connect
from armillary.api.shared_limit import SharedLimit
from armillary.clock import Clock

_Key = tuple[str, str, SecretStr, str | None]


@dataclass
class _Lent:
    ptolemy: Ptolemy
    users: int = 0


_lent: dict[_Key, _Lent] = {}
_lock = threading.Lock()


@contextmanager
def shared(
    connection: Connection,
    *,
    clock: Clock | None = None,
    max_calls: int | None = None,
    shared_limit: SharedLimit | None = None,
) -> Iterator[Ptolemy]:
    """The process's client for this address, workspace, token and shared limit.

    Threads and tasks inside one another's ``with`` get the same pool, turns and count; the last
    to leave closes it. A flow therefore holds it open around its tasks. Limits, clock and
    ``max_calls`` are those of whoever came first.
    """
    limit_name = shared_limit.name if shared_limit else None
    key = (connection.url, connection.workspace, connection.token, limit_name)
    with _lock:
        lent = _lent.get(key)
        if lent is None:
            client = connect(
                connection, clock=clock, max_calls=max_calls, shared_limit=shared_limit
            )
            lent = _lent[key] = _Lent(client)
        lent.users += 1
    try:
        yield lent.ptolemy
    finally:
        with _lock:
            lent.users -= 1
            last = lent.users == 0
            if last:
                del _lent[key]
        if last:
            lent.ptolemy.close()
