"""A venue's instruments in Cadenza as a delivery: whole and of an open venue, or refused.

What is missing from a delivery is archived, so a list that may lack something is none (contract
N3, N8).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import msgspec

from armillary.api.cadenza import Cadenza, InstrumentList, Venue
from armillary.api.cadenza.models import DELISTED
from armillary.errors import ConfigurationError, FeedRefused
from armillary.feeds.delivery import Delivery

COLUMNS = (
    "instrumentId",
    "venue",
    "symbol",
    "externalSymbol",
    "description",
    "instrumentType",
    "securityType",
    "status",
    "baseAsset",
    "quoteAsset",
    "baseSecurityType",
    "quoteSecurityType",
    "basePrecision",
    "quotePrecision",
    "pricePrecision",
    "quantityPrecision",
    "baseMaxSignificant",
    "quoteMaxSignificant",
    "baseScale",
    "quoteScale",
    "lotSize",
    "pipSize",
    "minQuantity",
    "maxQuantity",
    "minNotional",
    "maxNotional",
    "icebergMinQuantity",
    "isIcebergAllowed",
    "strikePrice",
    "exerciseStyle",
    "deliveryDate",
    "deliveryDateTime",
)
"""Every single value that either document knows of an instrument (contract section 6, D5).

All are there for each instrument, blank where Cadenza tells none: which document it follows must
not decide whether a template finds its column. What it tells beyond them is there too.
"""

STATUSES = frozenset({"ACTIVE", "INACTIVE", "DISABLED", DELISTED})
INSTRUMENT_TYPES = frozenset({"SPOT", "FUTURES", "PERPETUAL", "OPTION", "CFD", "CONTRACT"})

_LATER = "Nothing was written and nothing is archived. Start the sync again "


def venue_delivery(cadenza: Cadenza, venue: str) -> Delivery:
    """The instruments of a venue as they stand in Cadenza now; DELISTED ones are left out.

    Args:
        cadenza: The client.
        venue: Name of the venue, in any case.

    Returns:
        A JSON array of objects of text, in the order of their ids: every column of ``COLUMNS``,
        decimals as they were written, ``venue`` as it was asked for.

    Raises:
        ConfigurationError: Cadenza has no such venue.
        FeedRefused: The venue is not ONLINE, or its list is empty or not certainly whole.
        ApiError: Cadenza could not be read.
    """
    source = f"Cadenza's list of {venue} ({cadenza.connection.environment})"
    listed = whole_list(cadenza, venue)
    rows = [as_columns(row, venue) for row in listed.rows]
    kept = [row for row in rows if row["status"] != DELISTED]
    if not kept:
        raise FeedRefused(
            f"{source} has {len(rows)} instruments, and every one is DELISTED: a venue that is "
            "ONLINE lists some that are not.",
            next_step=f"{_LATER}when Cadenza lists them; refresh the venue, or ask its support.",
        )
    kept.sort(key=lambda row: str(row["instrumentId"]))
    return Delivery(
        content=msgspec.json.encode(kept),
        file_format="json",
        source=source,
        warnings=(*listed.notes, *_notes(rows, len(rows) - len(kept))),
        live=True,
        origin=cadenza.connection.environment,
    )


def whole_list(cadenza: Cadenza, venue: str) -> InstrumentList:
    """Every instrument of a venue that is ONLINE before and after the reading, as Cadenza tells.

    Args:
        cadenza: The client.
        venue: Name of the venue, in any case.

    Raises:
        ConfigurationError: Cadenza has no such venue.
        FeedRefused: The venue is not ONLINE, or its list is empty or not certainly whole.
        ApiError: Cadenza could not be read.
    """
    found = _online(cadenza, venue, "")
    listed = cadenza.instruments(found.name)
    # Closed in between, the list may have been emptied under the reading (contract N8).
    _online(cadenza, venue, " since its list was read")
    if not listed.complete:
        raise FeedRefused(
            f"Cadenza's list of {found.name} cannot be trusted to be whole. "
            f"{listed.why_incomplete} An instrument that was not read may be there all the same, "
            "so nothing is archived on such a list.",
            next_step=f"{_LATER}when the list is at rest.",
        )
    if not listed.rows:
        raise FeedRefused(
            f"Cadenza's list of {found.name} is empty although the venue is ONLINE: far more often "
            "a fault than a fact.",
            next_step=f"{_LATER}when Cadenza lists instruments; refresh the venue, or ask its "
            "support.",
        )
    return listed


def as_columns(row: Mapping[str, Any], venue: str) -> dict[str, Any]:
    """An instrument as text under every known name (contract D5, D11).

    A value that one document has under another name is taken over only where it means the same:
    the kind of an instrument, never a precision.
    """
    texts = dict.fromkeys(COLUMNS, "") | {key: _text(value) for key, value in row.items()}
    instrument_id = texts["instrumentId"]
    texts["venue"] = venue
    # Split at the first colon only: a symbol may hold others (contract N7).
    texts["symbol"] = texts["symbol"] or str(instrument_id).partition(":")[2]
    texts["status"] = str(texts["status"]).strip().upper()
    kind = str(texts["instrumentType"]).strip().upper()
    security = str(texts["securityType"]).strip().upper()
    texts["instrumentType"] = kind or (security if security in INSTRUMENT_TYPES else "")
    return texts


def _online(cadenza: Cadenza, venue: str, since: str) -> Venue:
    venues = cadenza.venues()
    found = next((each for each in venues if each.name.casefold() == venue.casefold()), None)
    if found is None:
        raise _unknown(venue, [each.name for each in venues], cadenza.connection.environment)
    if not found.online:
        raise FeedRefused(
            f"Venue {found.name} is {found.status or 'of no known status'} in Cadenza{since}, not "
            "ONLINE: its list may be empty or short for that reason alone, so it proves nothing.",
            next_step=f"{_LATER}when the venue is ONLINE again.",
        )
    return found


def _unknown(venue: str, names: Sequence[str], environment: str) -> ConfigurationError:
    close = get_close_matches(venue.upper(), names, n=3)
    guess = f" Did you mean {' or '.join(close)}?" if close else ""
    return ConfigurationError(
        f"Cadenza ({environment}) has no venue {venue}.{guess} Its venues: "
        f"{', '.join(sorted(names)) or 'none'}.",
        next_step="Mend the venue in the feed definition, then start again. Nothing was written.",
    )


def _text(value: Any) -> Any:
    """A single value as text, fractions without an exponent; lists and objects stay."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, str | list | dict) else str(value)


def _notes(rows: Sequence[Mapping[str, Any]], delisted: int) -> list[str]:
    notes = []
    if delisted:
        are = "1 instrument is" if delisted == 1 else f"{delisted:,} instruments are"
        notes.append(f"{are} DELISTED in Cadenza, which counts as missing from the feed.")
    unknown = Counter(str(row["status"]) for row in rows if row["status"] not in STATUSES)
    if unknown:
        named = ", ".join(
            f"{status or 'none at all'} ({count:,})" for status, count in sorted(unknown.items())
        )
        notes.append(f"Statuses that are not known here, kept as they are: {named}.")
    return notes
