"""How long the venues of a run are waited for, and why it stops before all had their turn."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long, and how often."""

    first_busy_wait_seconds: float = 5.0
    longest_busy_wait_seconds: float = 60.0
    busy_seconds: float = 900.0
    """How long another refresh of the venue is waited for."""
    first_wait_seconds: float = 2.0
    """After a passing fault; doubled with each."""
    tries: int = 4
    longest_asked_wait_seconds: float = 300.0
    """An answer that asks for a longer wait ends the venue."""
    unknown_wait_seconds: float = 60.0
    """After a lost answer, before the one more time."""


class Halt:
    """Shared by all venues of a run: why no further one is asked, or blank."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.why = ""

    def stop(self, why: str) -> None:
        """Stop the run; the first reason stays."""
        with self._lock:
            self.why = self.why or why
