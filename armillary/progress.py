"""Progress of long work, said by whoever does it and shown by whoever listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far one step has come."""

    step: str
    """What is being done, in words: ``reading the workspace``."""
    done: int
    total: int | None
    """How much there is to do; None where nobody knows yet."""


Listener = Callable[[Progress], None]

_listeners: list[Listener] = []
_lock = threading.Lock()


def say(step: str, done: int, total: int | None = None) -> None:
    """Tell every listener how far a step has come; cheap when nobody listens."""
    for listener in tuple(_listeners):
        listener(Progress(step, done, total))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener called, from any thread, while the block lasts."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)
