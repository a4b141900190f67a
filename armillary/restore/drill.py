"""A restore drill: a part of a backup, or all of it, into a scratch workspace, compared, removed.

It proves what no hash can: that the rows go back in, and come out again the same. It writes into
a workspace that bears a name for this, holds no active row, and is not the one backed up.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from armillary.api.models import Workspace
from armillary.backup.catalogue import Backup
from armillary.backup.jobs import ExportJobs
from armillary.backup.manifest import Manifest
from armillary.errors import ConfigurationError, NotFound, PlanRefused
from armillary.restore.clearing import ERASABLE, Clearing, Left
from armillary.restore.concluding import applied
from armillary.restore.judging import judge
from armillary.restore.looking import differences
from armillary.restore.means import Means
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.outcome import Difference, RestoreResult
from armillary.restore.records import records_of
from armillary.restore.restoring import Asked, Restoring
from armillary.restore.sample import NOT_SAMPLED, Sample, choose
from armillary.restore.stored_backup import StoredBackup
from armillary.restore.target import Target

NEXT_STEP = "Nothing was written."


@dataclass(frozen=True)
class Drilled:
    """What a drill showed.

    Attributes:
        proven: every row went in, and came out as it is in the backup.
        sample: how many instruments were tried, or all.
        result: of the restore; its types have the measured time of recovery.
        differences: examples of what did not come out the same.
        left: what could not be removed from the scratch workspace.
        calls: of the drill, clearing included.
        verified_at: when it ended.
    """

    proven: bool
    sample: Sample
    result: RestoreResult
    differences: tuple[Difference, ...]
    left: Left
    calls: int
    verified_at: datetime

    @property
    def rows(self) -> int:
        """Rows that went in and came out the same."""
        return sum(kind.imported for kind in self.result.types)


class Drill:
    """One drill under way; its steps come in the order in which they stand here."""

    def __init__(
        self,
        means: Means,
        backup: Backup,
        scratch: Workspace,
        *,
        sample: Sample,
        pattern: str,
        run_id: str = "",
    ) -> None:
        """Nothing is read yet.

        Args:
            means: the client is that of the scratch workspace.
            backup: to be proven.
            scratch: the workspace restored into.
            sample: instruments, or all.
            pattern: the slug or name of a scratch workspace matches it, as in ``*scratch*``.
            run_id: of the run.

        Raises:
            ManifestDamaged: the manifest cannot be believed.
        """
        self._means = means
        self._backup = backup
        self._scratch = scratch
        self._sample = sample
        self._pattern = pattern
        self._run_id = run_id
        self._stored = StoredBackup(means.bucket, backup)
        self._before = means.ptolemy.meter.used
        self._restoring: Restoring | None = None
        self._shown: Drilled | None = None

    @property
    def restoring(self) -> Restoring:
        """The restore that the drill is."""
        if self._restoring is None:
            raise RuntimeError("asked for before the drill was prepared")
        return self._restoring

    @property
    def manifest(self) -> Manifest:
        """Of the backup."""
        return self._stored.manifest

    @property
    def rows_proven(self) -> int:
        """Rows that came out the same; 0 before the restore."""
        return self._shown.rows if self._shown else 0

    def fence(self) -> None:
        """Make sure that it is a workspace for this.

        Raises:
            ConfigurationError: its slug does not match, or it is the one that was backed up.
            PlanRefused: it holds active rows.
        """
        scratch, manifest = self._scratch, self._stored.manifest
        name = scratch.slug or scratch.id
        if scratch.id == manifest.workspace_id or scratch.slug == manifest.workspace_slug:
            raise ConfigurationError(
                f"The scratch workspace {name} is the one that backup {manifest.backup_id} is of.",
                next_step=f"{NEXT_STEP} Name a workspace that is for drills alone.",
            )
        if not fnmatch.fnmatchcase(name.lower(), self._pattern.lower()):
            raise ConfigurationError(
                f"A restore drill writes and removes, and workspace {name} is not named as one for "
                f"that ({self._pattern}).",
                next_step=f"{NEXT_STEP} Name another workspace, or the pattern in "
                "ARMILLARY_SCRATCH_PATTERN.",
            )
        # Everything else hangs on these. What hangs on removed ones is left by an earlier drill.
        active = [kind for kind in ERASABLE if self._holds_active(kind)]
        if active:
            raise PlanRefused(
                f"The scratch workspace {name} holds active {', '.join(active)}: a drill needs one "
                "that holds none, because it could not tell them from its own.",
                next_step=f"{NEXT_STEP} Archive or remove them, or name another workspace.",
            )

    def prepare(self) -> Restoring:
        """Choose the sample, and look what an earlier drill has left.

        Raises:
            FileDamaged: a file is not what the backup wrote.
        """
        selection = choose(self._stored, self._sample)
        left, empty = self._left_by_others()
        asked = Asked(selection, without=frozenset(left), empty=frozenset(empty))
        self._restoring = Restoring(self._means, self._backup, self._scratch, asked, self._run_id)
        return self._restoring

    def restore(self, each: Callable[[str, str], None] | None = None) -> RestoreResult:
        """Restore, and compare by reading it back.

        Args:
            each: carries out a step of a type, by its name and the type; by default at once.

        Raises:
            PlanRefused: types or fields are missing, or the quota is too small.
        """
        restoring, do = self.restoring, each or self.step
        restoring.wait_for_others()
        restoring.survey()
        for kind in RESTORE_ORDER:
            if restoring.concerns(kind):
                do("compare", kind)
        judged = judge(restoring)
        if judged.speaks_against:
            restoring.refuse(judged.speaks_against)
        for kind in restoring.kinds:
            do("import", kind)
        for kind in reversed(restoring.kinds):
            if restoring.archives(kind):
                do("archive", kind)
        result = applied(restoring, judged)
        self._shown = self._show(result)
        return result

    def step(self, name: str, resource_type: str) -> None:
        """Carry out one step of the restore."""
        steps = {
            "compare": self.restoring.look,
            "import": self.restoring.bring,
            "archive": self.restoring.archive_again,
        }
        steps[name](resource_type)

    def clear(self, *, broke_off: bool = False) -> Left:
        """Remove what the drill has made, as far as it goes; nothing before it was prepared.

        Args:
            broke_off: the restore did not come to its end: what it made has to be looked for.
        """
        if self._restoring is None:
            return Left()
        return Clearing(self._means, self.restoring, broke_off=broke_off).run()

    def drilled(self, left: Left) -> Drilled:
        """What it all shows.

        Args:
            left: what clearing has left; it changes nothing of what was shown.
        """
        shown = self._shown
        if shown is None:
            raise RuntimeError("asked for before the restore")
        used = self._means.ptolemy.meter.used - self._before
        result = replace(shown.result, calls=replace(shown.result.calls, used=used))
        return replace(shown, result=result, left=left, calls=used)

    def _show(self, result: RestoreResult) -> Drilled:
        """What the restore shows, before anything of it is cleared away."""
        restoring = self.restoring
        kinds = [kind for kind in restoring.kinds if kind not in restoring.unreachable]
        unlike = [
            found
            for kind in kinds
            for found in differences(
                restoring.source, restoring.target, kind, restoring.looked[kind], own=True
            )
        ]
        # Every chosen row, and none that the backup does not have.
        whole = all(
            kind.imported == kind.rows and not kind.extra
            for kind in result.types
            if kind.resource_type in kinds
        )
        return Drilled(
            proven=whole and not unlike and result.rows > 0,
            sample=self._sample,
            result=result,
            differences=tuple(unlike),
            left=Left(),
            calls=0,
            verified_at=self._means.clock.now(),
        )

    @property
    def notes(self) -> list[str]:
        """What the drill does not prove."""
        notes = []
        if self._sample != "all" and NOT_SAMPLED in self._stored.files:
            notes.append(
                f"{NOT_SAMPLED} hang on no instrument, so a sample holds none: drill with sample "
                "all to prove them."
            )
        return notes

    def _holds_active(self, resource_type: str) -> bool:
        """By active rows alone; a service that shows archived ones as well is asked on (D15)."""
        pages = records_of(self._means.ptolemy, resource_type).list_pages(limit=1)
        return any(row.get("archived_at") is None for page in pages for row in page.rows)

    def _left_by_others(self) -> tuple[set[str], set[str]]:
        """UUIDs of rows that lie in the scratch workspace from before, and types that have none."""
        means = self._means
        target = Target(
            means.ptolemy,
            ExportJobs(means.ptolemy.exports, means.patience, clock=means.clock, go_on=means.go_on),
            means.folder,
            clock=means.clock,
            stop=means.go_on,
        )
        found, empty = set[str](), set[str]()
        for kind in RESTORE_ORDER:
            try:
                held = target.holds(kind)
            except NotFound:
                continue
            if held:
                rows = target.read(kind, ids=True)
                found.update(row["id"] for batch in rows.batches() for row in batch)
                rows.discard()
            else:
                empty.add(kind)
        return found, empty
