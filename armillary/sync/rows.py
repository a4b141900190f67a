"""A plan as table rows, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from armillary.sync.plan import KINDS, PLACE, FieldChange, Plan, iter_changes, renames_in


def change_rows(plan: Plan, most: int) -> list[dict[str, Any]]:
    """The changes as table rows: archives first, because they are what hurts when wrong."""
    order = pl.col("kind").replace_strict({k: i for i, k in enumerate(reversed(KINDS))})
    ordered = plan.changes.sort(order, maintain_order=True).with_row_index(PLACE)
    # Renames before the other updates: they are few, and wrong ones hurt.
    renamed = renames_in(ordered.drop(PLACE))[PLACE]
    ordered = ordered.sort(order, ~pl.col(PLACE).is_in(renamed.implode()), maintain_order=True)
    rows = [
        {
            "change": change.kind,
            "identifier": change.identifier,
            "fields": "; ".join(_told(change.kind, entry) for entry in change.changed),
        }
        for change in iter_changes(ordered.head(most).drop(PLACE))
    ]
    return _with_rest(rows, plan.changes.height - most, "change")


def _told(kind: str, entry: FieldChange) -> str:
    field = entry.field.removeprefix("field.")
    if kind == "create":
        return f"{field}: {entry.after}"
    return f"{field}: {entry.before or '∅'} → {entry.after or '∅'}"


def problem_rows(plan: Plan, most: int) -> list[dict[str, Any]]:
    """Rejected and held records as table rows, with the reason of each."""
    rejected = plan.rejects.select(pl.lit("rejected").alias("what"), "row", "identifier", "reason")
    held = plan.held.select(pl.lit("held").alias("what"), "row", "identifier", "reason")
    both = pl.concat([rejected, held])
    return _with_rest(both.head(most).to_dicts(), both.height - most, "what")


def _with_rest(rows: list[dict[str, Any]], left_out: int, column: str) -> list[dict[str, Any]]:
    if left_out > 0:
        blank: Mapping[str, Any] = dict.fromkeys(rows[0], "")
        rows.append({**blank, column: f"… and {left_out:,} more"})
    return rows
