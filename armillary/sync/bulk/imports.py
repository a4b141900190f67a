"""Writing by import jobs: what they need on the machine they are run from, and their steps.

ready        imports that are under way end first: what they store is not sent again
look         what stands there before anything is sent
stands       whether one change stands there, asked of that record alone
witness      the update to try, if any is to go this way
try_update   that one alone
send         file after file
read_back    what stands there now, by one export
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import polars as pl

from armillary import progress
from armillary.api.ptolemy import Ptolemy
from armillary.errors import AccessDenied, RequestRejected, RunStopped
from armillary.restore.importing import ImportJobs, refused
from armillary.restore.split import MOST_BYTES, Part
from armillary.sync.bulk.back import Back, compare_back
from armillary.sync.bulk.exported import RESOURCE, UNUSABLE, Exports, among
from armillary.sync.bulk.pace import import_seconds, patience_for, patience_seconds
from armillary.sync.bulk.rows import Present, files, present_values, row_of
from armillary.sync.bulk.sent import Sent
from armillary.sync.bulk.trial import WITNESSES, Trial, Witness, judge_trial, witness_of
from armillary.sync.canonical import DataType
from armillary.sync.frames import FIELD, InstrumentColumns
from armillary.sync.ground import Ground
from armillary.sync.owners import find_owners
from armillary.sync.plan import CHANGES, Change, iter_changes
from armillary.sync.workspace import PAGE_SIZE


class BulkImports:
    """Brings creates and updates into a workspace by import jobs.

    Args:
        ptolemy: the client.
        ground: type and data types of the plan.
        jobs: submits files and waits; its patience is that of a small job.
        exports: reads back.
        folder: for files on their way; whoever made it removes it.
        may_send: called before each file; raises when nothing more may be written.
        most_bytes: of a file (contract section 13: 100 MB).
    """

    def __init__(
        self,
        ptolemy: Ptolemy,
        ground: Ground,
        jobs: ImportJobs,
        exports: Exports,
        *,
        folder: Path,
        may_send: Callable[[], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._ptolemy = ptolemy
        self._ground = ground
        self._jobs = jobs
        self._exports: Exports | None = exports
        self._present: Present = {}
        self.notes: list[str] = []
        """What a person has to know of how it was read."""
        self._folder = folder
        self._may_send = may_send
        self._most_bytes = most_bytes
        self._of_type: dict[str, Any] = {
            "and": [{"field": "type_id", "op": "eq", "value": ground.type_id}]
        }
        self._held: int | None = None
        """Active instruments before anything is sent, as the service counts them."""

    def ready(self) -> int:
        """Let imports end that are under way in the workspace; how many there were.

        Raises:
            JobOverdue: one of them does not end.
        """
        return self._patient(import_seconds(0)).wait_for_others(RESOURCE)

    def look(self, carried: pl.DataFrame) -> Back:
        """What stands there of some changes before they are sent.

        Who creates looks at instruments of every type: an import would take over one that has the
        identifier. A workspace without a single instrument is counted and not read.

        Raises:
            ApiError: the workspace cannot be read.
        """
        creates = carried.filter(pl.col("kind") == "create").height
        condition = None if creates else self._of_type
        self._held = self._ptolemy.instruments.count(condition)
        types = self._types(carried) | self._required
        if self._held == 0:
            return compare_back(carried, InstrumentColumns(types).frame(), self._ground)
        stored = self._read(carried, types, condition, self._held or carried.height)
        updated = stored.join(carried.select("id"), on="id", how="semi")
        self._present = present_values(updated, self._ground)
        return compare_back(carried, stored, self._ground)

    def stands(self, change: pl.DataFrame) -> bool:
        """Whether one change (a row of ``Plan.changes``) stands there, by that record alone.

        Raises:
            ApiError: it cannot be read.
        """
        [one] = iter_changes(change)
        columns = InstrumentColumns(self._types(change))
        with suppress(RequestRejected):
            columns.add([self._ptolemy.instruments.get(one.id or one.identifier)])
        active = columns.frame().filter(~pl.col("archived"))
        return compare_back(change, active, self._ground).right.height == 1

    def files(self, carried: pl.DataFrame) -> Iterator[Part]:
        """The import files of changes (``rows.files``)."""
        return files(carried, self._ground, self._present, self._folder, self._most_bytes)

    def witness(self, updates: pl.DataFrame) -> Witness | None:
        """The update to try: of a few, the one whose record can lose most; None where none can.

        Raises:
            ApiError: the workspace cannot be read.
        """
        looked = updates.gather_every(max(1, updates.height // WITNESSES)).head(WITNESSES)
        found = []
        for change in iter_changes(looked):
            with suppress(RequestRejected):  # another may do
                before = self._ptolemy.instruments.get(change.id or change.identifier)
                if before.get("archived_at") is None:
                    row = row_of(change, self._ground, self._present)
                    found.append(witness_of(change, before, row))
        best = max(found, key=lambda each: each.weight, default=None)
        return best if best is not None and best.fields else None

    def recorded(self, witness: Witness) -> Change:
        """The update with all that its import may take (``Witness.recorded``)."""
        return witness.recorded(self._ground.data_types)

    def try_update(self, updates: pl.DataFrame, witness: Witness, sent: Sent) -> Trial:
        """Import one update alone, and look what became of the record.

        What the import took is given back at once.

        Args:
            updates: the updates that are to go this way.
            witness: one of them.
            sent: takes what became of it.

        Raises:
            RunStopped, ApiError: what ends the whole run. If ``sent`` has rows, nobody knows what
                became of the record.
        """
        change = witness.change
        record = change.id or change.identifier
        for part in self.files(updates.filter(pl.col("identifier") == change.identifier)):
            self.send(part, sent)
        if sent.refused:
            return Trial(sent.refused.removesuffix("."), untouched=True)
        if sent.under_way or sent.lost:
            raise RunStopped(
                f"The import of {change.identifier}, on trial before others, may still be under "
                f"way: {' '.join(sent.remarks)}",
                next_step="When it has ended in Ptolemy, look at that record, then start the sync "
                "again.",
            )
        after = self._ptolemy.instruments.get(record)
        trial = judge_trial(change, witness.before, after, self._ground.data_types)
        trial = replace(trial, broke=sent.broke)
        if trial.put_back:
            self._ptolemy.instruments.patch(record, trial.put_back)
        if trial.why_not and (said := [*sent.reasons.values(), *sent.remarks]):
            trial = replace(trial, why_not=f"{trial.why_not} ({said[0].removesuffix('.')})")
        return trial

    def send(self, part: Part, sent: Sent) -> None:
        """Import one file.

        Args:
            part: the file.
            sent: takes what became of it.

        Raises:
            RunStopped, ApiError: what ends the whole run; the file may have been taken.
        """
        with part as file:
            self._may_send()
            sent.rows = part.first_row + part.rows
            jobs = self._patient(import_seconds(part.rows))
            patience = patience_for(
                part.rows,
                first_poll_seconds=jobs.patience.first_poll_seconds,
                deadline_seconds=jobs.patience.deadline_seconds,
            )
            try:
                done = replace(jobs, patience=patience).run(part, file, RESOURCE)
            except AccessDenied as error:
                if sent.accepted or not _no_import(error):
                    raise
                done = [refused(part, RESOURCE, error)]
            sent.take(part, done)

    def read_back(self, carried: pl.DataFrame) -> Back:
        """What stands there of some changes; by look-ups where an export does not tell it.

        Raises:
            ApiError: the workspace cannot be read.
        """
        created = carried.filter(pl.col("kind") == "create").height
        expected = max(carried.height, (self._held or 0) + created)
        stored = self._read(carried, self._types(carried), self._of_type, expected)
        return compare_back(carried, stored, self._ground)

    def _patient(self, seconds: float) -> ImportJobs:
        """The jobs, each given up after so long, or sooner by the settings."""
        allowed = min(seconds, self._jobs.patience.deadline_seconds)
        return replace(self._jobs, patience=replace(self._jobs.patience, deadline_seconds=allowed))

    def _read(
        self,
        carried: pl.DataFrame,
        types: dict[str, DataType],
        condition: dict[str, Any] | None,
        expected: int,
    ) -> pl.DataFrame:
        """Active instruments that have the identifiers of changes, and perhaps others."""
        identifiers = carried["identifier"].to_list()
        if self._exports is not None:
            pages = math.ceil(expected / PAGE_SIZE)
            try:
                stored = self._exports.no_longer_than(patience_seconds(pages)).read(
                    self._ptolemy,
                    types,
                    condition,
                    expected=expected,
                    wanted=among(identifiers),
                    progress=_reading,
                )
                return stored.filter(~pl.col("archived"))
            except UNUSABLE as error:
                # The next one would fail, too, and each is calls and time.
                self._exports = None
                self.notes.append(
                    f"No export tells what stands there ({error.message.removesuffix('.')}), so "
                    "it was looked up, a call for about 200 records."
                )
        nobody = InstrumentColumns(types).frame()
        found = find_owners(self._ptolemy, identifiers, nobody, types)
        return found.filter(~pl.col("archived"))

    def _types(self, carried: pl.DataFrame) -> dict[str, DataType]:
        """Data types of the fields that changes touch."""
        entries = carried.select("changed").explode("changed").unnest("changed")
        fields = sorted(entries["field"].drop_nulls().unique())
        keys = [field.removeprefix(FIELD) for field in fields if field.startswith(FIELD)]
        return {key: self._ground.data_types.get(key, DataType.TEXT) for key in keys}

    @property
    def _required(self) -> dict[str, DataType]:
        """What every row has to have, beside the name."""
        keys = sorted(self._ground.required_fields)
        return {key: self._ground.data_types[key] for key in keys if key in self._ground.data_types}


def _no_import(error: AccessDenied) -> bool:
    """Whether the token may do other things, and no more than an import was refused."""
    submit = error.method == "POST" and error.path.endswith("/imports")
    return submit and error.status == HTTPStatus.FORBIDDEN


def _reading(rows: int) -> None:
    progress.say("looking what is there", rows)


def first_of(changes: pl.DataFrame) -> Change:
    """The first of some changes, as an example."""
    return next(iter_changes(changes.head(1).select(list(CHANGES))))
