"""Small feeds, workspaces and grounds, written the way a person thinks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.reading import FeedReading
from armillary.sync.canonical import DataType
from armillary.sync.existing import Existing
from armillary.sync.frames import InstrumentColumns
from armillary.sync.ground import Ground
from armillary.sync.matching import match
from armillary.sync.plan import REJECTS, Plan
from armillary.sync.planner import Remembered, make_plan
from armillary.sync.workspace import WorkspaceReading, relevant_types

TYPES = {
    "isin": DataType.TEXT,
    "exchange": DataType.TEXT,
    "lot_size": DataType.NUMBER,
    "listed_on": DataType.DATE,
}
Values = Mapping[str, str | None]


def ground(**changed: Any) -> Ground:
    facts: dict[str, Any] = {
        "workspace_id": "w-1",
        "workspace_slug": "desk",
        "type_id": "t-1",
        "type_identifier": "equity",
        "data_types": TYPES,
        "required_fields": frozenset(),
        "deliveries": {"create": 0, "update": 0, "archive": 0, "restore": 0},
    }
    return Ground(**(facts | changed))


def definition(**changed: Any) -> FileDefinition:
    facts: dict[str, Any] = {
        "name": "vendor",
        "url": "vendor.csv",
        "instrument_type": "equity",
        "identifier": "{id}",
        "name_template": "{name}",
        "fields": {"isin": "{isin}", "exchange": "{mic}", "lot_size": "{lot}"},
        "scope": {"exchange": ["xasx"]},
        "missing": "archive",
    }
    return FileDefinition.model_validate(facts | changed)


def instrument(identifier: str, **values: Any) -> dict[str, Any]:
    """A row as the API answers it; ``id``, ``name``, ``type``, ``archived`` are no field values."""
    archived = values.pop("archived", False)
    uuid = values.pop("id", f"uuid-{identifier}")
    type_id = values.pop("type", "t-1")
    name = values.pop("name", f"Name of {identifier}")
    return {
        "id": uuid,
        "identifier": identifier,
        "name": name,
        "type_id": type_id,
        "archived_at": "2026-01-01T00:00:00Z" if archived else None,
        "extra_fields_snapshot": {"exchange": "xasx"} | values,
    }


def frame(rows: Sequence[Mapping[str, Any]], feed: FileDefinition | None = None) -> pl.DataFrame:
    columns = InstrumentColumns(relevant_types(feed or definition(), ground()))
    columns.add(rows)
    return columns.frame()


def workspace(*rows: Mapping[str, Any], trusted: bool = True, doubt: str = "") -> WorkspaceReading:
    return WorkspaceReading(frame(rows).drop("archived"), trusted, doubt)


def record(identifier: str, **values: str | None) -> dict[str, str | None]:
    return {"identifier": identifier, "name": f"Name of {identifier}", "exchange": "xasx"} | values


def feed(
    *records: Values,
    rejects: Sequence[tuple[str | None, str]] = (),
    feed_definition: FileDefinition | None = None,
) -> FeedReading:
    keys = list((feed_definition or definition()).fields)
    rows = [
        {"row": number, "identifier": r["identifier"], "name": r.get("name")}
        | {f"field.{key}": r.get(key) for key in keys}
        for number, r in enumerate(records, start=2)
    ]
    schema: dict[str, Any] = {"row": pl.UInt32, "identifier": pl.String, "name": pl.String}
    schema |= {f"field.{key}": pl.String for key in keys}
    rejected = [
        {"row": 1000 + number, "identifier": identifier, "reason": reason, "cells": "{}"}
        for number, (identifier, reason) in enumerate(rejects)
    ]
    return FeedReading(
        records=pl.DataFrame(rows, schema=schema),
        rejects=pl.DataFrame(rejected, schema=REJECTS),
        rows_read=len(rows) + len(rejected),
        blank_rows=0,
        repeated_rows=0,
        warnings=(),
        source="vendor.csv",
        columns=("id", "name"),
    )


def plan(
    source: FeedReading,
    existing: WorkspaceReading,
    *,
    owners: Sequence[Mapping[str, Any]] = (),
    feed_definition: FileDefinition | None = None,
    facts: Ground | None = None,
    remembered: Remembered | None = None,
    only: Sequence[str] | None = None,
) -> Plan:
    used = feed_definition or definition()
    return make_plan(
        used,
        facts or ground(),
        source,
        Existing(existing, frame(owners, used), match(source.records, existing.active)),
        remembered=remembered or Remembered(),
        only=only,
    )


def planned(made: Plan) -> list[tuple[str, str]]:
    """Kind and identifier of each change, in order."""
    return made.changes.select("kind", "identifier").rows()


def held(made: Plan) -> dict[str, str]:
    return dict(made.held.select("identifier", "reason").iter_rows())


def rejected(made: Plan) -> dict[str, str]:
    return dict(made.rejects.select("identifier", "reason").iter_rows())
