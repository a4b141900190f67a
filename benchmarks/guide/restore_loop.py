"""The restore guide's loop: import a backup's files one after the other, parents first.

    python -m benchmarks.guide.restore_loop --url URL --workspace SLUG --token TOKEN FOLDER

As in the guide, the files go up unchanged, a row that is refused is counted and left behind, and
nothing is read back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.guide.connection import (
    RESOURCE_TYPES,
    UNFINISHED,
    argument_parser,
    connect_as_asked,
)

POLL_SECONDS = 5.0


class Rows(NamedTuple):
    """What the server says it did with the rows of one file."""

    imported: int
    failed: int


@dataclass
class RestoreCounts:
    """What a restore did."""

    submitted: int = 0
    polls: int = 0
    rows: dict[str, Rows] = field(default_factory=dict)
    """By resource type."""

    @property
    def calls(self) -> int:
        """All API calls of the restore."""
        return self.submitted + self.polls


def restore(
    client: httpx.Client, folder: Path, *, poll_seconds: float = POLL_SECONDS
) -> RestoreCounts:
    """Import the six files of a backup; prints a line for each.

    Raises:
        httpx.HTTPError: A job could not be submitted or asked for.
        FileNotFoundError: The backup lacks a file.
    """
    counts = RestoreCounts()
    for resource_type in RESOURCE_TYPES:
        job = _submit(client, resource_type, folder / f"{resource_type}.json")
        counts.submitted += 1
        job_path = f"/imports/{job['id']}"
        while True:
            job = client.get(job_path).raise_for_status().json()
            counts.polls += 1
            if job["status"] not in UNFINISHED:
                break
            time.sleep(poll_seconds)
        rows = counts.rows[resource_type] = Rows(job["rows_imported"], job["rows_failed"])
        print(f"{resource_type}: {rows.imported} imported, {rows.failed} failed")
    return counts


def _submit(client: httpx.Client, resource_type: str, path: Path) -> dict[str, Any]:
    form = {"resource_type": resource_type, "on_error": "continue"}
    with path.open("rb") as file:
        answer = client.post(
            "/imports", files={"file": (path.name, file, "application/json")}, data=form
        )
    job: dict[str, Any] = answer.raise_for_status().json()
    return job


def main(argv: Sequence[str] | None = None) -> None:
    """Restore a backup into a workspace."""
    parser = argument_parser(__doc__ and __doc__.partition("\n")[0])
    parser.add_argument("--poll-seconds", type=float, default=POLL_SECONDS)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    arguments = parser.parse_args(argv)
    with connect_as_asked(arguments) as client:
        counts = restore(client, arguments.folder, poll_seconds=arguments.poll_seconds)
    print(f"{counts.calls} calls")


if __name__ == "__main__":
    main()
