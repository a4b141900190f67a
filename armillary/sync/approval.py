"""Approval: a person has seen a plan and lets its withheld changes through.

What is approved is a plan, by its digest; what is applied is today's plan, made anew. A change that
a guard withholds goes through when the very same change is in the approved plan, and nothing else
does: if the source got worse since, the rest stays withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from armillary.sync.field_guard import WithheldField, shown_field, with_field, without_fields
from armillary.sync.guards import Withheld
from armillary.sync.plan import IDENTIFIER, Plan, sort_changes

_RECORD = ["kind", "identifier"]
_ENTRY = [*_RECORD, "field", "before", "after"]


def allowed_changes(
    plan: Plan,
    withheld: Sequence[Withheld],
    approved: pl.DataFrame | None,
    fields: Sequence[WithheldField] = (),
) -> tuple[pl.DataFrame, list[Withheld], list[WithheldField]]:
    """Split a plan into what may be applied and what stays withheld.

    Args:
        plan: today's plan.
        withheld: what the guards say of its kinds of change, the withheld fields left aside.
        approved: the changes of the approved plan (shape: ``Plan.changes``), if there is one.
        fields: what the guards say of its fields.

    Returns:
        The changes to apply, in order, without withheld fields; and the kinds and the fields that
        are still withheld, with the figures left.
    """
    names = [entry.field for entry in fields]
    kinds = [entry.kind for entry in withheld]
    free = without_fields(plan.changes, names).filter(~pl.col("kind").is_in(kinds))
    allowed = free
    if approved is not None and (kinds or names):
        allowed = _with_lifted(plan, withheld, approved, names, free)
    return (
        allowed,
        [*_kinds_left(plan, withheld, free, allowed), *_emptied(plan, kinds, names, free, allowed)],
        [entry for each in fields if (entry := _field_left(plan, each, allowed)).changes],
    )


def _with_lifted(
    plan: Plan,
    withheld: Sequence[Withheld],
    approved: pl.DataFrame,
    fields: Sequence[str],
    free: pl.DataFrame,
) -> pl.DataFrame:
    """What is free, and what the approved plan has in the very same form, whole."""
    fixed = [entry.kind for entry in withheld if not entry.liftable]
    kinds = [entry.kind for entry in withheld if entry.liftable]
    of_kinds = plan.changes.filter(pl.col("kind").is_in(kinds))
    of_fields = with_field(plan.changes, fields).filter(~pl.col("kind").is_in([*kinds, *fixed]))
    lifted = _seen(pl.concat([of_kinds, of_fields]), approved)
    trimmed = free.join(lifted, on=_RECORD, how="anti")
    return sort_changes(pl.concat([trimmed, lifted]))


def _kinds_left(
    plan: Plan, withheld: Sequence[Withheld], free: pl.DataFrame, allowed: pl.DataFrame
) -> list[Withheld]:
    left = []
    for entry in withheld:
        before = plan.count(entry.kind) - _count(free, entry.kind)
        rest = plan.count(entry.kind) - _count(allowed, entry.kind)
        if rest == before:
            left.append(replace(entry, changes=rest))
        elif rest:
            reason = f"{rest} of {before} are not in the approved plan ({entry.reason})"
            left.append(replace(entry, changes=rest, reason=reason))
    return left


def _emptied(
    plan: Plan,
    kinds: Sequence[str],
    fields: Sequence[str],
    free: pl.DataFrame,
    allowed: pl.DataFrame,
) -> list[Withheld]:
    """The updates of which nothing is left without the withheld fields."""
    if "update" in kinds or _count(free, "update") == plan.count("update"):
        return []
    rest = plan.count("update") - _count(allowed, "update")
    others = [field for field in fields if field != IDENTIFIER]
    what = "field is" if len(others) == 1 else "fields are"
    named = ", ".join(shown_field(field) for field in others)
    reasons = ["a renamed instrument waits with all its fields"] if IDENTIFIER in fields else []
    reasons += [f"nothing else of them changes; {named}: the {what} withheld"] if others else []
    return [Withheld("update", rest, "; ".join(reasons))] if rest else []


def _field_left(plan: Plan, entry: WithheldField, allowed: pl.DataFrame) -> WithheldField:
    rest = (
        with_field(plan.changes, [entry.field]).height - with_field(allowed, [entry.field]).height
    )
    if rest in {entry.changes, 0}:
        return replace(entry, changes=rest)
    reason = f"{rest} of {entry.changes} are not in the approved plan ({entry.reason})"
    return replace(entry, changes=rest, reason=reason)


def _count(changes: pl.DataFrame, kind: str) -> int:
    return changes.filter(pl.col("kind") == kind).height


def _seen(changes: pl.DataFrame, approved: pl.DataFrame) -> pl.DataFrame:
    """The changes of which the approved plan holds every field, with before and after.

    Of an update it may hold more: the fields that were not withheld are written by the time
    somebody approves the others.
    """
    is_update, sized = pl.col("kind") == "update", pl.col("changed").list.len().alias("size")
    updates = changes.filter(is_update).join(approved, on=_RECORD, how="semi")
    others = changes.filter(~is_update).with_columns(sized)
    others = others.join(approved.with_columns(sized), on=[*_RECORD, "size"], how="semi")
    known = pl.concat([updates, others.drop("size")])
    unseen = _entries(known).join(_entries(approved), on=_ENTRY, how="anti")
    return known.join(unseen, on=_RECORD, how="anti")


def _entries(changes: pl.DataFrame) -> pl.DataFrame:
    filled = changes.filter(pl.col("changed").list.len() > 0)
    return filled.select(*_RECORD, "changed").explode("changed").unnest("changed")
