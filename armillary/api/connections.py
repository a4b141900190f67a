"""One client per process for each workspace and token, so that all of a run shares its limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from armillary.api.connection import Connection
from armillary.api.lending import Lending
from armillary.api.ptolemy import Ptolemy, connect
from armillary.api.shared_limit import SharedLimit
from armillary.clock import Clock

_lending: Lending[Ptolemy] = Lending()


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

    def make() -> Ptolemy:
        return connect(connection, clock=clock, max_calls=max_calls, shared_limit=shared_limit)

    with _lending.of(key, make) as ptolemy:
        yield ptolemy
