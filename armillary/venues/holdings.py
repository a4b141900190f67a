"""What a Ptolemy workspace holds of a venue as instruments of a type; and how it is read whole.

Archived records are read as well: what is live at the venue may be archived here. A record that is
there and was not read would count as missing, so a reading is believed only if the workspace's own
count allows for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armillary import progress
from armillary.api.collection import Collection
from armillary.api.envelope import Row, references
from armillary.api.models import Page
from armillary.api.paging import MAX_LIMIT, read_all
from armillary.api.ptolemy import Ptolemy
from armillary.errors import ConfigurationError, NotFound, PagesLeadNowhere
from armillary.sync.frames import column, snapshot, text_of
from armillary.sync.ground import open_workspace
from armillary.venues.sides import SIZES, PtolemyRecord, PtolemySide

VENUE = "venue"
"""The field by which an instrument says of which venue it is."""

READINGS = 2

Filter = dict[str, Any]

_ARCHIVED: Filter = {"field": "archived_at", "op": "is_null", "value": False}


@dataclass(frozen=True)
class Whole:
    """Every row that meets some conditions, active and archived, each once."""

    rows: Sequence[Row]
    counted: bool
    """Whether the workspace's own count allows for it; otherwise it does not count."""

    def notes(self, noun: str) -> tuple[str, ...]:
        """What to say of a reading that nothing proves."""
        if self.counted:
            return ()
        return (
            f"Ptolemy does not tell how many {noun} there are, so nothing proves that all of them "
            "were read.",
        )


def instruments_of(
    ptolemy: Ptolemy, *, workspace: str, instrument_type: str, venue: str
) -> PtolemySide:
    """The instruments of a type whose field ``venue`` is that venue, archived ones included.

    Args:
        ptolemy: the client.
        workspace: slug or UUID it is to open.
        instrument_type: identifier of the type.
        venue: as Cadenza writes it.

    Raises:
        ConfigurationError: another workspace answers, there is no such type, or it has no field
            ``venue``.
        PagesLeadNowhere: they were not read whole.
        ApiError: Ptolemy could not be read.
    """
    found = open_workspace(ptolemy, workspace)
    names, fields = _type(ptolemy, instrument_type)
    if VENUE not in fields:
        raise ConfigurationError(
            f"Instrument type {instrument_type!r} has no field {VENUE!r}, so that nothing tells "
            f"which of its instruments are of {venue}.",
            next_step="Name the type that a CadenzaFeed writes, or compare against listings.",
        )
    conditions: list[Filter] = [
        {"field": "type_id", "op": "eq", "value": names[0]},
        {"field": column(VENUE), "op": "in", "value": [venue]},
    ]
    whole = read_whole(ptolemy.instruments, conditions, "instruments")
    records = tuple(
        _record(row)
        for row in whole.rows
        # An unknown field or a filter that folds case answers with more than was asked for.
        if text_of(snapshot(row).get(VENUE)).strip() == venue
        and not (references(row, "type") - set(names))
    )
    absent = [name for name in SIZES if name not in fields]
    return PtolemySide(
        workspace=found.slug or workspace,
        records=records,
        sizes=frozenset(SIZES) - set(absent),
        notes=(*whole.notes("instruments"), *_about_fields(instrument_type, absent)),
    )


def read_whole(resource: Collection, conditions: Sequence[Filter], noun: str) -> Whole:
    """Read active and archived rows in two passes, because readings of one differ (contract N11).

    Args:
        resource: what to read.
        conditions: all of which a row has to meet.
        noun: what the rows are, for messages.

    Raises:
        PagesLeadNowhere: pages lead nowhere, or are not what the workspace counts, twice.
        ApiError: Ptolemy could not be read.
    """
    left = READINGS
    while True:
        left -= 1
        try:
            return _read_once(resource, conditions, noun, last=not left)
        except PagesLeadNowhere:
            if not left:
                raise


def _read_once(
    resource: Collection, conditions: Sequence[Filter], noun: str, *, last: bool
) -> Whole:
    wanted: Filter = {"and": list(conditions)}
    before = resource.count(wanted)
    archived = _pages(resource, {"and": [*conditions, _ARCHIVED]}, noun)
    usual = _pages(resource, wanted, noun)
    after = resource.count(wanted)
    rows = {text_of(row.get("id")): row for row in (*archived, *usual)}
    if before is None or after is None:
        return Whole(tuple(rows.values()), counted=False)
    active = sum(1 for row in usual if row.get("archived_at") is None)
    low, high = sorted((before, after))
    moved = low != high and not last  # what changed meanwhile may have slipped between the passes
    if moved or not (low <= active <= high or low <= len(usual) <= high):
        raise PagesLeadNowhere(
            f"{len(usual):,} {noun} were read, {active:,} of them active, but the workspace counts "
            f"{before:,} before and {after:,} after. Nothing was compared.",
            method="POST",
            path=f"{resource.path}/filter",
            next_step="Compare again when no sync is under way.",
        )
    return Whole(tuple(rows.values()), counted=True)


def _pages(resource: Collection, wanted: Filter, noun: str) -> list[Row]:
    def take(rows: list[Row], page: Page) -> None:
        rows.extend(page.rows)
        progress.say(f"reading {noun} of Ptolemy", len(rows))

    return read_all(lambda: resource.filter_pages(wanted, limit=MAX_LIMIT), list[Row], take)


def _type(ptolemy: Ptolemy, instrument_type: str) -> tuple[list[str], frozenset[str]]:
    """Every name of the type, its UUID first, and the keys of its fields."""
    try:
        row = ptolemy.instrument_types.get(instrument_type)
    except NotFound as error:
        raise ConfigurationError(
            f"Instrument type {instrument_type!r} does not exist in workspace "
            f"{ptolemy.connection.workspace!r}.",
            next_step="Name the type that the venue's instruments have, or compare against "
            "listings.",
        ) from error
    type_id = text_of(row.get("id")) or instrument_type
    identifier = text_of(row.get("identifier")) or instrument_type
    fields = ptolemy.instrument_type_fields.for_type(type_id, identifier)
    return [type_id, identifier], frozenset(field.field_key for field in fields)


def _record(row: Mapping[str, Any]) -> PtolemyRecord:
    values = snapshot(row)
    return PtolemyRecord(
        id=text_of(row.get("id")),
        identifier=text_of(row.get("identifier")),
        local_code="",
        archived=row.get("archived_at") is not None,
        sizes={name: text_of(values.get(name)).strip() for name in SIZES},
    )


def _about_fields(instrument_type: str, absent: Sequence[str]) -> list[str]:
    return [
        f"Type {instrument_type} has no field {name}, so that it was not compared."
        for name in absent
    ]
