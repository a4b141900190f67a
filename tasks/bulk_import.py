"""Creates and updates by import jobs, read back, and mended one by one.

Each job is a task run; it runs in the flow's own thread, so that whoever cancels the run has the
job cancelled, too. What the workspace holds afterwards decides, not what a job says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import polars as pl
from prefect.logging import get_run_logger

from armillary.backup.job_runner import Patience
from armillary.errors import RunStopped
from armillary.restore.importing import ImportJobs
from armillary.restore.split import Part
from armillary.runs.lease import Lease
from armillary.settings import Settings
from armillary.sync.bulk.back import Back
from armillary.sync.bulk.bringing import Bringing
from armillary.sync.bulk.exported import Exports
from armillary.sync.bulk.imports import BulkImports
from armillary.sync.bulk.route import Route
from armillary.sync.bulk.sent import Sent
from armillary.sync.bulk.steps import OneByOne, Writing
from armillary.sync.bulk.trial import Trial, Witness
from armillary.sync.ground import Ground
from armillary.sync.judged import JudgedPlan
from armillary.sync.outcome import Outcome
from blocks.ptolemy import PtolemyWorkspace
from tasks.boundary import may_pass, step

REPEATED: Final[dict[str, Any]] = {
    "retries": 2,
    "retry_delay_seconds": 30,
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": may_pass,
}
"""For what only reads: a fault that lasts longer than a request is tried."""


class Checked(Writing, Protocol):
    """The plan being applied (``tasks.apply_changes.Applying``)."""

    def may_write(self) -> bool:
        """Whether the next write may start."""
        ...

    def short(self) -> str:
        """Why no further call may be spent; blank if one may."""
        ...


class BulkRun:
    """What the imports of one run need."""

    def __init__(
        self,
        workspace: PtolemyWorkspace,
        ground: Ground,
        route: Route,
        *,
        run_id: str,
        lease: Lease,
    ) -> None:
        self.route = route
        self._workspace = workspace
        self._ground = ground
        self._run_id = run_id
        self._lease = lease

    @classmethod
    def of(
        cls,
        workspace: PtolemyWorkspace,
        ground: Ground,
        judged: JudgedPlan,
        *,
        run_id: str,
        lease: Lease,
    ) -> BulkRun | None:
        """For a plan that goes in bulk; None for one that does not."""
        if judged.route is None or not judged.route.in_bulk:
            return None
        return cls(workspace, ground, judged.route, run_id=run_id, lease=lease)

    @contextmanager
    def imports(self, applying: Checked) -> Iterator[BulkImports]:
        """The steps, with a folder that is gone afterwards."""

        def go_on() -> None:
            if applying.breaker.stopped:
                raise RunStopped(applying.breaker.stopped)
            self._lease.check()

        def may_send() -> None:
            if not applying.may_write():
                raise RunStopped(applying.breaker.stopped)

        settings = Settings()
        first, deadline = settings.poll_seconds, settings.job_seconds
        with (
            TemporaryDirectory(prefix="armillary-sync-") as name,
            self._workspace.connect() as ptolemy,
        ):
            folder = Path(name)
            jobs = ImportJobs(
                ptolemy.imports,
                Patience(first_poll_seconds=first, deadline_seconds=deadline),
                go_on=go_on,
                folder=folder,
                run_id=self._run_id,
                workspace_id=self._ground.workspace_id,
                under_way=self._lease.under_way,
                whose="sync",
            )
            yield BulkImports(
                ptolemy,
                self._ground,
                jobs,
                Exports(first, deadline, go_on),
                folder=folder,
                may_send=may_send,
            )


def bring_in_bulk(
    bulk: BulkRun, applying: Checked, carried: pl.DataFrame, one_by_one: OneByOne
) -> list[Outcome]:
    """Bring creates and updates in by imports; each has exactly one outcome.

    Args:
        bulk: what imports need.
        applying: the plan being applied.
        carried: the changes that imports can carry (``route.split``).
        one_by_one: writes what imports did not bring about.
    """
    with bulk.imports(applying) as imports:
        bringing = Bringing(
            _AsTasks(imports),
            applying,
            one_by_one,
            most_repairs=bulk.route.most_repairs,
            most_calls=bulk.route.most_calls,
        )
        outcomes = bringing.bring(carried)
    if not applying.breaker.stopped and (short := applying.short()):
        applying.notes.append(f"Waiting for jobs took more calls than was thought: {short}")
    return outcomes


class _AsTasks:
    """The steps of imports, each as a task run of this thread."""

    def __init__(self, imports: BulkImports) -> None:
        self._imports = imports
        self.files = imports.files
        self.witness = imports.witness
        self.recorded = imports.recorded
        self.stands = imports.stands
        self.notes = imports.notes

    def ready(self) -> int:
        return wait_for_imports(self._imports)

    def look(self, carried: pl.DataFrame) -> Back:
        return look_first(self._imports, carried, label=f"{carried.height:,}")

    def try_update(self, updates: pl.DataFrame, witness: Witness, sent: Sent) -> Trial:
        label = witness.change.identifier
        return try_update(self._imports, updates, witness, sent, label=label)

    def send(self, part: Part, sent: Sent) -> None:
        label = f"{part.first_row + 1:,} to {part.first_row + part.rows:,}"
        import_file(self._imports, part, sent, label=label)

    def read_back(self, carried: pl.DataFrame) -> Back:
        return read_back(self._imports, carried, label=f"{carried.height:,}")


@step(name="wait", task_run_name="wait for imports under way", **REPEATED)
def wait_for_imports(imports: BulkImports) -> int:
    """Let imports end that another run left; how many there were."""
    count = imports.ready()
    if count:
        get_run_logger().info("Waited for %d imports that were under way", count)
    return count


@step(name="look first", task_run_name="look at {label} records first", **REPEATED)
def look_first(imports: BulkImports, carried: pl.DataFrame, *, label: str) -> Back:
    """Read what the workspace holds of the changes before they are sent."""
    del label  # names the task run
    return imports.look(carried)


@step(name="try an import", task_run_name="try an import of {label}")
def try_update(
    imports: BulkImports, updates: pl.DataFrame, witness: Witness, sent: Sent, *, label: str
) -> Trial:
    """Import one update alone, and look closely what became of the record."""
    del label
    return imports.try_update(updates, witness, sent)


@step(name="import", task_run_name="import records {label}")
def import_file(imports: BulkImports, part: Part, sent: Sent, *, label: str) -> None:
    """Import one file and wait for its job."""
    del label
    imports.send(part, sent)


@step(name="read back", task_run_name="read {label} records back", **REPEATED)
def read_back(imports: BulkImports, carried: pl.DataFrame, *, label: str) -> Back:
    """Read what the workspace holds now of the changes that were sent."""
    del label
    return imports.read_back(carried)
