"""The file of one export job, read until it came whole: for whoever keeps something of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from armillary.api.models import Job
from armillary.backup.download import Download, StartAgain
from armillary.backup.jobs import ExportJobs, Links
from armillary.backup.link_client import LinkClient
from armillary.clock import Clock
from armillary.errors import TransferFailed

READINGS = 3
"""So often one file is read from its first byte (J08, J10)."""

Kept = TypeVar("Kept")


def read_export_file(
    jobs: ExportJobs,
    job: Job,
    keep: Callable[[Download], Kept],
    *,
    clock: Clock,
    stop: Callable[[], None],
    next_step: str,
) -> Kept:
    """Read the file of a job that has ended well.

    Args:
        jobs: gives fresh links.
        job: the job.
        keep: reads one pass over the file; called anew when the file has to be read from its
            first byte.
        clock: all waiting goes through it.
        stop: called often; raises to end the reading (a lost lease).
        next_step: what a person does when it never comes whole.

    Returns:
        What ``keep`` made of the one pass that came whole.

    Raises:
        TransferFailed: it never came whole.
        ExportDamaged: ``keep`` found that it is no rows, or not all of them.
    """
    links = Links(job.download_url, lambda: jobs.fresh_link(job.id), clock=clock)
    why = ""
    with LinkClient() as client:
        for _ in range(READINGS):
            try:
                return keep(Download(links.next, client, clock=clock, stop=stop))
            except StartAgain as error:
                why = str(error)
            except TransferFailed as error:
                raise TransferFailed(error.message, next_step=next_step) from None
    raise TransferFailed(
        f"The export of {job.resource_type} was read {READINGS} times from its first byte and "
        f"never came whole: {why.removesuffix('.')}.",
        next_step=next_step,
    )
