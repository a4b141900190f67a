"""One client per process for the same target, so that all of a run shares its limits and count."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class _Closing(Protocol):
    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closing)


@dataclass
class _Lent(Generic[Client]):
    client: Client
    users: int = 0


class Lending(Generic[Client]):
    """Gives threads and tasks the same client; the last to leave closes it."""

    def __init__(self) -> None:
        self._lent: dict[Hashable, _Lent[Client]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, key: Hashable, make: Callable[[], Client]) -> Iterator[Client]:
        """The client of that key, made if nobody has it yet."""
        with self._lock:
            lent = self._lent.get(key)
            if lent is None:
                lent = self._lent[key] = _Lent(make())
            lent.users += 1
        try:
            yield lent.client
        finally:
            with self._lock:
                lent.users -= 1
                last = lent.users == 0
                if last:
                    del self._lent[key]
            if last:
                lent.client.close()
