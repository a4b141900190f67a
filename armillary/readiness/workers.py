"""Is somebody there who runs flows, and does he leave his records where others find them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from armillary.backup.listing import age_words
from armillary.errors import ArmillaryError
from armillary.readiness.finding import Finding, Level, failed
from armillary.readiness.stores import check_runs
from armillary.runs.store import RunStore

PROCESSES = "process"
"""The type of a pool whose flow runs are processes of the worker's own machine."""

SAME_PLACE = (
    "Set ARMILLARY_RUNS to the same s3://bucket/prefix for every worker and every command: leases "
    "and what the next run has to know lie there."
)


@dataclass(frozen=True)
class Worker:
    """A worker of a pool; the server says whether it is online."""

    name: str
    online: bool
    heard_at: datetime | None


@dataclass(frozen=True)
class Pool:
    """A work pool and its workers."""

    name: str
    kind: str
    paused: bool
    workers: tuple[Worker, ...]

    @property
    def online(self) -> list[Worker]:
        """The workers that are there."""
        return [worker for worker in self.workers if worker.online]


@dataclass(frozen=True)
class WorkersRun:
    """A run that a worker made lately, and that left a record somewhere."""

    words: str
    """For people, as in ``sync vendor into demo of sync-instruments/sync-weekdays``."""
    key: str
    """Of its record, below the place of run records."""


def check_pool(name: str, pool: Pool | None, now: datetime) -> Finding:
    """Whether a work pool is there and a worker takes what it is given.

    Args:
        name: of the pool, as deployments name it.
        pool: as the server has it; None where it has none.
        now: the time of day.
    """
    subject = f"work pool {name}"
    start = f"Start one where the flows are installed: prefect worker start --pool '{name}'"
    if pool is None:
        return Finding(
            subject,
            Level.FAILED,
            "not on the server: its deployments can run nowhere",
            f"prefect work-pool create '{name}' --type process",
        )
    if pool.paused:
        return Finding(
            subject,
            Level.FAILED,
            f"of type {pool.kind}, and paused: no run starts",
            f"prefect work-pool resume '{name}'",
        )
    if pool.online:
        workers = ", ".join(f"{one.name} (heard of {_ago(one, now)})" for one in pool.online)
        return Finding(subject, Level.OK, f"of type {pool.kind}; online: {workers}")
    if not pool.workers:
        return Finding(subject, Level.FAILED, f"of type {pool.kind}, and never had a worker", start)
    last = max(pool.workers, key=lambda one: one.heard_at.timestamp() if one.heard_at else 0.0)
    return Finding(
        subject,
        Level.FAILED,
        f"of type {pool.kind}, and no worker is online; the last one, {last.name}, was heard of "
        f"{_ago(last, now)}",
        start,
    )


def _ago(worker: Worker, now: datetime) -> str:
    if worker.heard_at is None:
        return "never"
    return f"{age_words(max(now - worker.heard_at, timedelta(0)))} ago"


def check_shared_runs(
    store: RunStore, pools: Sequence[Pool], newest: WorkersRun | None = None
) -> Finding:
    """Whether workers leave their records where this machine looks for them.

    A worker's environment cannot be read; what its last run left can.

    Args:
        store: of this machine.
        pools: that deployments go to.
        newest: the last run that a worker made.
    """
    here = check_runs(store)
    if here.level is Level.FAILED:
        return here
    try:
        elsewhere = newest is not None and store.read(newest.key) is None
    except ArmillaryError as error:
        return failed(here.subject, error)
    against = _against(pools, newest, elsewhere=elsewhere, folder=here.level is not Level.OK)
    if against:
        return Finding(here.subject, Level.FAILED, f"{store.place} {against}", SAME_PLACE)
    seen = f"; the record of a worker's last run ({newest.words}) is there" if newest else ""
    return Finding(here.subject, here.level, here.found + seen, here.todo)


def _against(
    pools: Sequence[Pool], newest: WorkersRun | None, *, elsewhere: bool, folder: bool
) -> str:
    """Why the place is not everybody's; blank if nothing says so."""
    if newest is not None and elsewhere:
        return (
            f"lacks the record of a worker's last run ({newest.words}): its worker leaves them "
            "elsewhere"
        )
    apart = sorted(pool.name for pool in pools if pool.kind != PROCESSES)
    if folder and apart:
        return f"belongs to this machine alone, and pool {', '.join(apart)} runs flows elsewhere"
    online = [worker.name for pool in pools for worker in pool.online]
    if folder and len(online) > 1 and newest is None:
        return f"belongs to this machine alone, and several workers run: {', '.join(online)}"
    return ""
