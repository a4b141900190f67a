"""A restore step by step without Prefect, and without waiting: what it decides, in milliseconds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.job_runner import Patience
from armillary.errors import ArmillaryError, PlanRefused
from armillary.restore.begun import BegunRestore
from armillary.restore.concluding import applied, planned
from armillary.restore.failed_rows import write_failed_rows
from armillary.restore.judging import judge
from armillary.restore.means import Means
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.outcome import OnExisting, RestoreResult
from armillary.restore.restoring import Asked, Restoring
from armillary.restore.selection import Selection
from armillary.runs.record import RunRecord
from armillary.runs.store import open_store
from armillary.settings import Settings
from simulator import Simulator
from tests.api.clocks import TodaysClock
from tests.sync.chain import open_client


@dataclass(frozen=True)
class Restored:
    """What came of it."""

    result: RestoreResult
    restoring: Restoring
    calls: int

    def counts(self, name: str) -> dict[str, int]:
        """``imported``, ``failed`` … of types that have any."""
        told = {kind.resource_type: getattr(kind, name) for kind in self.result.types}
        return {kind: count for kind, count in told.items() if count}


def restore(
    sim: Simulator,
    bucket: Bucket,
    *,
    mode: str = "apply",
    resource_types: Sequence[str] | None = None,
    identifiers: Sequence[str] | None = None,
    on_existing: OnExisting | None = None,
    allow_source: bool = False,
    backup: str = "latest",
    job_seconds: float = 7200.0,
    run_id: str = "run",
    without: frozenset[str] = frozenset(),
    most_part_bytes: int | None = None,
    go_on: Callable[[], None] = lambda: None,
    between: Callable[[str], None] = lambda step: None,
) -> Restored:
    """The steps of ``flows/restore_workspace.py``, one after another.

    ``between`` is called with the name of each step before it; tests change the world there.
    """
    selection = Selection.of(resource_types, identifiers)
    asked = Asked(selection, on_existing, allow_source, without)
    asked = replace(asked, most_part_bytes=most_part_bytes or asked.most_part_bytes)
    clock = TodaysClock()
    with open_client(sim, clock=clock) as ptolemy, tempfile.TemporaryDirectory() as folder:
        means = Means(
            ptolemy,
            bucket,
            Path(folder),
            Patience(deadline_seconds=job_seconds),
            in_flight=4,
            go_on=go_on,
            clock=clock,
        )
        found = Catalogue(bucket, "demo").get(backup)
        into = ptolemy.workspace()
        restoring = Restoring(means, found, into, asked, run_id)
        runs = open_store(Settings().runs, endpoint_url=None)
        noted = BegunRestore(runs, into.id, restoring.manifest.sha256, selection)
        if mode == "apply":
            restoring.wait_for_others()
        between("survey")
        restoring.survey(noted)
        for kind in RESTORE_ORDER:
            if restoring.concerns(kind):
                between(f"compare {kind}")
                restoring.look(kind)
        judged = judge(restoring)
        if mode == "plan":
            return Restored(planned(restoring, judged), restoring, ptolemy.meter.used)
        if judged.speaks_against:
            restoring.refuse(judged.speaks_against)
        _write(restoring, between)
        result = applied(restoring, judged)
        write_failed_rows(restoring, RunRecord(runs, into.id, run_id))
        if not any(entry.failed for entry in result.types):
            restoring.end()
        return Restored(result, restoring, ptolemy.meter.used)


def _write(restoring: Restoring, between: Callable[[str], None]) -> None:
    between("begin")
    restoring.begin()
    for kind in restoring.kinds:
        between(f"import {kind}")
        restoring.bring(kind)
    for kind in reversed(restoring.kinds):
        if restoring.archives(kind):
            between(f"archive {kind}")
            restoring.archive_again(kind)


def refusal(sim: Simulator, bucket: Bucket, **asked: Any) -> str:
    """What a restore says that does not import anything."""
    try:
        restore(sim, bucket, **asked)
    except (PlanRefused, ArmillaryError) as error:
        return str(error)
    raise AssertionError("it was not refused")
