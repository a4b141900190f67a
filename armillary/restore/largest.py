"""The few changes that are shown of all that there are."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from armillary.restore.compared import Change

MOST_SHOWN = 50

EXAMPLES = 3
"""Of each kind of change of each type or field that is no number."""

LEAST_NUMBERS = 30
"""So many places examples never take from numbers."""


class Largest:
    """Takes every change, and keeps a few."""

    def __init__(self) -> None:
        self._numbers: list[tuple[float, float, int, Change]] = []
        self._examples: list[Change] = []
        self._seen: Counter[str] = Counter()
        self._order = itertools.count(step=-1)

    def number(self, change: Change) -> None:
        """The value of a number changed; if either is none after all, it is an example."""
        before, after = _number(change.first), _number(change.second)
        if before is None or after is None:
            self.example(change)
            return
        by = after - before
        relative = by / abs(before) if before else math.copysign(math.inf, by)
        rank = (abs(relative), abs(by))
        if len(self._numbers) == MOST_SHOWN and rank <= self._numbers[0][:2]:
            return
        told = replace(change, relative=relative if math.isfinite(relative) else None)
        kept = (*rank, next(self._order), told)
        if len(self._numbers) < MOST_SHOWN:
            heapq.heappush(self._numbers, kept)
        else:
            heapq.heapreplace(self._numbers, kept)

    def example(self, change: Change) -> None:
        """Anything else."""
        kind = _kind(change)
        self._seen[kind] += 1
        if self._seen[kind] <= EXAMPLES:
            self._examples.append(change)

    def shown(self) -> tuple[Change, ...]:
        """The largest first, then examples."""
        examples = list(itertools.islice(self._in_turn(), MOST_SHOWN))
        places = max(LEAST_NUMBERS, MOST_SHOWN - len(examples))
        numbers = [change for *_, change in sorted(self._numbers, reverse=True)][:places]
        return (*numbers, *examples[: MOST_SHOWN - len(numbers)])

    def _in_turn(self) -> Iterator[Change]:
        """One of each kind before a second of any; kinds in the order in which they came."""
        turns: Counter[str] = Counter()
        order: list[tuple[int, Change]] = []
        for change in self._examples:
            order.append((turns[_kind(change)], change))
            turns[_kind(change)] += 1
        return (change for _, change in sorted(order, key=lambda found: found[0]))


def _kind(change: Change) -> str:
    return f"{change.resource_type} {change.what} {change.field}"


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None
