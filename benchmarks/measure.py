"""What a measure is: figures over some rounds, each against what must hold and what is aimed at."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Round = Mapping[str, float]
"""What one round saw, by name: ``{"floor_seconds": 2.6, "sync_seconds": 2.9}``."""


@dataclass(frozen=True)
class Figure:
    """One figure of a measure, computed anew for each round."""

    name: str
    of: Callable[[Round], float]
    must: float
    aim: float
    unit: str = "x"
    """``x`` for a ratio, ``MB``."""
    more_is_better: bool = False

    def reaches(self, value: float, goal: float) -> bool:
        """Whether a value is as good as a goal."""
        return value >= goal if self.more_is_better else value <= goal


@dataclass(frozen=True)
class Taken:
    """A figure with the values it had, one a round."""

    figure: Figure
    values: Sequence[float]

    @property
    def median(self) -> float:
        """The median over the rounds: of ratios within a round, not a ratio of medians."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """``aim``, ``must``, or ``missed``."""
        if self.figure.reaches(self.median, self.figure.aim):
            return "aim"
        return "must" if self.figure.reaches(self.median, self.figure.must) else "missed"

    def as_dict(self) -> dict[str, Any]:
        """The figure as results.json has it."""
        return {
            "median": round(self.median, 3),
            "lowest": round(min(self.values), 3),
            "highest": round(max(self.values), 3),
            "unit": self.figure.unit,
            "must": self.figure.must,
            "aim": self.figure.aim,
            "more_is_better": self.figure.more_is_better,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Measure:
    """A measure that was taken."""

    name: str
    title: str
    sizes: Mapping[str, int]
    rounds: Sequence[Round]
    figures: Sequence[Figure]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def taken(self) -> list[Taken]:
        """Its figures with their values."""
        return [Taken(each, [each.of(found) for found in self.rounds]) for each in self.figures]

    def as_dict(self) -> dict[str, Any]:
        """The measure as results.json has it."""
        return {
            "title": self.title,
            "sizes": dict(self.sizes),
            "rounds": len(self.rounds),
            "figures": {each.figure.name: each.as_dict() for each in self.taken},
            "medians": {
                name: round(statistics.median(found[name] for found in self.rounds), 3)
                for name in self.rounds[0]
            },
            "notes": list(self.notes),
        }


def ratio(measured: str, baseline: str) -> Callable[[Round], float]:
    """A figure that divides one thing a round saw by another."""
    return lambda found: found[measured] / found[baseline]


def just(name: str) -> Callable[[Round], float]:
    """A figure that is what a round saw."""
    return lambda found: found[name]
