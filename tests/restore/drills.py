"""A restore drill step by step without Prefect, and without waiting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.backup.job_runner import Patience
from armillary.restore.drill import Drill, Drilled
from armillary.restore.means import Means
from armillary.restore.sample import Sample
from simulator import Simulator
from tests.api.clocks import TodaysClock
from tests.sync.chain import open_client


def drill(
    sim: Simulator,
    bucket: Bucket,
    sample: Sample = 5,
    *,
    pattern: str = "*scratch*",
    between: Callable[[str], None] = lambda step: None,
) -> Drilled:
    """The steps of a drill, one after another."""
    clock = TodaysClock()
    with (
        open_client(sim, clock=clock, workspace="scratch") as ptolemy,
        tempfile.TemporaryDirectory() as folder,
    ):
        patience = Patience(deadline_seconds=600)
        means = Means(ptolemy, bucket, Path(folder), patience, in_flight=4, clock=clock)
        found = Catalogue(bucket, "demo").get("latest")
        run = Drill(means, found, ptolemy.workspace(), sample=sample, pattern=pattern)
        run.fence()
        run.prepare()
        run.restore()
        between("clear")
        return run.drilled(run.clear())
