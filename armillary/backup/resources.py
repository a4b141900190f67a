"""What a workspace's backup is made of (contract sections 13 and 14), and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, get_args

from armillary.errors import ConfigurationError

ResourceType = Literal[
    "time_series_values",
    "composite_time_series_values",
    "market_listing_suspensions",
    "market_calendars",
    "market_listings",
    "instruments",
    "markets",
]

RESOURCE_TYPES: tuple[str, ...] = get_args(ResourceType)
"""Every exportable type, children before their parents: no child may be newer than its parent."""

REFERENCES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "time_series_values": {"instrument_id": "instruments"},
        "composite_time_series_values": {"instrument_id": "instruments"},
        "market_listing_suspensions": {"listing_id": "market_listings"},
        "market_calendars": {"market_id": "markets"},
        "market_listings": {"instrument_id": "instruments", "market_id": "markets"},
        "instruments": {},
        "markets": {},
    }
)
"""By resource type: which column of its rows refers to rows of which other type.

The type of a value (``type_id``) is a schema, which no export carries: it is not checked.
"""

CHILDREN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        parent: tuple(child for child, columns in REFERENCES.items() if parent in columns.values())
        for parent in RESOURCE_TYPES
    }
)
"""The types whose export jobs must have ended before this type's job is submitted."""

NOT_COVERED = ("tags", "webhooks", "members", "types and fields (described in schemas.json)")
"""What no export carries, and so no backup holds (contract section 13)."""


def chosen_types(asked: Sequence[str] | None) -> tuple[str, ...]:
    """The types that were asked for, in the order of export; all for none.

    Raises:
        ConfigurationError: one of them cannot be exported.
    """
    unknown = sorted(set(asked or ()) - set(RESOURCE_TYPES))
    if unknown:
        raise ConfigurationError(
            f"There is no resource type {', '.join(unknown)}.",
            next_step=f"Choose from: {', '.join(RESOURCE_TYPES)}.",
        )
    return tuple(kind for kind in RESOURCE_TYPES if not asked or kind in asked)
