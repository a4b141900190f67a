"""What a Ptolemy workspace holds of a venue as listings of a market (contract section 11).

A listing names its instrument, most often by UUID alone. The identifier behind it is looked up only
where the local code does not tell by itself which instrument is meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from armillary.api.envelope import Row, reference, references
from armillary.api.models import Page
from armillary.api.paging import read_all
from armillary.api.ptolemy import Ptolemy
from armillary.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    PagesLeadNowhere,
    RequestRejected,
)
from armillary.sync.frames import text_of
from armillary.sync.ground import open_workspace
from armillary.venues.holdings import Filter, read_whole
from armillary.venues.sides import SIZES, PtolemyRecord, PtolemySide

LOT_SIZE = "lot_size"
"""The one size a listing has."""

IDS = 50
"""UUIDs in one look-up: how many a request may have is not documented (contract N9)."""


def listings_of(
    ptolemy: Ptolemy, *, workspace: str, market: str, telling: frozenset[str], now: datetime
) -> PtolemySide:
    """The listings of a market, archived ones included.

    Args:
        ptolemy: the client.
        workspace: slug or UUID it is to open.
        market: identifier of the market.
        telling: local codes that mean one instrument of the venue and no other.
        now: for which suspensions are in force.

    Raises:
        ConfigurationError: another workspace answers, or it has no such market.
        PagesLeadNowhere: they were not read whole.
        ApiError: Ptolemy could not be read.
    """
    found = open_workspace(ptolemy, workspace)
    names = _market(ptolemy, market)
    condition: Filter = {"field": "market_id", "op": "eq", "value": names[0]}
    whole = read_whole(ptolemy.listings, [condition], "listings")
    rows = [row for row in whole.rows if not references(row, "market").isdisjoint(names)]
    identifiers, about_identifiers = _identifiers(ptolemy, rows, telling)
    suspended, about_suspensions = _suspended(ptolemy, rows, now)
    return PtolemySide(
        workspace=found.slug or workspace,
        records=tuple(_record(row, identifiers, suspended) for row in rows),
        sizes=frozenset({LOT_SIZE}),
        notes=(
            *whole.notes("listings"),
            *about_identifiers,
            *about_suspensions,
            "A listing holds no tick size: only lot sizes were compared.",
        ),
    )


def _market(ptolemy: Ptolemy, market: str) -> list[str]:
    """Every name of the market, its UUID first."""
    try:
        row = ptolemy.markets.get(market)
    except NotFound as error:
        raise ConfigurationError(
            f"Workspace {ptolemy.connection.workspace!r} has no market {market!r}.",
            next_step="Name the market whose listings are the venue's, or compare against "
            "instruments.",
        ) from error
    return [text_of(row.get("id")) or market, text_of(row.get("identifier")) or market]


def _identifiers(
    ptolemy: Ptolemy, rows: Sequence[Row], telling: frozenset[str]
) -> tuple[dict[str, str], list[str]]:
    """Identifiers of instruments by UUID, where the local code does not tell; and a note."""
    codes = Counter(_code(row) for row in rows if row.get("archived_at") is None)
    wanted = {
        instrument
        for row in rows
        if (instrument := reference(row, "instrument"))
        and not _told_identifier(row)
        and not (_code(row) in telling and codes[_code(row)] <= 1)
    }
    try:
        return dict(_looked_up(ptolemy, sorted(wanted))), []
    except (RequestRejected, PagesLeadNowhere):
        return {}, [
            f"Ptolemy did not tell the identifiers of {len(wanted):,} instruments: their listings "
            "were matched by local code alone."
        ]


def _looked_up(ptolemy: Ptolemy, wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    for first in range(0, len(wanted), IDS):
        ids = wanted[first : first + IDS]
        for page in ptolemy.instruments.list_pages(ids=ids, archived="all"):
            if not {text_of(row.get("id")) for row in page.rows}.issubset(ids):
                # `ids` was ignored: these are the pages of the whole workspace.
                raise PagesLeadNowhere("ids are ignored.", method="GET", path="/instruments")
            for row in page.rows:
                yield text_of(row.get("id")), text_of(row.get("identifier"))


def _suspended(
    ptolemy: Ptolemy, rows: Iterable[Row], now: datetime
) -> tuple[frozenset[str], list[str]]:
    """UUIDs of listings that are suspended now; and a note where that cannot be read."""
    active = {text_of(row.get("id")) for row in rows if row.get("archived_at") is None}
    if not active:
        return frozenset(), []
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    open_ended: Filter = {"field": "suspended_until", "op": "is_null", "value": True}
    ending: Filter = {"field": "suspended_until", "op": "gt", "value": moment}
    try:
        found = [row for condition in (open_ended, ending) for row in _rows(ptolemy, condition)]
    except (RequestRejected, AccessDenied, PagesLeadNowhere):
        return frozenset(), ["Suspensions could not be read, so none was compared."]
    listings = {reference(row, "listing") or "" for row in found if _in_force(row, now)}
    return frozenset(listings & active), []


def _rows(ptolemy: Ptolemy, condition: Filter) -> list[Row]:
    def take(rows: list[Row], page: Page) -> None:
        rows.extend(page.rows)

    pages = ptolemy.suspensions.filter_pages
    return read_all(lambda: pages({"and": [condition]}), list[Row], take)


def _in_force(row: Mapping[str, Any], now: datetime) -> bool:
    if row.get("archived_at") is not None:
        return False
    begins, ends = (_moment(row.get(name)) for name in ("suspended_from", "suspended_until"))
    return begins is not None and begins <= now and (ends is None or now < ends)


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _record(
    row: Mapping[str, Any], identifiers: Mapping[str, str], suspended: frozenset[str]
) -> PtolemyRecord:
    record_id = text_of(row.get("id"))
    instrument = reference(row, "instrument") or ""
    return PtolemyRecord(
        id=record_id,
        identifier=_told_identifier(row) or identifiers.get(instrument, ""),
        local_code=_code(row),
        archived=row.get("archived_at") is not None,
        sizes={name: text_of(row.get(name)).strip() for name in SIZES},
        suspended=record_id in suspended,
    )


def _told_identifier(row: Mapping[str, Any]) -> str:
    instrument = row.get("instrument")
    return text_of(instrument.get("identifier")) if isinstance(instrument, dict) else ""


def _code(row: Mapping[str, Any]) -> str:
    return text_of(row.get("local_code")).strip()
