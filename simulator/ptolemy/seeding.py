"""Loading many records at once: no requests, no events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from simulator.exchange import Refusal
from simulator.ptolemy.jobs import RESOURCES
from simulator.ptolemy.workspace import Workspace
from simulator.ptolemy.writing import WritableCollection


def seed(workspace: Workspace, body: Mapping[str, Any]) -> dict[str, int]:
    """Load ``{"instruments": [...], "market_listings": [...]}`` in the order given.

    Rows are create bodies; a row may also hold ``archived`` (true or false) and ``id``.
    """
    counts = {}
    for name, rows in body.items():
        collection = workspace.collections.get(RESOURCES.get(name, ""))
        if not isinstance(collection, WritableCollection):
            raise Refusal(422, f"seed knows {', '.join(RESOURCES)}, not {name!r}")
        counts[name] = seed_rows(collection, rows)
    return counts


def seed_rows(collection: WritableCollection[Any], rows: Iterable[Mapping[str, Any]]) -> int:
    """Load rows into a collection, judged as single writes are; the number of them."""
    workspace = collection.workspace
    now = workspace.clock.now()
    count = 0
    for row in rows:
        body = {key: value for key, value in row.items() if key not in ("archived", "id")}
        unknown = body.keys() - collection.fields
        if unknown:
            raise Refusal(422, f"seed row {count + 1}: unknown key {min(unknown)!r}")
        record = collection.make(body)
        workspace.take_items(collection.item_count(record))
        collection.table.add(record, now, record_id=row.get("id"))
        collection.after_create(record, "seed")
        if row.get("archived"):
            collection.table.archive(record, now)
            collection.after_archive(record)
        count += 1
    return count
