"""Who already owns the identifiers a plan would create.

An identifier that is not among the feed's own active records may be free, archived, or owned by
another feed or another type. Creating it unseen would fork its history, so it is looked up first:
by ``ids`` where that demonstrably answers, else by reading every page (contract D6, N4, N9).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import polars as pl

from armillary.api.models import Page
from armillary.api.paging import read_all
from armillary.api.ptolemy import Ptolemy
from armillary.errors import PagesLeadNowhere, RequestRejected
from armillary.feeds.bulk import Bulk
from armillary.feeds.identifiers import folded
from armillary.sync.bulk.exported import UNUSABLE, Exports, Rows, among, by_export
from armillary.sync.bulk.pace import patience_seconds
from armillary.sync.canonical import DataType
from armillary.sync.frames import InstrumentColumns
from armillary.sync.workspace import PAGE_SIZE

NEVER = Bulk(mode="never")

MAX_IDS_CHARS = 4000
"""How long the ``ids`` of one request may grow; common proxies refuse addresses above 8,000."""

_ARCHIVED_ONLY = {"and": [{"field": "archived_at", "op": "is_null", "value": False}]}


def find_owners(
    ptolemy: Ptolemy,
    wanted: Sequence[str],
    active: pl.DataFrame,
    types: Mapping[str, DataType],
    *,
    bulk: Bulk = NEVER,
    exports: Exports | None = None,
) -> pl.DataFrame:
    """Existing instruments, active or archived, that hold one of ``wanted`` identifiers.

    Args:
        ptolemy: the client.
        wanted: identifiers the plan would create.
        active: what the feed owns already (shape: ``frames``); serves as proof that ``ids`` works.
        types: the fields to keep, with their data types.
        bulk: whether, and from which size on, an export job may stand for the look-ups.
        exports: reads by export jobs; None: look-ups alone.

    Returns:
        A frame as in ``frames``, for the wanted identifiers and their case variants only.

    Raises:
        ApiError: Ptolemy could not be read.
    """
    if not wanted:
        return InstrumentColumns(types).frame()
    known = active["id"].head(1).to_list() or _any_id(ptolemy)
    if not known:
        return InstrumentColumns(types).frame()
    canaries = _with_archived_canary(ptolemy, known)
    found = None
    lookups = math.ceil(len(wanted) / PAGE_SIZE)
    if canaries and exports and by_export(bulk, len(wanted), lookups):
        soon = exports.no_longer_than(patience_seconds(lookups))
        found = _by_export(ptolemy, wanted, canaries, types, soon)
    if found is None and canaries:
        found = _by_ids(ptolemy, wanted, canaries, types)
    if found is None:
        found = _by_pages(ptolemy, types)
    keys = pl.DataFrame({"identifier": wanted}).select(folded(pl.col("identifier"))).to_series()
    return found.filter(folded(pl.col("identifier")).is_in(keys.implode()))


def _any_id(ptolemy: Ptolemy) -> list[str]:
    """The id of any instrument of the workspace; empty when it holds none at all."""
    first = next(iter(ptolemy.instruments.list_pages(archived="all", limit=1)), None)
    return _ids(first.rows) if first is not None else []


def _with_archived_canary(ptolemy: Ptolemy, known: list[str]) -> list[str] | None:
    """Ids whose return proves that ``ids`` finds active and archived records alike.

    A canary is a record known to exist: a look-up that does not find it proves nothing. None when
    the workspace does not say which records are archived.
    """
    try:
        page = next(iter(ptolemy.instruments.filter_pages(filter=_ARCHIVED_ONLY, limit=1)), None)
    except (RequestRejected, PagesLeadNowhere):
        return None
    rows = page.rows if page is not None else []
    if any(row.get("archived_at") is None for row in rows):
        return None
    return [*known, *_ids(rows)]


def _ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(row["id"]) for row in rows[:1]]


def _by_export(
    ptolemy: Ptolemy,
    wanted: Sequence[str],
    proof: Sequence[str],
    types: Mapping[str, DataType],
    exports: Exports,
) -> pl.DataFrame | None:
    """Look through all of the workspace at once; None where that shows nothing for sure.

    The export has to hold the canaries, and as many rows as the workspace counts.
    """
    seen: set[str] = set()
    rows = 0
    picked = among(wanted)

    def chosen(batch: Rows) -> Rows:
        nonlocal rows
        rows += len(batch)
        seen.update(str(row.get("id")) for row in batch if row.get("id") in proof)
        return picked(batch)

    before = ptolemy.instruments.count()
    if before is None:
        return None
    try:
        found = exports.read(
            ptolemy, types, None, expected=before, include_archived=True, wanted=chosen
        )
    except UNUSABLE:
        return None
    after = ptolemy.instruments.count()
    # Archived ones may or may not be counted (contract D15): fewer rows than counted are too few.
    return found if after is not None and rows >= min(before, after) and seen >= {*proof} else None


def _by_ids(
    ptolemy: Ptolemy,
    wanted: Sequence[str],
    proof: Sequence[str],
    types: Mapping[str, DataType],
) -> pl.DataFrame | None:
    """Look up in chunks; None as soon as one answer shows that ``ids`` cannot be relied on."""
    if any("," in identifier for identifier in wanted):
        return None
    columns = InstrumentColumns(types)
    for chunk in _chunks(wanted, reserved=len(proof)):
        asked = {*chunk, *proof}
        variants = {identifier.strip().casefold() for identifier in asked}
        seen: set[str] = set()
        try:
            for page in _id_pages(ptolemy, [*chunk, *proof]):
                for row in page.rows:
                    identifier = str(row.get("identifier", "")).strip().casefold()
                    if row.get("id") not in asked and identifier not in variants:
                        return None
                    seen.add(str(row.get("id")))
                columns.take(page)
        except (RequestRejected, PagesLeadNowhere):
            return None
        if not seen.issuperset(proof):
            return None
    return columns.frame()


def _id_pages(ptolemy: Ptolemy, ids: Sequence[str]) -> Iterator[Page]:
    return ptolemy.instruments.list_pages(ids=ids, archived="all", limit=PAGE_SIZE)


def _chunks(wanted: Sequence[str], *, reserved: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    chars = 0
    for identifier in wanted:
        chars += len(quote(identifier, safe="")) + 3
        if chunk and (len(chunk) >= PAGE_SIZE - reserved or chars > MAX_IDS_CHARS):
            yield chunk
            chunk, chars = [], len(quote(identifier, safe="")) + 3
        chunk.append(identifier)
    if chunk:
        yield chunk


def _by_pages(ptolemy: Ptolemy, types: Mapping[str, DataType]) -> pl.DataFrame:
    """Every instrument of the workspace: an ``all`` pass, and an archived pass should ``all`` lie.

    Two passes because the readings of ``archived`` differ (contract D6); merged by id.
    """
    columns = InstrumentColumns(types)
    for archived in ("all", "true"):
        pages = _all_pages(ptolemy, archived)
        columns.add([row for page in pages for row in page.rows])
    return columns.frame()


def _all_pages(ptolemy: Ptolemy, archived: str) -> list[Page]:
    def pages() -> Iterator[Page]:
        return ptolemy.instruments.list_pages(archived=archived, limit=PAGE_SIZE)

    def keep(kept: list[Page], page: Page) -> None:
        kept.append(page)

    return read_all(pages, list[Page], keep)
