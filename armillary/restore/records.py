"""The endpoint of each resource type, for reading it by pages and for single writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from armillary.api.collection import Records
from armillary.api.ptolemy import Ptolemy

_RECORDS: Mapping[str, Callable[[Ptolemy], Records]] = {
    "instruments": lambda ptolemy: ptolemy.instruments,
    "markets": lambda ptolemy: ptolemy.markets,
    "market_listings": lambda ptolemy: ptolemy.listings,
    "market_listing_suspensions": lambda ptolemy: ptolemy.suspensions,
    "market_calendars": lambda ptolemy: ptolemy.calendars,
    "time_series_values": lambda ptolemy: ptolemy.values,
    "composite_time_series_values": lambda ptolemy: ptolemy.composite_values,
}


def records_of(ptolemy: Ptolemy, resource_type: str) -> Records:
    """Where rows of a type live. The path of calendars is a guess by analogy (contract N5)."""
    return _RECORDS[resource_type](ptolemy)
