"""In which order types are brought back, and what must not be sent of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RESTORE_ORDER: tuple[str, ...] = (
    "instruments",
    "markets",
    "market_listings",
    "market_listing_suspensions",
    "market_calendars",
    "time_series_values",
    "composite_time_series_values",
)
"""Parents before their children: a row can only refer to what is there (contract section 13)."""

IDENTIFIER_COLUMN: Mapping[str, str] = MappingProxyType(
    {
        "instruments": "identifier",
        "markets": "identifier",
        "market_listings": "instrument_id",
        "market_listing_suspensions": "listing_id",
        "time_series_values": "timestamp",
        "composite_time_series_values": "timestamp",
    }
)
"""``identifier_column`` of an import, by type; a type that is not here cannot be imported (D13).

Without one every row is a create, and a part that is sent again is stored twice or refused row by
row (contract D11). Only instruments and markets have a column that identifies them. The others
name one that all of their rows have: the service finds the row by its natural key.
"""

FIXED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "instruments": frozenset({"identifier"}),
        "markets": frozenset({"identifier"}),
        "market_listings": frozenset({"instrument_id", "market_id"}),
        "market_listing_suspensions": frozenset({"listing_id", "suspended_from"}),
        "market_calendars": frozenset({"market_id", "date"}),
        "time_series_values": frozenset({"instrument_id", "type_id", "timestamp"}),
        "composite_time_series_values": frozenset({"instrument_id", "type_id", "timestamp"}),
    }
)
"""What a PATCH never carries, by type: it is how the record was found."""
