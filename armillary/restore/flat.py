"""The content of a row as columns, for people: ``name``, ``fields.isin``, ``items.open``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat(body: Mapping[str, Any]) -> dict[str, str]:
    """One text for each column of a canonical body; what is blank is not there."""
    found: dict[str, str] = {}
    for name, value in body.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": str(held) for key, held in value.items()}
        else:
            found[name] = str(value)
    return found
