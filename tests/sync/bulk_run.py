"""A plan brought by imports as a run does it, without Prefect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from armillary.api.ptolemy import Ptolemy
from armillary.sync.apply import apply_change
from armillary.sync.breaker import Breaker
from armillary.sync.bulk.bringing import Bringing
from armillary.sync.ground import Ground
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import Change, iter_changes
from tests.sync.test_bulk_imports import ROWS, go_on, imports_of

FEW = ROWS[:25]


class Written:
    """The plan being applied, without Prefect."""

    def __init__(self) -> None:
        self.breaker = Breaker(60, 0.05)
        self.notes: list[str] = []
        self.recorded: list[tuple[Change, Outcome]] = []
        self.repaired: list[str] = []

    def saw(self, outcome: Outcome) -> None:
        self.breaker.saw(outcome)

    def keep(self, done: Sequence[tuple[Change, Outcome]]) -> None:
        self.recorded += done


def bring(
    ptolemy: Ptolemy, folder: Path, carried: pl.DataFrame, written: Written, **given: Any
) -> list[Outcome]:
    imports, ground = imports_of(
        ptolemy,
        folder,
        most_bytes=given.pop("most_bytes", 1_000_000),
        stop=given.pop("stop", go_on),
    )
    given.pop("prepare", lambda _: None)(imports)
    facts: dict[str, Any] = {"most_repairs": 30} | given
    outcomes = Bringing(imports, written, _one_by_one(ptolemy, ground, written), **facts).bring(
        carried
    )
    assert len(outcomes) == carried.height
    assert {o.identifier for o in outcomes} == set(carried["identifier"])
    return outcomes


def _one_by_one(ptolemy: Ptolemy, ground: Ground, written: Written) -> Any:
    def write(changes: pl.DataFrame, *, look_first: bool) -> list[Outcome]:
        done = []
        for change in iter_changes(changes):
            written.repaired.append(change.label)
            outcome = apply_change(ptolemy, ground, change, look_first=look_first)
            written.saw(outcome)
            done.append(outcome)
        return done

    return write


def fates(outcomes: Sequence[Outcome]) -> dict[Fate, int]:
    return dict(Counter(outcome.fate for outcome in outcomes))


def job(**script: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/imports", "action": "job", "job": script}
