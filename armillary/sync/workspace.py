"""Reading the active instruments a feed owns, and knowing whether the reading can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from armillary.api.models import Page
from armillary.api.paging import read_all
from armillary.api.ptolemy import Ptolemy
from armillary.errors import PagesLeadNowhere
from armillary.feeds.definition import FeedDefinition
from armillary.sync.bulk.exported import UNUSABLE, Exports, by_export
from armillary.sync.bulk.pace import patience_seconds
from armillary.sync.canonical import DataType
from armillary.sync.frames import InstrumentColumns, Scope, column, in_scope, scope_values
from armillary.sync.ground import Ground

PAGE_SIZE = 200

Filter = dict[str, Any]


@dataclass(frozen=True)
class WorkspaceReading:
    """The active instruments of the feed's type and scope, as columns (``frames``)."""

    active: pl.DataFrame
    trusted: bool
    doubt: str = ""
    """Why the reading is not trusted; blank when it is."""
    way: str = "by pages"
    """How it was read, in words."""


def relevant_types(definition: FeedDefinition, ground: Ground) -> dict[str, DataType]:
    """The fields a sync looks at: those the feed maps, owns by, or tells records apart by."""
    scope = definition.scope if isinstance(definition.scope, dict) else {}
    keys = dict.fromkeys([*definition.fields, *scope, *definition.stable_keys])
    return {key: ground.data_types[key] for key in keys if key in ground.data_types}


def owned_filter(scope: Scope, ground: Ground) -> Filter:
    """The filter for what a feed owns; everything below one ``and`` (contract N10)."""
    conditions: list[Filter] = [{"field": "type_id", "op": "eq", "value": ground.type_id}]
    conditions += [
        {"field": column(key), "op": "in", "value": values}
        for key, values in scope_values(scope, ground.data_types).items()
    ]
    return {"and": conditions}


def read_workspace(
    ptolemy: Ptolemy,
    definition: FeedDefinition,
    ground: Ground,
    *,
    progress: Callable[[int, int | None], None],
    exports: Exports | None = None,
) -> WorkspaceReading:
    """Read the active instruments the feed owns; once more when the first reading is doubtful.

    A reading is trusted when the distinct ids lie between the counts before and after it and no
    cursor looped. An untrusted one is still used, but nothing may be archived on its evidence.
    A big workspace is read by an export job, and by pages should that leave any doubt.

    Args:
        ptolemy: the client.
        definition: the feed.
        ground: the facts about workspace and type.
        progress: told how many were read, and how many there are.
        exports: reads by export jobs; None: pages alone.

    Raises:
        ApiError: Ptolemy could not be read.
    """
    types = relevant_types(definition, ground)
    condition = owned_filter(definition.scope, ground)
    before = ptolemy.instruments.count(condition)
    way = "by pages"
    pages = math.ceil((before or 0) / PAGE_SIZE)
    if exports and before and by_export(definition.bulk, before, pages):
        expected = before
        exports = exports.no_longer_than(patience_seconds(pages))
        found, before, why = _exported(
            ptolemy,
            definition,
            ground,
            lambda: exports.read(
                ptolemy,
                types,
                condition,
                expected=expected,
                progress=lambda done: progress(done, expected),
            ),
            expected,
        )
        if found is not None:
            told = f"by an export job: {found.height:,} records, which are {pages:,} pages"
            return WorkspaceReading(active=found, trusted=True, way=told)
        way = f"by pages: {why}"
    read, doubt = _read_once(ptolemy, condition, types, before, progress)
    # Counted at once: the less time between the last page and the count, the less can change.
    after = ptolemy.instruments.count(condition)
    frame = read.frame()
    doubt = doubt or _doubt(frame, before, after)
    if doubt:
        read, doubt = _read_once(ptolemy, condition, types, after, progress)
        at_last = ptolemy.instruments.count(condition)
        again = read.frame()
        doubt = doubt or _doubt(again, after, at_last)
        # Whatever came is real: two doubtful readings together know more than either.
        whole = pl.concat([frame, again]).unique("id", keep="last", maintain_order=True)
        frame = whole if doubt else again
    owned = frame.filter(~pl.col("archived") & in_scope(definition.scope, ground.data_types))
    return WorkspaceReading(owned.drop("archived"), trusted=not doubt, doubt=doubt, way=way)


def _exported(
    ptolemy: Ptolemy,
    definition: FeedDefinition,
    ground: Ground,
    read: Callable[[], pl.DataFrame],
    before: int,
) -> tuple[pl.DataFrame | None, int | None, str]:
    """The same by an export job, if nothing speaks against it.

    Returns:
        What is owned, or None; the latest count; and why it is None.
    """
    try:
        whole = read()
    except UNUSABLE as error:
        return None, before, f"the export could not be used ({error.message.removesuffix('.')})"
    after = ptolemy.instruments.count(owned_filter(definition.scope, ground))
    # A service that passes over the filter gives instruments of every type.
    mine = whole.filter(pl.col("type").is_in([ground.type_id, ground.type_identifier, ""]))
    owned = mine.filter(in_scope(definition.scope, ground.data_types))
    if doubt := _doubt(owned, before, after):
        return None, after, f"the export left a doubt ({doubt})"
    return owned.filter(~pl.col("archived")).drop("archived"), after, ""


def _read_once(
    ptolemy: Ptolemy,
    condition: Filter,
    types: Mapping[str, DataType],
    expected: int | None,
    progress: Callable[[int, int | None], None],
) -> tuple[InstrumentColumns, str]:
    sinks: list[InstrumentColumns] = []

    def new_sink() -> InstrumentColumns:
        sinks.append(InstrumentColumns(types))
        return sinks[-1]

    def take(sink: InstrumentColumns, page: Page) -> None:
        sink.take(page)
        progress(sink.rows, expected)

    def pages() -> Iterator[Page]:
        return ptolemy.instruments.filter_pages(filter=condition, limit=PAGE_SIZE)

    try:
        return read_all(pages, new_sink, take), ""
    except PagesLeadNowhere as error:
        # What came is real and is kept; nothing is archived on it.
        return sinks[-1], error.message


def _doubt(frame: pl.DataFrame, before: int | None, after: int | None) -> str:
    """Why this reading cannot be complete, or blank (contract D15: either set may be counted)."""
    if before is None or after is None:
        return "the workspace does not tell how many instruments it holds"
    low, high = sorted((before, after))
    read = frame.height
    active = frame.filter(~pl.col("archived")).height
    if low <= read <= high or low <= active <= high:
        return ""
    return f"{read} instruments were read, but the workspace counts {low} to {high}"
