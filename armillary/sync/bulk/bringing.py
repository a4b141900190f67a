"""Creates and updates by imports, from the first file to the last repair.

What a job says of itself counts for nothing: what stands in the workspace afterwards decides, and
what does not stand there is written one by one, as long as that is few enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from armillary.errors import ArmillaryError, JobOverdue, RunStopped
from armillary.sync.bulk.back import ELSEWHERE, PLACE, Back, applied, only_ways, stored_otherwise
from armillary.sync.bulk.ends import (
    PLANNED,
    Pairs,
    ended,
    first_reason,
    refused,
    together,
    undone,
    unfinished,
    with_fate,
)
from armillary.sync.bulk.imports import first_of
from armillary.sync.bulk.sent import Sent
from armillary.sync.bulk.steps import OneByOne, Steps, Writing
from armillary.sync.bulk.trial import NO_WITNESS, Trial, Witness
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import Change

SAMPLE = 20
"""So many of the records that differ are written alone first: a workspace that stores a field its
own way makes all of them differ, and no writing helps."""

RECORDED_TOGETHER = 5000
"""Outcomes of one file of the run record."""

MOST_REMARKS = 3

ON_TRIAL = "its import was on trial"

PLAN_ANEW = "Start the sync again: it plans anew."
BY_ITSELF = "bulk: {mode: never} in the feed plans them one by one, with their calls."
SPEND_MORE = "Raise the quota, lower reserve_calls, or set quota: overage."


class Bringing:
    """The changes of one run on their way.

    Args:
        steps: imports and reads back.
        writing: the plan being applied.
        one_by_one: writes what imports did not bring about.
        most_repairs: with more left undone than this the run stops.
        most_calls: so many calls may be spent on what imports do not carry; None: any number.
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
        self._calls_left = math.inf if most_calls is None else most_calls
        self._outcomes: list[Outcome] = []
        self._alone: list[tuple[pl.DataFrame, bool]] = []
        """To be written one by one at the end, and whether to look first."""
        self._at_risk: Witness | None = None
        """The update on trial, while it may not stand as it stood."""

    def bring(self, carried: pl.DataFrame) -> list[Outcome]:
        """Bring changes in (shape: ``Plan.changes``); each has exactly one outcome."""
        sent = Sent()
        if self._writing.breaker.stopped:
            self._leave(carried, 0)
            return self._outcomes
        back = None
        try:
            carried = self._free(carried)
            if not carried.is_empty():
                carried = self._fitting(carried)
                carried = self._tried(carried)
            if not carried.is_empty():
                back = self._sent_and_read(carried, sent)
        except ArmillaryError as error:
            self._writing.breaker.halt(str(error))
            self._leave(carried, sent.rows)
            for changes, _ in self._alone:
                self._leave(changes, 0)
            return self._outcomes
        self._writing.notes += self._steps.notes
        if back is not None:
            self._settle(back, sent)
        for changes, look_first in self._alone:
            self._outcomes += self._one_by_one(changes, look_first=look_first)
        return self._outcomes

    @property
    def _may_mend(self) -> int:
        """So many changes may be written one by one: a look and a write each."""
        return int(min(self._most_repairs, max(0, self._calls_left) // 2))

    def _to_alone(self, changes: pl.DataFrame, *, look_first: bool) -> None:
        if not changes.is_empty():
            self._alone.append((changes, look_first))
            self._calls_left -= changes.height * (1 + look_first)

    def _free(self, carried: pl.DataFrame) -> pl.DataFrame:
        """All of it, once imports of others have ended; none of it where one does not end."""
        try:
            self._steps.ready()
        except JobOverdue as error:
            self._instead(carried, error.message.removesuffix("."), "cannot start")
            return carried.clear()
        return carried

    def _fitting(self, carried: pl.DataFrame) -> pl.DataFrame:
        """What is as the plan found it: an import makes what is gone, and takes what is there.

        What stands there as it is wanted is done already: an import of a run that was killed went
        on without it.
        """
        back = self._steps.look(carried)
        is_update = pl.col("kind") == "update"
        changed = back.otherwise.filter(is_update)[PLACE]
        free = back.absent.filter(~is_update & ~pl.col(ELSEWHERE))[PLACE]
        places = carried.with_row_index(PLACE)[PLACE]
        fits = places.is_in(pl.concat([changed, free]).implode())
        moved = carried.filter(~fits & ~places.is_in(back.right[PLACE].implode()))
        if moved.height > self._may_mend:
            raise RunStopped(
                f"{moved.height:,} of {carried.height:,} changes fit the workspace no longer, more "
                f"than are written one by one ({self._may_mend:,}): what they change is gone, or "
                f"what they create is there; the first: {first_of(moved).label}.",
                next_step=PLAN_ANEW,
            )
        self._take(applied(back.right))
        self._to_alone(moved, look_first=True)
        return carried.filter(fits)

    def _tried(self, carried: pl.DataFrame) -> pl.DataFrame:
        """What imports carry; the updates that they had better not go one by one."""
        updates = carried.filter(pl.col("kind") == "update")
        if updates.is_empty():
            return carried
        witness = self._steps.witness(updates)
        trial = Trial(NO_WITNESS) if witness is None else self._try(updates, witness)
        why_not = trial.why_not
        if not why_not:
            return carried
        self._refuse_too_many(updates.height, trial)
        self._writing.notes.append(
            f"Updates were written one by one, because an import does not carry them here: "
            f"{why_not}."
        )
        # Should the run stop before it is written, nobody may say that it was not touched.
        mine = updates["identifier"] == (self._at_risk.change.identifier if self._at_risk else "")
        self._to_alone(updates.filter(~mine), look_first=False)
        self._to_alone(updates.filter(mine), look_first=True)
        return carried.filter(pl.col("kind") != "update")

    def _refuse_too_many(self, updates: int, trial: Trial) -> None:
        """The plan told of a few calls for all of them: many more are not spent without a word."""
        if trial.broke and updates > self._may_mend:
            raise RunStopped(
                f"The import that was tried before {updates:,} updates did not end well "
                f"({trial.why_not}), which says nothing of the others.",
                next_step=f"{PLAN_ANEW} {BY_ITSELF}",
            )
        if updates > self._calls_left:
            raise RunStopped(
                f"An import does not carry updates here ({trial.why_not}). {updates:,} of "
                f"them would take a call each, and {self._calls_left:,} calls may be spent.",
                next_step=SPEND_MORE,
            )
        if self._calls_left == math.inf and updates > self._most_repairs:
            raise RunStopped(
                f"An import does not carry updates here ({trial.why_not}). {updates:,} of them "
                f"would take a call each, more than {self._most_repairs:,}, and nobody knows how "
                "many calls are left.",
                next_step=BY_ITSELF,
            )

    def _try(self, updates: pl.DataFrame, witness: Witness) -> Trial:
        """Whether imports may carry updates."""
        sent = Sent()
        # Before it is sent: whatever ends the run meanwhile, what stood there is known (P22).
        change = self._steps.recorded(witness)
        self._writing.keep([(change, ended(change, Fate.UNKNOWN, ON_TRIAL))])
        self._at_risk = witness
        untouched = False
        try:
            trial = self._steps.try_update(updates, witness, sent)
            untouched = trial.untouched
        finally:
            if untouched or not sent.rows:
                self._at_risk = None
        return trial

    def _sent_and_read(self, carried: pl.DataFrame, sent: Sent) -> Back | None:
        """Send all of it, and once more what a job that broke left undone.

        None where imports are refused: then all of it goes one by one.
        """
        self._send(carried, sent)
        if sent.refused:
            sent.rows = 0  # for sure
            self._instead(carried, sent.refused.removesuffix("."), "are refused here")
            return None
        back = self._as_it_stands(carried)
        if not sent.broke or sent.under_way or sent.overdue or not back.undone:
            return back
        if sent.lost:
            # What nobody could find may have been at work while it was read back.
            self._steps.ready()
            back = self._as_it_stands(carried)
        missing = undone(back)
        if missing.is_empty():
            return back
        again = Sent()
        self._send(missing.select(PLANNED), again)
        places = dict(enumerate(missing[PLACE]))
        sent.reasons = {places[at]: words for at, words in again.reasons.items()}
        sent.remarks += again.remarks
        sent.under_way = again.under_way
        return self._as_it_stands(carried)

    def _as_it_stands(self, carried: pl.DataFrame) -> Back:
        """What stands there; read once more where one record tells that the export is an old one.

        A service may answer a second export with the file of the first.
        """
        back = self._steps.read_back(carried)
        if back.undone <= self._may_mend:
            return back
        if self._steps.stands(undone(back).head(1).select(PLANNED)):
            back = self._steps.read_back(carried)
        return back

    def _send(self, carried: pl.DataFrame, sent: Sent) -> None:
        for part in self._steps.files(carried):
            self._steps.send(part, sent)
            if sent.refused:
                return

    def _instead(self, carried: pl.DataFrame, why: str, what: str) -> None:
        """No import can be, and nothing was stored: every change by itself, if that may be."""
        calls = 2 * carried.height
        if calls > self._calls_left:
            raise RunStopped(
                f"Imports {what} ({why}). {carried.height:,} changes one by one would "
                f"take up to {calls:,} calls, and {self._calls_left:,} may be spent.",
                next_step=SPEND_MORE,
            )
        self._writing.notes.append(f"Imports {what} ({why}), so changes were written one by one.")
        self._to_alone(carried, look_first=True)

    def _settle(self, back: Back, sent: Sent) -> None:
        """What is right is done; what is not is mended, as far as that is few enough."""
        self._writing.notes += sent.remarks[:MOST_REMARKS]
        self._take(applied(back.right))
        if sent.under_way:
            self._take(unfinished(undone(back), "its import is still under way"))
            return
        otherwise = self._without_echoes(back.otherwise, sent.reasons)
        rest = together(otherwise, back.absent)
        most = self._may_mend
        if rest.height <= most:
            self._outcomes += self._one_by_one(rest.select(PLANNED), look_first=True)
            return
        self._take(refused(rest, sent.reasons))
        why = first_reason(rest, sent)
        limit = (
            f"{most:,}, for the calls that may be spent"
            if most < self._most_repairs
            else f"{most:,}"
        )
        self._writing.breaker.halt(
            f"the imports left {rest.height:,} of {back.right.height + back.undone:,} changes "
            f"undone, more than are mended one by one ({limit}); the first: "
            f"{first_of(rest).label}{f': {why}' if why else ''}"
        )

    def _without_echoes(self, otherwise: pl.DataFrame, reasons: Mapping[int, str]) -> pl.DataFrame:
        """Write a few of the differing records alone; what still differs is how it is stored."""
        size = min(SAMPLE, self._may_mend)
        if otherwise.height <= size or not size:
            return otherwise
        sample, rest = otherwise.head(size), otherwise.slice(size)
        done = self._one_by_one(sample.select(PLANNED), look_first=True)
        self._outcomes += done
        self._calls_left -= 2 * size
        # Where the job says why a row failed, its record was not written at all.
        stored = only_ways(rest, stored_otherwise(sample, done)) & ~rest[PLACE].is_in([*reasons])
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
        """The run stopped: what was sent, or tried, may have been carried out."""
        why = self._writing.breaker.stopped
        self._take(unfinished(changes.head(sent), why))
        left = changes.slice(sent)
        if self._at_risk is not None:
            mine = left["identifier"] == self._at_risk.change.identifier
            if mine.any():
                self._take([self._risked(self._at_risk, why)])
            left = left.filter(~mine)
        self._take(with_fate(left, Fate.NOT_ATTEMPTED, why))

    def _risked(self, witness: Witness, why: str) -> tuple[Change, Outcome]:
        words = (
            f"{witness.change.identifier} was imported alone, on trial, when the run stopped "
            f"({why.removesuffix('.')}). Before that it held {witness.held}: look whether it "
            "still does. Reverting this run puts back fields that are empty now."
        )
        change = self._steps.recorded(witness)
        return change, ended(change, Fate.UNKNOWN, words)
