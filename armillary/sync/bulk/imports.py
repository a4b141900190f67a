"""Writing by import jobs: what they need on the machine they are run from, and their steps.

ready        imports that are under way end first: what they store is not sent again
look         what stands there before anything is sent
witness      the update to try, if any is to go this way
try_update   that one alone
send         file after file
read_back    what stands there now, by one export
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import polars as pl

from armillary import progress
from armillary.api.models import Page
from armillary.api.paging import read_all
from armillary.api.ptolemy import Ptolemy
from armillary.errors import AccessDenied, RequestRejected, RunStopped
from armillary.restore.importing import Imported, ImportJobs, reasons_by_row, refused
from armillary.restore.split import MOST_BYTES, Part
from armillary.sync.bulk.back import Back, compare_back
from armillary.sync.bulk.exported import RESOURCE, UNUSABLE, Exports, among
from armillary.sync.bulk.pace import patience_for
from armillary.sync.bulk.rows import Present, files, row_of
from armillary.sync.bulk.trial import WITNESSES, Trial, Witness, judge_trial, witness_of
from armillary.sync.canonical import DataType
from armillary.sync.frames import FIELD, InstrumentColumns
from armillary.sync.ground import Ground
from armillary.sync.plan import CHANGES, Change, iter_changes
from armillary.sync.workspace import PAGE_SIZE


@dataclass
class Sent:
    """How far the sending came."""

    rows: int = 0
    """Of the changes, from the first: those whose file was sent, or was about to be."""
    files: int = 0
    broke: bool = False
    """A job did not end well: what is missing is worth another import."""
    under_way: bool = False
    """A job was given up that may still store rows: nothing of it is sent again."""

    lost: bool = False
    """Nobody knows whether there is a job of some file: one may be storing rows unseen."""
    accepted: int = 0
    """Of the files."""

    def __post_init__(self) -> None:
        self.reasons: dict[int, str] = {}
        """Why rows failed, by the place of the change."""
        self.remarks: list[str] = []
        """What the service said without naming a row."""

    def take(self, part: Part, done: list[Imported]) -> None:
        """Note what became of one file, sent as one or as several."""
        self.files += len(done)
        self.accepted += sum(not imported.refused for imported in done)
        self.lost = self.lost or any(imported.lost for imported in done)
        self.broke = self.broke or any(imported.broke for imported in done)
        self.under_way = self.under_way or any(imported.under_way for imported in done)
        self.reasons |= reasons_by_row(done, range(part.first_row, part.first_row + part.rows))
        for imported in done:
            self.remarks += imported.remarks

    @property
    def refused(self) -> str:
        """Why imports are refused here, while none was accepted: nothing was stored."""
        return "" if self.accepted or not self.remarks else self.remarks[0]


class BulkImports:
    """Brings creates and updates into a workspace by import jobs.

    Args:
        ptolemy: the client.
        ground: type and data types of the plan.
        jobs: submits files and waits; its patience is that of a small job.
        exports: reads back.
        present: what rows of updates have to have (``rows.present_values``).
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
        present: Present,
        *,
        folder: Path,
        may_send: Callable[[], None],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._ptolemy = ptolemy
        self._ground = ground
        self._jobs = jobs
        self._exports = exports
        self._present = present
        self._folder = folder
        self._may_send = may_send
        self._most_bytes = most_bytes
        self._condition = {"and": [{"field": "type_id", "op": "eq", "value": ground.type_id}]}
        self._held: int | None = None
        """Active instruments of the type before anything is sent, as the service counts them."""

    def ready(self) -> int:
        """Let imports end that are under way in the workspace; how many there were.

        Raises:
            JobOverdue: one of them does not end.
        """
        return self._jobs.wait_for_others(RESOURCE)

    def look(self, carried: pl.DataFrame) -> Back:
        """What stands there of some changes before they are sent.

        A type without a single instrument is counted and not read.

        Raises:
            ApiError: the workspace cannot be read.
        """
        self._held = self._ptolemy.instruments.count(self._condition)
        if self._held == 0:
            return compare_back(carried, InstrumentColumns({}).frame(), self._ground)
        expected = carried.height if self._held is None else self._held
        return self._read(carried, {}, expected=expected)

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
            jobs = self._jobs
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
        """What stands there of some changes; by pages where an export does not tell it.

        Raises:
            ApiError: the workspace cannot be read.
        """
        created = carried.filter(pl.col("kind") == "create").height
        expected = max(carried.height, (self._held or 0) + created)
        return self._read(carried, self._types(carried), expected=expected)

    def _read(self, carried: pl.DataFrame, types: dict[str, DataType], *, expected: int) -> Back:
        wanted = among(carried["identifier"].to_list())
        try:
            stored = self._exports.read(
                self._ptolemy,
                types,
                self._condition,
                expected=expected,
                wanted=wanted,
                progress=_reading,
            )
        except UNUSABLE:
            stored = self._by_pages(types)
        return compare_back(carried, stored.filter(~pl.col("archived")), self._ground)

    def _types(self, carried: pl.DataFrame) -> dict[str, DataType]:
        """Data types of the fields that changes touch."""
        entries = carried.select("changed").explode("changed").unnest("changed")
        fields = sorted(entries["field"].drop_nulls().unique())
        keys = [field.removeprefix(FIELD) for field in fields if field.startswith(FIELD)]
        return {key: self._ground.data_types.get(key, DataType.TEXT) for key in keys}

    def _by_pages(self, types: dict[str, DataType]) -> pl.DataFrame:
        def take(columns: InstrumentColumns, page: Page) -> None:
            columns.take(page)
            _reading(columns.rows)

        return read_all(
            lambda: self._ptolemy.instruments.filter_pages(filter=self._condition, limit=PAGE_SIZE),
            lambda: InstrumentColumns(types),
            take,
        ).frame()


def _no_import(error: AccessDenied) -> bool:
    """Whether the token may do other things, and no more than an import was refused."""
    submit = error.method == "POST" and error.path.endswith("/imports")
    return submit and error.status == HTTPStatus.FORBIDDEN


def _reading(rows: int) -> None:
    progress.say("reading back", rows)


def first_of(changes: pl.DataFrame) -> Change:
    """The first of some changes, as an example."""
    return next(iter_changes(changes.head(1).select(list(CHANGES))))
