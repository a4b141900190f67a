"""What the command prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from armillary import progress

PLAIN_STEPS = 4
"""Without a terminal, a step says how far it is this many times."""

out = Console(file=sys.stdout, soft_wrap=True, highlight=False)
err = Console(file=sys.stderr, soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """A line for the person at the keyboard, never part of the result."""
    err.print(text)


def print_json(value: Mapping[str, Any]) -> None:
    """Exactly one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@contextmanager
def showing_progress() -> Iterator[None]:
    """Bars on a terminal, plain lines elsewhere; both on standard error."""
    if err.is_terminal:
        with _bars() as bars, progress.listening(_OnBars(bars).heard):
            yield
    else:
        with progress.listening(_InLines().heard):
            yield


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )


class _OnBars:
    """One bar per step."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._ids: dict[str, TaskID] = {}

    def heard(self, said: progress.Progress) -> None:
        if said.step not in self._ids:
            self._ids[said.step] = self._bars.add_task(said.step, total=said.total)
        self._bars.update(self._ids[said.step], completed=said.done, total=said.total)


class _InLines:
    """A few lines per step, for logs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, int] = {}

    def heard(self, said: progress.Progress) -> None:
        if not said.total:
            return
        part = said.done * PLAIN_STEPS // said.total
        with self._lock:
            # Workers overtake each other between counting and saying: never step back.
            if part > self._said.get(said.step, 0):
                self._said[said.step] = part
                say(f"{said.step}: {said.done:,} of {said.total:,}")
