"""Are the stores ready: the bucket of the backups, what lies in it, and the run records?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue
from armillary.backup.listing import FRESH, age_words
from armillary.clock import Clock, SystemClock
from armillary.errors import ArmillaryError, ConfigurationError
from armillary.readiness.finding import Finding, Level, failed
from armillary.runs.store import RunStore

PROOF_DAYS = 40
"""A monthly drill that failed once, and the days until somebody has looked."""

LOOKED_THROUGH = 400
"""So many of the newest backups are asked for a proof: a year of nights."""


def check_store(bucket: Bucket, block: str = "") -> Finding:
    """Whether the backup store takes, gives and lists (``reliability.md`` S09 to S11).

    It is asked by writing, reading and removing a small page.
    """
    subject = block or "backup store"
    try:
        bucket.prove()
    except ArmillaryError as error:
        return failed(subject, error)
    return Finding(subject, Level.OK, f"{bucket.place} takes, gives and lists")


def check_backups(catalogue: Catalogue, clock: Clock | None = None) -> Iterator[Finding]:
    """How old the last complete backup of a workspace is, and the last proof of one.

    Args:
        catalogue: of the workspace.
        clock: tells the age of a proof.
    """
    good: Backup | None = None
    proven: Backup | None = None
    for number, entry in enumerate(catalogue.list()):
        if number == LOOKED_THROUGH or (good and proven):
            break
        if good is None and entry.full_and_complete and not entry.in_the_future:
            good = entry
        if proven is None and entry.proven:
            proven = entry
    yield _backup(catalogue.folder, good)
    if good:
        yield _proof(catalogue.folder, proven, clock or SystemClock())


def _backup(workspace: str, newest: Backup | None) -> Finding:
    subject = f"last backup of {workspace}"
    if newest is None:
        return Finding(
            subject,
            Level.WARNING,
            "there is no complete backup of everything yet",
            "Start backup-workspace/backup-by-hand, or wait for the night.",
        )
    found = f"{newest.backup_id}, {age_words(newest.age)} old"
    if newest.age <= FRESH:
        return Finding(subject, Level.OK, found)
    return Finding(
        subject,
        Level.FAILED,
        f"{found}: last night's is missing",
        "Look at the last run of backup-workspace/backup-nightly, and start "
        "backup-workspace/backup-by-hand.",
    )


def _proof(workspace: str, proven: Backup | None, clock: Clock) -> Finding:
    subject = f"last proof of {workspace}"
    todo = "Start a drill: verify-backup, with depth restore and a scratch workspace."
    if proven is None or proven.proven is None:
        return Finding(subject, Level.WARNING, "no backup was ever proven by a restore", todo)
    age = clock.now() - proven.proven.verified_at
    found = f"{proven.backup_id} was restored and compared {age_words(age)} ago"
    if age <= timedelta(days=PROOF_DAYS):
        return Finding(subject, Level.OK, found)
    return Finding(subject, Level.WARNING, f"{found}, more than {PROOF_DAYS} days", todo)


def check_runs(store: RunStore) -> Finding:
    """Whether run records can be written and read, and whether other workers see them."""
    try:
        store.write("check", b"ok")
        if store.read("check") != b"ok":
            raise ConfigurationError(f"{store.place} does not return what was written to it.")
    except ArmillaryError as error:
        return failed("run records", error)
    if store.place.startswith("s3://"):
        return Finding("run records", Level.OK, f"{store.place}, shared by all workers")
    return Finding(
        "run records",
        Level.WARNING,
        f"{store.place} belongs to this machine alone",
        "For workers in containers or on several machines set ARMILLARY_RUNS to s3://bucket/prefix.",
    )
