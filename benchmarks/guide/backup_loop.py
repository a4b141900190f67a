"""The backup guide's loop: export the six resource types, wait for all, save the files.

    python -m benchmarks.guide.backup_loop --url URL --workspace SLUG --token TOKEN FOLDER

As in the guide, every job is asked again in every round, the ones that are done included.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.guide.connection import (
    RESOURCE_TYPES,
    TIMEOUT_SECONDS,
    UNFINISHED,
    argument_parser,
    connect_as_asked,
)

POLL_SECONDS = 10.0


@dataclass
class BackupCounts:
    """What a backup did."""

    submitted: int = 0
    polls: int = 0
    files: list[Path] = field(default_factory=list)
    """One for each export that completed; a download is no API call."""
    lost: list[str] = field(default_factory=list)
    """Resource types whose export did not complete."""

    @property
    def calls(self) -> int:
        """All API calls of the backup."""
        return self.submitted + self.polls


def back_up(
    client: httpx.Client, folder: Path, *, poll_seconds: float = POLL_SECONDS
) -> BackupCounts:
    """Write ``RESOURCE_TYPE.json`` for each resource type into a folder that exists.

    Raises:
        httpx.HTTPError: A job could not be submitted or asked for.
        RuntimeError: A file could not be downloaded.
    """
    counts = BackupCounts()
    jobs = [_submit(client, resource_type) for resource_type in RESOURCE_TYPES]
    counts.submitted = len(jobs)
    while any(job["status"] in UNFINISHED for job in jobs):
        time.sleep(poll_seconds)
        jobs = [client.get(f"/exports/{job['id']}").raise_for_status().json() for job in jobs]
        counts.polls += len(jobs)
    # The link is the credential: the store refuses a request that carries the token as well.
    with httpx.Client(timeout=TIMEOUT_SECONDS) as downloads:
        for job in jobs:
            if job["status"] != "completed":
                counts.lost.append(job["resource_type"])
                continue
            counts.files.append(_save(downloads, job, folder))
    return counts


def _submit(client: httpx.Client, resource_type: str) -> dict[str, Any]:
    body = {"resource_type": resource_type, "format": "json", "include_archived": True}
    job: dict[str, Any] = client.post("/exports", json=body).raise_for_status().json()
    return job


def _save(downloads: httpx.Client, job: dict[str, Any], folder: Path) -> Path:
    answer = downloads.get(job["download_url"])
    if not answer.is_success:
        # Not raise_for_status: its message shows the whole signed link.
        message = f"{job['resource_type']}: the download answered {answer.status_code}"
        raise RuntimeError(f"{message}; this backup is incomplete, run it again")
    path = folder / f"{job['resource_type']}.json"
    path.write_bytes(answer.content)
    return path


def main(argv: Sequence[str] | None = None) -> None:
    """Back a workspace up and say what was written."""
    parser = argument_parser(__doc__ and __doc__.partition("\n")[0])
    parser.add_argument("--poll-seconds", type=float, default=POLL_SECONDS)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    arguments = parser.parse_args(argv)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with connect_as_asked(arguments) as client:
        counts = back_up(client, arguments.folder, poll_seconds=arguments.poll_seconds)
    for path in counts.files:
        print(f"{path}: {path.stat().st_size} bytes")
    for resource_type in counts.lost:
        print(f"{resource_type}: the export did not complete, nothing was written")
    print(f"{counts.calls} calls")


if __name__ == "__main__":
    main()
