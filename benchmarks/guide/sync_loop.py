"""The sync guide's loop: read everything, create or patch, archive what is gone.

    python -m benchmarks.guide.sync_loop --url URL --workspace SLUG --token TOKEN FILE.csv

FILE.csv has the columns ``identifier`` and ``name``; every other column is a field. As in the
guide, one request follows the other, nothing is tried twice, a record is addressed by its
identifier, values are compared as text, and a PATCH carries field values only.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import httpx

from benchmarks.guide.connection import argument_parser, connect_as_asked

PAGE_LIMIT = 500

logger = logging.getLogger(__name__)


class Record(TypedDict):
    """One row of the source."""

    identifier: str
    name: str
    fields: dict[str, str]


@dataclass
class SyncCounts:
    """What a sync did; every number is a number of API calls."""

    read: int = 0
    created: int = 0
    patched: int = 0
    archived: int = 0
    failed: int = 0

    @property
    def calls(self) -> int:
        """All API calls of the sync."""
        return self.read + self.created + self.patched + self.archived + self.failed


def read_records(path: Path) -> list[Record]:
    """The rows of a CSV file; a blank cell is no value at all."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Record(
                identifier=row.pop("identifier"),
                name=row.pop("name"),
                fields={key: value for key, value in row.items() if value},
            )
            for row in csv.DictReader(file)
        ]


def all_instruments(
    client: httpx.Client, type_id: str, counts: SyncCounts
) -> dict[str, dict[str, Any]]:
    """Every instrument of a type by identifier, page after page.

    Raises:
        httpx.HTTPError: A page could not be read.
    """
    found: dict[str, dict[str, Any]] = {}
    body: dict[str, Any] = {"type_id": type_id, "limit": PAGE_LIMIT}
    while True:
        answer = client.post("/instruments/filter", json=body)
        counts.read += 1
        page = answer.raise_for_status().json()
        for instrument in page["data"]:
            found[instrument["identifier"]] = instrument
        if not page["meta"]["has_more"]:
            return found
        body["after"] = page["meta"]["next_cursor"]


def has_changed(existing: Mapping[str, Any], record: Record) -> bool:
    """Whether a field of the source reads differently in the workspace."""
    snapshot = existing["extra_fields_snapshot"]
    return any(snapshot.get(key) != value for key, value in record["fields"].items())


def sync(client: httpx.Client, records: Iterable[Record], type_id: str = "equity") -> SyncCounts:
    """Bring the records into the workspace; a refused one is logged and left behind.

    Args:
        client: Bound to the workspace.
        records: The whole source: what is missing here is archived there.
        type_id: The instrument type, for the reading and for new instruments.

    Raises:
        httpx.HTTPError: The workspace could not be read; nothing was written.
    """
    counts = SyncCounts()
    existing = all_instruments(client, type_id, counts)
    seen = set()
    for record in records:
        seen.add(record["identifier"])
        held = existing.get(record["identifier"])
        if held is None:
            counts.created += _create(client, record, type_id, counts)
        elif has_changed(held, record):
            body = {"field_values": record["fields"]}
            path = f"/instruments/{record['identifier']}"
            counts.patched += _send(client, "PATCH", path, body, counts)
    for identifier, held in existing.items():
        if identifier not in seen and held["archived_at"] is None:
            counts.archived += _send(client, "DELETE", f"/instruments/{identifier}", None, counts)
    return counts


def _create(client: httpx.Client, record: Record, type_id: str, counts: SyncCounts) -> bool:
    body = {
        "name": record["name"],
        "identifier": record["identifier"],
        "type_id": type_id,
        "field_values": record["fields"],
    }
    return _send(client, "POST", "/instruments", body, counts)


def _send(
    client: httpx.Client, method: str, path: str, body: dict[str, Any] | None, counts: SyncCounts
) -> bool:
    try:
        client.request(method, path, json=body).raise_for_status()
    except httpx.HTTPError as error:
        counts.failed += 1
        name = body["identifier"] if body and "identifier" in body else ""
        logger.warning("%s %s %s failed, the sync goes on: %s", method, path, name, error)
        return False
    return True


def main(argv: Sequence[str] | None = None) -> None:
    """Sync a CSV file and say what was done."""
    parser = argument_parser(__doc__ and __doc__.partition("\n")[0])
    parser.add_argument("--type", default="equity", help="instrument type (default: equity)")
    parser.add_argument("file", type=Path, metavar="FILE.csv")
    arguments = parser.parse_args(argv)
    with connect_as_asked(arguments) as client:
        counts = sync(client, read_records(arguments.file), arguments.type)
    print(
        f"{counts.created} created, {counts.patched} patched, {counts.archived} archived, "
        f"{counts.failed} failed, {counts.calls} calls"
    )


if __name__ == "__main__":
    main()
