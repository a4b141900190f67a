"""Creates and updates by imports, from the first file to the last repair.

What a job says of itself counts for nothing: what stands in the workspace afterwards decides, and
what does not stand there is written one by one, as long as that is few enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import polars as pl

from armillary.errors import ArmillaryError, RunStopped
from armillary.restore.split import Part
from armillary.sync.breaker import Breaker
from armillary.sync.bulk.back import PLACE, Back, applied, echoing, only_echoes
from armillary.sync.bulk.imports import Sent, first_of
from armillary.sync.bulk.trial import Trial
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES, Change, iter_changes

SAMPLE = 20
"""So many of the records that differ are written alone first: a workspace that stores a field its
own way makes all of them differ, and no writing helps."""

RECORDED_TOGETHER = 5000
"""Outcomes of one file of the run record."""

MOST_REMARKS = 3

PLANNED = list(CHANGES)

Pairs = list[tuple[Change, Outcome]]


class Writing(Protocol):
    """What this needs of the plan that is being applied."""

    breaker: Breaker
    notes: list[str]
    """What a person has to know of how it went."""

    def saw(self, outcome: Outcome) -> object:
        """Note one outcome."""
        ...

    def keep(self, done: Sequence[tuple[Change, Outcome]]) -> None:
        """Leave outcomes in the run record."""
        ...


class OneByOne(Protocol):
    """Writes changes by requests of their own; each has exactly one outcome."""

    def __call__(self, changes: pl.DataFrame, *, look_first: bool) -> list[Outcome]:
        """Write them; ``look_first`` where an earlier attempt may have been carried out."""
        ...


class Steps(Protocol):
    """The steps of ``BulkImports``."""

    def ready(self) -> object:
        """Let other imports end."""
        ...

    def try_update(self, carried: pl.DataFrame) -> Trial:
        """Import one update alone."""
        ...

    def files(self, carried: pl.DataFrame) -> Iterable[Part]:
        """The files to send."""
        ...

    def send(self, part: Part, sent: Sent) -> None:
        """Import one of them."""
        ...

    def read_back(self, carried: pl.DataFrame) -> Back:
        """What stands there now."""
        ...


class Bringing:
    """The changes of one run on their way.

    Args:
        steps: imports and reads back.
        writing: the plan being applied.
        one_by_one: writes what imports did not bring about.
        most_repairs: with more left undone than this the run stops.
        most_calls: so many updates may be written one by one if imports carry none; None: all.
    """

    def __init__(
        self,
        steps: Steps,
        writing: Writing,
        one_by_one: OneByOne,
        *,
        most_repairs: int,
        most_calls: int | None = None,
    ) -> None:
        self._steps = steps
        self._writing = writing
        self._one_by_one = one_by_one
        self._most_repairs = most_repairs
        self._most_calls = most_calls
        self._outcomes: list[Outcome] = []

    def bring(self, carried: pl.DataFrame) -> list[Outcome]:
        """Bring changes in (shape: ``Plan.changes``); each has exactly one outcome."""
        alone = carried.clear()
        sent = Sent()
        if self._writing.breaker.stopped:
            self._leave(carried, 0)
            return self._outcomes
        try:
            self._steps.ready()
            carried, alone = self._tried(carried)
            back, sent = self._sent_and_read(carried, sent)
        except ArmillaryError as error:
            self._writing.breaker.halt(str(error))
            self._leave(carried, sent.rows)
            self._leave(alone, 0)
            return self._outcomes
        self._settle(back, sent)
        self._outcomes += self._one_by_one(alone, look_first=False)
        return self._outcomes

    def _tried(self, carried: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What imports carry, and the updates that they had better not."""
        updates = carried.filter(pl.col("kind") == "update")
        if updates.is_empty():
            return carried, updates
        trial = self._steps.try_update(updates)
        if not trial.why_not:
            return carried, updates.clear()
        most = self._most_calls
        if most is not None and updates.height > most:
            raise RunStopped(
                f"An import does not carry updates here ({trial.why_not}). {updates.height:,} of "
                f"them would take a call each, and {most:,} calls may be spent.",
                next_step="Raise the quota, lower reserve_calls, or set quota: overage.",
            )
        self._writing.notes.append(
            f"Updates were written one by one, because an import does not carry them here: "
            f"{trial.why_not}."
        )
        return carried.filter(pl.col("kind") != "update"), updates

    def _sent_and_read(self, carried: pl.DataFrame, sent: Sent) -> tuple[Back, Sent]:
        """Send all of it, and once more what a job that broke left undone."""
        self._send(carried, sent)
        back = self._steps.read_back(carried)
        if not sent.broke or sent.under_way or not back.undone:
            return back, sent
        missing = _undone(back)
        again = Sent()
        self._send(missing.select(PLANNED), again)
        places = dict(enumerate(missing[PLACE]))
        sent.reasons = {places[at]: words for at, words in again.reasons.items()}
        sent.remarks += again.remarks
        sent.under_way = again.under_way
        return self._steps.read_back(carried), sent

    def _send(self, carried: pl.DataFrame, sent: Sent) -> None:
        for part in self._steps.files(carried):
            self._steps.send(part, sent)

    def _settle(self, back: Back, sent: Sent) -> None:
        """What is right is done; what is not is mended, as far as that is few enough."""
        self._writing.notes += sent.remarks[:MOST_REMARKS]
        self._take(applied(back.right))
        if sent.under_way:
            self._take(_unfinished(_undone(back), "its import is still under way"))
            return
        otherwise = self._without_echoes(back.otherwise)
        rest = _together(otherwise, back.absent)
        if rest.height <= self._most_repairs:
            self._outcomes += self._one_by_one(rest.select(PLANNED), look_first=True)
            return
        self._take(_refused(rest, sent.reasons))
        why = _first_reason(rest, sent)
        self._writing.breaker.halt(
            f"the imports left {rest.height:,} of {back.right.height + back.undone:,} changes "
            f"undone, more than are mended one by one ({self._most_repairs:,}); the first: "
            f"{first_of(rest).label}{f': {why}' if why else ''}"
        )

    def _without_echoes(self, otherwise: pl.DataFrame) -> pl.DataFrame:
        """Write a few of the differing records alone; what still differs is how it is stored."""
        if otherwise.height <= SAMPLE:
            return otherwise
        sample, rest = otherwise.head(SAMPLE), otherwise.slice(SAMPLE)
        done = self._one_by_one(sample.select(PLANNED), look_first=True)
        self._outcomes += done
        stored = only_echoes(rest, echoing(done))
        self._take(applied(rest.filter(stored)))
        return rest.filter(~stored)

    def _take(self, pairs: Pairs) -> None:
        """Note outcomes, and leave them in the run record."""
        for _, outcome in pairs:
            self._writing.saw(outcome)
            self._outcomes.append(outcome)
        for at in range(0, len(pairs), RECORDED_TOGETHER):
            self._writing.keep(pairs[at : at + RECORDED_TOGETHER])

    def _leave(self, changes: pl.DataFrame, sent: int) -> None:
        """The run stopped: what was sent may have been carried out."""
        why = self._writing.breaker.stopped
        self._take(_unfinished(changes.head(sent), why))
        self._take(_with(changes.slice(sent), Fate.NOT_ATTEMPTED, why))


