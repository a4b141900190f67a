"""Instruments read by one export job: a handful of calls however many there are.

A page is a call for every 200 instruments. An export leaves more open than a page does (contract
N12), so what it does not tell makes it unusable, and whoever asked reads pages instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from armillary.api.ptolemy import Ptolemy
from armillary.backup.download import Download
from armillary.backup.export_file import read_export_file
from armillary.backup.jobs import ExportJobs, ExportRequest
from armillary.clock import Clock, SystemClock
from armillary.errors import (
    AccessDenied,
    ExportDamaged,
    JobFailed,
    RequestRejected,
    TransferFailed,
    UnexpectedAnswer,
)
from armillary.feeds.bulk import Bulk
from armillary.restore.windows import open_windows
from armillary.sync.bulk.pace import job_calls, patience_for
from armillary.sync.canonical import DataType
from armillary.sync.frames import SNAPSHOTS, InstrumentColumns

RESOURCE = "instruments"

UNUSABLE = (
    AccessDenied,
    ExportDamaged,
    JobFailed,
    RequestRejected,
    TransferFailed,
    UnexpectedAnswer,
)
"""Why an export cannot be used while pages still may."""

Progress = Callable[[int], None]
Rows = Sequence[Mapping[str, Any]]


def _go_on() -> None:
    """Nobody asks to stop."""


@dataclass(frozen=True)
class Exports:
    """Reads the instruments of one workspace by export jobs.

    Attributes:
        first_poll_seconds: when a small job is asked for first.
        deadline_seconds: how long a job may take.
        go_on: called often; raises to end the reading (a lost lease).
        clock: all waiting goes through it.
    """

    first_poll_seconds: float = 1.0
    deadline_seconds: float = 7200.0
    go_on: Callable[[], None] = _go_on
    clock: Clock = field(default_factory=SystemClock)
    known: set[str] = field(default_factory=set)
    """Ids of jobs that were read already: none of them is that of a submit whose answer was lost,
    and what was written since is in none of them."""

    def no_longer_than(self, seconds: float) -> Exports:
        """The same with less patience, for whoever has another way to go."""
        return replace(self, deadline_seconds=min(self.deadline_seconds, seconds))

    def read(
        self,
        ptolemy: Ptolemy,
        types: Mapping[str, DataType],
        condition: Mapping[str, Any] | None,
        *,
        expected: int,
        include_archived: bool = False,
        wanted: Callable[[Rows], Rows] | None = None,
        progress: Progress = lambda _: None,
    ) -> pl.DataFrame:
        """The instruments as a frame of shape ``frames``, one row per ``id``.

        Args:
            ptolemy: the workspace.
            types: the fields to keep, with their data types.
            condition: a filter (contract section 5); None for all.
            expected: how many there are thought to be.
            include_archived: whether archived ones are asked for, too.
            wanted: picks the rows to keep; None keeps all.
            progress: told how many rows came so far.

        Raises:
            JobFailed, TransferFailed, ExportDamaged, RequestRejected, AccessDenied,
                UnexpectedAnswer: it cannot be had this way (``UNUSABLE``).
            ApiError: the workspace cannot be read at all.
        """
        jobs = ExportJobs(
            ptolemy.exports,
            patience_for(
                expected,
                first_poll_seconds=self.first_poll_seconds,
                deadline_seconds=self.deadline_seconds,
            ),
            clock=self.clock,
            go_on=self.go_on,
        )
        request = ExportRequest(RESOURCE, include_archived=include_archived, filter=condition)
        submitted = jobs.trigger(request, self.known)
        self.known.add(submitted.id)
        job = jobs.wait(submitted)

        def keep(download: Download) -> pl.DataFrame:
            columns, windows, rows, told = InstrumentColumns(types), open_windows(), 0, False

            def take(found: Rows) -> None:
                nonlocal rows, told
                rows += len(found)
                told = told or any(_tells(row, types) for row in found)
                columns.add(_kept(found, wanted, include_archived=include_archived))
                progress(rows)

            with closing(download.chunks()) as chunks:
                for chunk in chunks:
                    self.go_on()
                    for window in windows.feed(chunk):
                        take(window.rows)
                for window in windows.close():
                    take(window.rows)
            if types and rows and not told:
                # Read as blanks, they would all be written anew.
                raise ExportDamaged("The export does not tell the fields of its rows.")
            return columns.frame()

        return read_export_file(
            jobs, job, keep, clock=self.clock, stop=self.go_on, next_step="Start the sync again."
        )


def _kept(rows: Rows, wanted: Callable[[Rows], Rows] | None, *, include_archived: bool) -> Rows:
    """The rows to keep, in the shape a page has them.

    Raises:
        ExportDamaged: they do not tell what a sync has to know of them (contract N12).
    """
    if not all(row.get("id") for row in rows):
        raise ExportDamaged("The export does not tell the UUIDs of its rows.")
    if include_archived and not all("archived_at" in row for row in rows):
        raise ExportDamaged("The export does not tell which of its rows are archived.")
    chosen = rows if wanted is None else wanted(rows)
    return [row if _has_fields(row) else {**row, "field_values": row} for row in chosen]


def _has_fields(row: Mapping[str, Any]) -> bool:
    """Whether values stand in an object of their own; else the row itself has them (N12)."""
    return any(isinstance(row.get(key), Mapping) for key in SNAPSHOTS)


def _tells(row: Mapping[str, Any], types: Mapping[str, DataType]) -> bool:
    """Whether a row has a place for values: the object they stand in, or one of them."""
    return _has_fields(row) or not types.keys().isdisjoint(row)


def among(identifiers: Collection[str]) -> Callable[[Rows], Rows]:
    """Picks rows by their identifiers, whatever their case."""
    folded = {identifier.strip().casefold() for identifier in identifiers}

    def picked(rows: Rows) -> Rows:
        return [row for row in rows if str(row.get("identifier", "")).strip().casefold() in folded]

    return picked


def by_export(bulk: Bulk, rows: int | None, calls: int) -> bool:
    """Whether to read by an export job what would take so many calls otherwise.

    Args:
        bulk: the feed's word on it.
        rows: to read; None where nobody knows, which speaks for pages.
        calls: that the other way takes.
    """
    if bulk.mode == "never" or not rows:
        return False
    if bulk.mode == "always":
        return True
    return rows >= bulk.from_records and job_calls(rows) < calls
