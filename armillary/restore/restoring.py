"""One restore: what a flow calls step by step, and what the steps share.

    survey       the backup's schemas, the workspace's, and whether an interrupted run began this
    look         read one type on both sides and compare
    judge        what a person must create, what else speaks against it, what it costs
    begin        note what was absent, before the first import
    bring        import one type, look, mend
    archive      archive again what the backup has archived, children first
    result       what came of it

Reading is all of it that a plan does. Steps come one after another: a child may only be read when
its parents are known, and only be imported when they are there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import polars as pl

from armillary.api.models import Workspace
from armillary.api.ptolemy import Ptolemy
from armillary.backup.catalogue import Backup
from armillary.backup.jobs import ExportJobs
from armillary.backup.manifest import Manifest
from armillary.backup.resources import CHILDREN
from armillary.backup.schemas import Schemas, read_schemas
from armillary.errors import NotFound, PlanRefused
from armillary.restore.begun import Begun, BegunRestore
from armillary.restore.bringing import Bringing, Brought
from armillary.restore.importing import ImportJobs
from armillary.restore.looking import Looked, differences
from armillary.restore.means import Means
from armillary.restore.order import IDENTIFIER_COLUMN
from armillary.restore.outcome import Difference, OnExisting
from armillary.restore.selection import Selection
from armillary.restore.side import Read, Side
from armillary.restore.split import MOST_BYTES
from armillary.restore.stored_backup import StoredBackup
from armillary.restore.target import Target
from armillary.restore.target_rows import TargetRows
from armillary.restore.types import TypeNames
from armillary.restore.windows import Row

MOST_DIFFERING = 10_000
"""Rows of one type whose differences the run record lists."""


@dataclass(frozen=True)
class Asked:
    """What a restore is asked for.

    Attributes:
        selection: of the rows.
        on_existing: what becomes of rows that are there and differ; None: not chosen.
        allow_source: whether the workspace that the backup is of may be written.
        without: UUIDs of rows of the workspace that count as not there (a restore drill).
        empty: types of which the workspace is known to hold nothing.
        most_part_bytes: of one import file.
    """

    selection: Selection
    on_existing: OnExisting | None = None
    allow_source: bool = False
    without: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    most_part_bytes: int = MOST_BYTES


@dataclass
class Cost:
    """What one type took."""

    calls: int = 0
    seconds: float = 0.0


@dataclass
class _Sides:
    source: Side
    target: Side


class Restoring:
    """One restore under way."""

    def __init__(
        self, means: Means, backup: Backup, workspace: Workspace, asked: Asked, run_id: str = ""
    ) -> None:
        """Nothing is read yet.

        Raises:
            ManifestDamaged: the manifest of the backup cannot be believed.
        """
        self.means = means
        self.stored = StoredBackup(means.bucket, backup)
        self.manifest: Manifest = self.stored.manifest
        self.workspace = workspace
        self.asked = asked
        self.run_id = run_id
        self.files = self.stored.files
        chosen = asked.selection.resource_types
        self.kinds = tuple(kind for kind in chosen if kind in self.files)
        self.looked: dict[str, Looked] = {}
        self.brought: dict[str, Brought] = {kind: Brought() for kind in self.kinds}
        self.costs: dict[str, Cost] = {kind: Cost() for kind in self.kinds}
        self.unreachable: dict[str, str] = {}
        """Types that the API offers no way to write, and why."""
        self.held: list[str] = []
        """Types of which the workspace held rows at the beginning."""
        self.begun: Begun | None = None
        """Of the interrupted run that this one goes on with."""
        self.differing: dict[str, list[Difference]] = {}
        """By type, what differed at the beginning, of at most ``MOST_DIFFERING`` rows."""
        self._noted: BegunRestore | None = None
        self.schemas: tuple[Schemas, Schemas] | None = None
        self._sides: _Sides | None = None
        self._rows: dict[str, TargetRows] = {}
        self._target = Target(
            means.ptolemy,
            ExportJobs(means.ptolemy.exports, means.patience, clock=means.clock, go_on=means.go_on),
            means.folder,
            clock=means.clock,
            stop=means.go_on,
        )
        self._imports = ImportJobs(
            means.ptolemy.imports,
            means.patience,
            clock=means.clock,
            go_on=means.go_on,
            folder=means.folder,
            run_id=run_id,
            workspace_id=workspace.id,
            under_way=means.under_way,
        )

    @property
    def source(self) -> Side:
        """The backup."""
        return self._both.source

    @property
    def target(self) -> Side:
        """The workspace."""
        return self._both.target

    @property
    def _both(self) -> _Sides:
        if self._sides is None:
            raise RuntimeError("the sides are asked for before the survey")
        return self._sides

    @property
    def into_source(self) -> bool:
        """Whether the backup is of the very workspace that is restored into."""
        return self.manifest.workspace_id == self.workspace.id

    def survey(self, noted: BegunRestore | None = None) -> None:
        """Read what types there are on both sides.

        Args:
            noted: where an interrupted run may have left its notes.

        Raises:
            FileDamaged: ``schemas.json`` is not what the backup wrote.
            ApiError: the workspace cannot be read.
        """
        backed_up = self.stored.schemas()
        there = read_schemas(self.means.ptolemy)
        self.schemas = (backed_up, there)
        selection = self.asked.selection
        self._sides = _Sides(
            Side(TypeNames.of(backed_up), self.stored.batches, selection),
            Side(TypeNames.of(there), self._held_batches, selection, self.asked.without),
        )
        self._noted = noted
        self.begun = noted.unfinished(self.means.clock.now()) if noted else None

    def wait_for_others(self) -> int:
        """Let imports end that an interrupted run left under way; how many there were.

        Raises:
            JobOverdue: one of them does not end.
        """
        return self._imports.wait_for_others()

    def look(self, resource_type: str) -> None:
        """Read a type on both sides and compare; parents that are not chosen are only learned of.

        Raises:
            FileDamaged: the file of the backup is not what was written.
            ApiError, JobFailed: the workspace cannot be read.
        """
        wanted = self._read_backup(resource_type)
        if resource_type not in self.kinds:
            if self._is_needed(resource_type):
                self._read_target(resource_type, first=False)
            return
        with self._costing(resource_type):
            found = self._read_target(resource_type, first=True)
            absent = self._noted_absent(resource_type, wanted)
            looked = self.looked[resource_type] = Looked.at(wanted, found, absent)
            if looked.differs_now.any():
                self.differing[resource_type] = differences(
                    self.source, self.target, resource_type, looked, most=MOST_DIFFERING
                )

    def begin(self) -> None:
        """Note what was absent: from here on the workspace is written."""
        if self._noted is None or self.begun is not None:
            return
        now = self.means.clock.now()
        self._noted.begin(self.run_id, now, self.asked.on_existing)
        for kind, looked in self.looked.items():
            self._noted.note(kind, looked.began)
        self.begun = Begun(self.manifest.sha256, self.run_id, now, self.asked.on_existing)

    def bring(self, resource_type: str) -> None:
        """Import a type, look, mend.

        Raises:
            RunStopped, ApiError: what ends the whole restore.
        """
        if resource_type in self.unreachable:
            return
        with self._costing(resource_type):
            brought = self._bringing.bring(resource_type, self.looked[resource_type])
            self.brought[resource_type] = brought

    def archive_again(self, resource_type: str) -> int:
        """Archive what the backup has archived; how many were."""
        if resource_type in self.unreachable:
            return 0
        with self._costing(resource_type):
            return self._bringing.archive_again(
                resource_type, self.looked[resource_type], self.brought[resource_type]
            )

    def end(self) -> None:
        """It has told what came of it: the next start begins anew."""
        if self._noted is not None and self.begun is not None:
            self._noted.end(self.begun)

    def refuse(self, reasons: Collection[str]) -> None:
        """End before anything is written.

        Raises:
            PlanRefused: always, with the reasons.
        """
        raise PlanRefused(" ".join(reasons), next_step="Nothing was imported.")

    @property
    def update(self) -> bool:
        """Whether rows that were there before are brought to the backup's content."""
        return self.on_existing == "update"

    @property
    def on_existing(self) -> OnExisting | None:
        """What this start was told, else what the one was told that it goes on with."""
        if self.asked.on_existing is not None or self.begun is None:
            return self.asked.on_existing
        return self.begun.on_existing

    def concerns(self, resource_type: str) -> bool:
        """Whether a type is restored, or is needed to know what its children belong to."""
        return resource_type in self.kinds or self._is_needed(resource_type)

    def archives(self, resource_type: str) -> bool:
        """Whether rows of a type may have to be archived again."""
        looked = self.looked[resource_type]
        return bool(looked.wanted.archived) and resource_type not in self.unreachable

    def wrong(self, resource_type: str, most: int) -> pl.Series:
        """The first rows of a type that this run may write and that are not as they should be."""
        wrong = (self.looked[resource_type].now.status != 0) & self.may_write(resource_type)
        return wrong & (wrong.cast(pl.UInt32).cum_sum() <= most)

    def may_write(self, resource_type: str) -> pl.Series:
        """For each wanted row of a type whether this run may write it."""
        return self._bringing.may(self.looked[resource_type])

    @property
    def _bringing(self) -> Bringing:
        return Bringing(
            self.means.ptolemy,
            self.source,
            self.target,
            self._imports,
            self._look_again,
            self.update,
            self.means.folder,
            self.means.in_flight,
            self.means.go_on,
            self.asked.most_part_bytes,
        )

    def _look_again(self, resource_type: str) -> None:
        self.looked[resource_type].again(self._read_held(resource_type))

    def look_with_ids(self, resource_type: str) -> None:
        """Look at a type of the workspace again, so that each of its rows can be addressed."""
        self.looked[resource_type].again(self._read_held(resource_type, ids=True))

    def _read_held(self, resource_type: str, *, ids: bool = False) -> Read:
        """Read a type of the workspace as it is now; the file of the last reading goes."""
        before = self._rows.pop(resource_type, None)
        if before is not None:
            before.discard()
        self._rows[resource_type] = self._target.read(resource_type, ids=ids)
        return self.target.read(resource_type)

    def _read_backup(self, resource_type: str) -> Read:
        if resource_type not in self.files:
            self.source.lacks(resource_type)
            return Read()
        if resource_type not in self.kinds and not self._is_needed(resource_type):
            self.source.lacks(resource_type)
            return Read()
        read = self.source.read(resource_type)
        for number, why in self.stored.unreadable[resource_type]:
            read.orphans += 1
            read.orphan_examples.append((f"row {number:,}", f"it cannot be read: {why}"))
        return read

    def _read_target(self, resource_type: str, *, first: bool) -> Read:
        try:
            holds = resource_type not in self.asked.empty and self._target.holds(resource_type)
        except NotFound as error:
            if resource_type in IDENTIFIER_COLUMN:
                raise
            self.unreachable[resource_type] = (
                f"Ptolemy offers no way to bring them back: {error.message}"
            )
            holds = False
        if holds and first:
            self.held.append(resource_type)
        if not holds:
            self.target.lacks(resource_type)
            return Read()
        return self._read_held(resource_type)

    def _is_needed(self, resource_type: str) -> bool:
        """Whether a chosen type refers to it, itself or by another."""
        return any(
            child in self.kinds or self._is_needed(child) for child in CHILDREN[resource_type]
        )

    def _noted_absent(self, resource_type: str, wanted: Read) -> pl.Series | None:
        if self._noted is None or self.begun is None:
            return None
        return self._noted.noted(resource_type, len(wanted.prints))

    def _held_batches(self, resource_type: str) -> Iterator[list[Row]]:
        yield from self._rows[resource_type].batches()

    def _costing(self, resource_type: str) -> _Costing:
        return _Costing(self.costs[resource_type], self.means.ptolemy)


class _Costing:
    """Counts the calls and the time of a block."""

    def __init__(self, cost: Cost, ptolemy: Ptolemy) -> None:
        self._cost, self._meter = cost, ptolemy.meter

    def __enter__(self) -> None:
        self._calls, self._began = self._meter.used, time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._cost.calls += self._meter.used - self._calls
        self._cost.seconds += time.monotonic() - self._began