def _undone(back: Back) -> pl.DataFrame:
    return _together(back.otherwise, back.absent)


def _together(otherwise: pl.DataFrame, absent: pl.DataFrame) -> pl.DataFrame:
    columns = [PLACE, *PLANNED]
    return pl.concat([otherwise.select(columns), absent.select(columns)]).sort(PLACE)


def _unfinished(changes: pl.DataFrame, why: str) -> Pairs:
    return _with(changes, Fate.UNKNOWN, why)


def _with(changes: pl.DataFrame, fate: Fate, why: str) -> Pairs:
    return [
        (change, Outcome(change.kind, change.identifier, fate, why, id=change.id))
        for change in iter_changes(changes.select(PLANNED))
    ]


def _refused(rest: pl.DataFrame, reasons: dict[int, str]) -> Pairs:
    """What was read back as undone: refused, where the job said why."""
    pairs: Pairs = []
    for place, change in zip(rest[PLACE], iter_changes(rest.select(PLANNED)), strict=True):
        why = reasons.get(place, "")
        fate = Fate.REJECTED if why else Fate.UNKNOWN
        said = why or "its import did not bring it about, and did not say why"
        pairs.append((change, Outcome(change.kind, change.identifier, fate, said, id=change.id)))
    return pairs


def _first_reason(rest: pl.DataFrame, sent: Sent) -> str:
    found = (sent.reasons[place] for place in rest[PLACE] if place in sent.reasons)
    return next(found, sent.remarks[0] if sent.remarks else "")
