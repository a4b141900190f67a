"""Approval: a person has seen a plan and lets its withheld changes through.

What is approved is a plan, by its digest; what is applied is today's plan, made anew. A change that
a guard withholds goes through when the very same change is in the approved plan, and nothing else
does: if the source got worse since, the rest stays withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from armillary.sync.guards import Withheld
from armillary.sync.plan import Plan, sort_changes

_KEY = ["kind", "identifier", "fingerprint"]


def allowed_changes(
    plan: Plan, withheld: Sequence[Withheld], approved: pl.DataFrame | None
) -> tuple[pl.DataFrame, list[Withheld]]:
    """Split a plan into what may be applied and what stays withheld.

    Args:
        plan: today's plan.
        withheld: what the guards say of it.
        approved: the changes of the approved plan (shape: ``Plan.changes``), if there is one.

    Returns:
        The changes to apply, in order; and what is still withheld, with the figures left.
    """
    kinds = [entry.kind for entry in withheld]
    free = plan.changes.filter(~pl.col("kind").is_in(kinds))
    if approved is None or not kinds:
        return free, list(withheld)
    liftable = [entry.kind for entry in withheld if entry.liftable]
    candidates = _fingerprinted(plan.changes.filter(pl.col("kind").is_in(liftable)))
    lifted = candidates.join(_fingerprinted(approved), on=_KEY, how="semi").drop("fingerprint")
    counts = dict(lifted.group_by("kind").len().iter_rows())
    left = [_remaining(entry, int(counts.get(entry.kind, 0))) for entry in withheld]
    return sort_changes(pl.concat([free, lifted])), [entry for entry in left if entry.changes]


def _remaining(entry: Withheld, lifted: int) -> Withheld:
    if not lifted:
        return entry
    rest = entry.changes - lifted
    reason = f"{rest} of {entry.changes} are not in the approved plan ({entry.reason})"
    return replace(entry, changes=rest, reason=reason)


def _fingerprinted(changes: pl.DataFrame) -> pl.DataFrame:
    """Add what makes two changes of one record the same: fields with before and after."""
    entries = pl.col("changed").list.eval(pl.element().struct.json_encode())
    return changes.with_columns(entries.list.join("\n").alias("fingerprint"))
