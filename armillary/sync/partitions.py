"""A part of a feed that is gone as a whole: an exchange whose file was not merged in (F07)."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from armillary.sync.field_guard import with_field
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
    if not isinstance(scope, dict):
        return
    archived = plan.changes.filter(pl.col("kind") == "archive")["id"]
    # Held without a row: the feed lacks it, and it is not archived for a reason of its own.
    held = plan.held.filter(pl.col("row").is_null())["identifier"]
    for key, values in scope.items():
        if len(values) == 1 or column(key) not in active.columns:
            continue
        # One that a rename takes to another part is missing from this one, too.
        left = with_field(plan.renames, [column(key)])["id"]
        going = active.filter(
            pl.col("id").is_in(pl.concat([archived, left]).implode())
            | pl.col("identifier").is_in(held.implode())
        )
        before = dict(active.group_by(column(key)).len().iter_rows())
        after = dict(going.group_by(column(key)).len().iter_rows())
        parts = [
            (value, count)
            for value, count in sorted(before.items())
            if value and count >= LEAST and after.get(value) == count and count < active.height
        ]
        yield from _told(key, parts)


def _told(key: str, parts: list[tuple[str, int]]) -> Iterator[str]:
    if len(parts) == 1:
        [(value, count)] = parts
        yield (
            f"all {count} active instruments with {key} {value} are missing from the feed: that "
            "part of it was not delivered"
        )
    elif parts:
        named = ", ".join(f"{value} ({count})" for value, count in parts)
        yield (
            f"all active instruments with {key} {named} are missing from the feed: these parts of "
            "it were not delivered"
        )
