"""What is released for a run whose process has ended: its import, its uploads, its leases.

A run releases what it holds itself, where it is given the time. This is for the others, and as a
hook of their flows it is called in another process than they ran in (decision 0040).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import Logger, LoggerAdapter
from typing import Any, TypeAlias, TypeVar

from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.objects import State as RunState
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger

from armillary.backup.bucket import Bucket
from armillary.backup.journal import JOURNAL, read_journal
from armillary.errors import ApiError, ArmillaryError, Conflict
from armillary.runs.leftovers import give_back, still_held
from armillary.runs.store import RunStore
from armillary.runs.under_way import ImportNote, LeaseNote, UnderWay
from blocks import BackupStore, PtolemyWorkspace
from tasks.sync_run import open_runs

Log: TypeAlias = "Logger | LoggerAdapter[Logger]"

Kind = TypeVar("Kind", bound=Block)


def clean_up(flow: Flow[Any, Any], flow_run: FlowRun, state: RunState[Any]) -> None:
    """Release what a run had under way; for ``on_cancellation`` and ``on_crashed``.

    The import it waited for is cancelled, the uploads of its backup are ended, and its leases are
    given back, as long as they are its own. What was written stays: its plan and its journal tell
    the next run. A second call finds nothing more to do. Never raises.
    """
    del state
    log = flow_run_logger(flow_run, flow)
    with _told(log, "what this run had under way"):
        _release(open_runs(), flow_run, log)


def _release(store: RunStore, flow_run: FlowRun, log: Log) -> None:
    under_way = UnderWay(store, f"run {flow_run.id}")
    notes = under_way.notes()
    if not notes:
        log.info("Nothing of this run was left to release")
    leases = [note for note in notes if isinstance(note, LeaseNote)]
    for job in notes:
        if isinstance(job, ImportNote):
            with _told(log, f"the import of {job.resource_type} (job {job.job_id})"):
                if _cancelled(job, flow_run, log):
                    under_way.end(job)
    # Leases go last: until then nobody else is at the folder of the backup.
    if any(note.key.endswith("/backup.json") and still_held(store, note) for note in leases):
        with _told(log, "the uploads of this run"):
            for block in _blocks(flow_run.parameters, BackupStore):
                _end_uploads(block.open(), str(flow_run.id), log)
    for lease in leases:
        with _told(log, f"the lease on {lease.subject}"):
            if give_back(store, lease, datetime.now(UTC)):
                log.info("Gave back the lease on %s", lease.subject)
            under_way.end(lease)


@contextmanager
def _told(log: Log, what: str) -> Iterator[None]:
    """What cannot be released is told, and keeps nothing else from being released."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the other hooks still have their turn
        # Only our own errors are sure to hold no secret.
        why = str(error) if isinstance(error, ArmillaryError) else f"{type(error).__name__}."
        log.warning("Not released: %s. %s A lease ends by itself.", what, why)


def _cancelled(job: ImportNote, flow_run: FlowRun, log: Log) -> bool:
    """Ask for the import to stop; whether it has been asked, or has ended by itself."""
    why = "No block of this run opens that workspace."
    for block in _blocks(flow_run.parameters, PtolemyWorkspace):
        try:
            with block.connect() as ptolemy:
                if ptolemy.workspace().id != job.workspace_id:
                    continue
                ptolemy.imports.cancel(job.job_id)
        except Conflict:
            log.info("The import of %s (job %s) had ended", job.resource_type, job.job_id)
            return True
        except ApiError as error:
            why = str(error)
            continue
        log.info("Cancelled the import of %s (job %s)", job.resource_type, job.job_id)
        return True
    log.warning(
        "The import of %s (job %s) could not be cancelled: cancel it in Ptolemy or let it end, the "
        "next run that imports into that workspace waits for it. %s",
        job.resource_type,
        job.job_id,
        why,
    )
    return False


def _end_uploads(bucket: Bucket, run_id: str, log: Log) -> None:
    """End the uploads below the folders whose journal names this run as their owner."""
    owners: dict[str, str] = {}
    for upload in bucket.unfinished_uploads(""):
        folder = upload.key.rpartition("/")[0]
        if folder not in owners:
            owners[folder] = _owner(bucket, folder)
        if owners[folder] == run_id:
            bucket.abort(upload)
            log.info("Ended the upload of %s", upload.key)


def _owner(bucket: Bucket, folder: str) -> str:
    """Whose folder it is; blank where nobody can tell: it is not ours to touch then."""
    try:
        content = bucket.read(f"{folder}/{JOURNAL}")
        journal = read_journal(content) if content else None
    except ArmillaryError:
        return ""
    return journal.run_id if journal else ""


def _blocks(parameters: Mapping[str, Any], kind: type[Kind]) -> Iterator[Kind]:
    """The blocks of a kind among the parameters, which may be references to stored ones."""
    for value in parameters.values():
        found = value
        if isinstance(value, dict) and "$ref" in value:
            try:
                found = Block.load_from_ref(value["$ref"], _sync=True)  # type: ignore[call-arg]
            except Exception:  # noqa: BLE001, S112 - one that is gone must not hide the others
                continue
        if isinstance(found, kind):
            yield found
