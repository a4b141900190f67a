"""The guard of single fields: a field that changes as a whole is withheld, and the rest goes on.

A vendor that renames a code list, empties a column or fills it with one value changes one field of
nearly every record. The other fields of the same records are as good as on any day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import polars as pl

from armillary.feeds.definition import Limits
from armillary.sync.canonical import CLEAR
from armillary.sync.guards import SMALL_SET, Baseline, percent, too_many_renames
from armillary.sync.plan import IDENTIFIER, Plan, without_renames

FEW = 10
"""Values collapse when there are so many times fewer of them than before."""


@dataclass(frozen=True)
class WithheldField:
    """A field whose changes a guard withholds, and every reason, with figures."""

    field: str
    """``name``, ``field.<key>``, or ``identifier`` for renames."""
    changes: int
    """Records whose change of this field is withheld."""
    reason: str


def judge_fields(plan: Plan, limits: Limits) -> list[WithheldField]:
    """Which fields have to be withheld, in the order of their names.

    Shares are of the active records in scope; of fewer than 20 there is nothing to say.
    """
    if plan.active_in_scope < SMALL_SET:
        return []
    found = []
    for field, changes, cleared, values, values_before in _figures(plan).iter_rows():
        name = shown_field(field)
        figures = _Figures(name, plan.active_in_scope, changes, cleared, values, values_before)
        reasons = "; ".join(figures.over(limits))
        if reasons:
            found.append(WithheldField(field, changes, reasons))
    return found


def judge_renames(plan: Plan, limits: Limits, baseline: Baseline) -> list[WithheldField]:
    """The identifier as a field that is withheld, if too many instruments get another one."""
    reason = too_many_renames(plan, limits, baseline)
    return [WithheldField(IDENTIFIER, plan.renames.height, reason)] if reason else []


def shown_field(field: str) -> str:
    """As people know it; a field with the key ``name`` is told from the record's own name."""
    return field if field == "field.name" else field.removeprefix("field.")


def without_fields(changes: pl.DataFrame, fields: Collection[str]) -> pl.DataFrame:
    """Changes (shape: ``Plan.changes``) less these fields of updates; what is empty then, goes.

    Without the identifier a rename goes whole: whether it is that instrument at all is in doubt.
    """
    if IDENTIFIER in fields:
        changes = without_renames(changes)
        fields = [field for field in fields if field != IDENTIFIER]
    if not fields:
        return changes
    field = pl.element().struct.field("field")
    kept = pl.col("changed").list.filter(~field.is_in(list(fields)))
    is_update = pl.col("kind") == "update"
    trimmed = changes.with_columns(pl.when(is_update).then(kept).otherwise("changed"))
    return trimmed.filter(~is_update | (pl.col("changed").list.len() > 0))


def with_field(changes: pl.DataFrame, fields: Collection[str]) -> pl.DataFrame:
    """The updates that change one of these fields."""
    field = pl.element().struct.field("field")
    named = pl.col("changed").list.eval(field.is_in(list(fields))).list.any()
    return changes.filter((pl.col("kind") == "update") & named)


def _figures(plan: Plan) -> pl.DataFrame:
    """Per field of the updates: changed, cleared, and how many values there are and were."""
    updates = plan.changes.filter(pl.col("kind") == "update")
    entries = updates.select(pl.col("changed").explode()).unnest("changed")
    filled = pl.col("after") != CLEAR
    return (
        entries.filter(pl.col("field") != IDENTIFIER)
        .group_by("field")
        .agg(
            pl.len().alias("changes"),
            (~filled).sum().alias("cleared"),
            pl.col("after").filter(filled).n_unique().alias("values"),
            pl.col("before").filter(filled).n_unique().alias("values_before"),
        )
        .sort("field")
    )


@dataclass(frozen=True)
class _Figures:
    """What a plan does to one field."""

    name: str
    active: int
    changes: int
    cleared: int
    values: int
    values_before: int

    def over(self, limits: Limits) -> Iterator[str]:
        """Each limit that is exceeded, in words."""
        filled = self.changes - self.cleared
        if self.changes > limits.max_field_change_share * self.active:
            yield (
                f"{self.name} changes in {self.changes} of {self.active} active records, "
                f"{percent(self.changes / self.active)}; the feed allows "
                f"{percent(limits.max_field_change_share)} (limits.max_field_change_share)"
            )
        if self.cleared > limits.max_field_clear_share * self.active:
            yield (
                f"{self.name} is emptied in {self.cleared} of {self.active} active records, "
                f"{percent(self.cleared / self.active)}; the feed allows "
                f"{percent(limits.max_field_clear_share)} (limits.max_field_clear_share)"
            )
        few = self.values * FEW <= self.values_before
        if few and filled > limits.max_field_collapse_share * self.active:
            values = "one value" if self.values == 1 else f"{self.values} values"
            yield (
                f"{self.name} gets {values} where {filled} of {self.active} active records have "
                f"{self.values_before} now, {percent(filled / self.active)}; the feed allows "
                f"{percent(limits.max_field_collapse_share)} (limits.max_field_collapse_share)"
            )
