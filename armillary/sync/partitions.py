"""A part of a feed that is gone as a whole: an exchange whose file was not merged in (F07)."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from armillary.sync.frames import Scope, column
from armillary.sync.plan import Plan

LEAST = 20
"""Fewer instruments of one exchange may well end together."""


def vanished_parts(plan: Plan, scope: Scope, active: pl.DataFrame) -> Iterator[str]:
    """The values of the scope of which every instrument would be archived, in words.

    Args:
        plan: with its archives.
        scope: of the feed; only one with several values of a field has parts.
        active: the instruments the feed owns (shape ``frames``).
    """
    if not isinstance(scope, dict) or not plan.count("archive"):
        return
    archived = plan.changes.filter(pl.col("kind") == "archive").select("id")
    going = active.join(archived, on="id", how="semi")
    for key, values in scope.items():
        if len(values) == 1 or column(key) not in active.columns:
            continue
        before = dict(active.group_by(column(key)).len().iter_rows())
        after = dict(going.group_by(column(key)).len().iter_rows())
        for value, count in sorted(before.items()):
            if value and count >= LEAST and after.get(value) == count and count < active.height:
                yield (
                    f"all {count} active instruments with {key} {value} are missing from the feed: "
                    "that part of it was not delivered"
                )
