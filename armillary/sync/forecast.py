"""What a plan costs in API calls, itemised, before a single one is spent on writing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from armillary.sync.bulk.route import Route, one_by_one
from armillary.sync.ground import Ground
from armillary.sync.plan import Plan

GUIDE_PAGE_SIZE = 500
"""The page size of the vendor guide's own loop (contract D3), for comparison."""

RUNS_A_MONTH = 22
"""A run each weekday: how often a feed really runs is not known where its plan is made."""


@dataclass(frozen=True)
class Forecast:
    """Calls by item. Reading items are spent by the time a plan exists; writing items are not."""

    reading: Mapping[str, int]
    writing: Mapping[str, int]
    deliveries: int | None
    """Webhook deliveries the writes cause; they cost quota but are not requests of this run."""
    guide: int
    """What the vendor guide's loop would spend on the same change."""

    @property
    def calls(self) -> int:
        """Requests the whole run makes when nothing fails."""
        return sum(self.reading.values()) + sum(self.writing.values())

    @property
    def month(self) -> int:
        """What ``RUNS_A_MONTH`` such runs take from the quota."""
        return RUNS_A_MONTH * (self.calls + (self.deliveries or 0))

    @property
    def still_to_spend(self) -> int:
        """What applying takes from the quota: writes and the deliveries they cause."""
        return sum(self.writing.values()) + (self.deliveries or 0)


def forecast(
    plan: Plan,
    ground: Ground,
    *,
    reading: Mapping[str, int],
    to_apply: pl.DataFrame,
    route: Route | None = None,
) -> Forecast:
    """Count the calls of a plan.

    Args:
        plan: the plan.
        ground: tells how many webhook deliveries a write causes.
        reading: calls spent so far, by item.
        to_apply: the changes that are not withheld.
        route: which way they are written; None: one by one.
    """
    return Forecast(
        reading=dict(reading),
        writing=dict(route.writing) if route else one_by_one(to_apply),
        deliveries=deliveries(to_apply, ground),
        guide=_guide_calls(plan),
    )


def deliveries(to_apply: pl.DataFrame, ground: Ground) -> int | None:
    """Webhook deliveries that changes cause, whichever way they are written."""
    if ground.deliveries is None:
        return None
    caused = {**ground.deliveries, "update after restore": ground.deliveries["update"]}
    return sum(caused[item] * count for item, count in one_by_one(to_apply).items())


def shortage(cost: Forecast, *, remaining: int | None, reserve_calls: int) -> str:
    """Why the quota does not suffice for a plan, with figures; blank if it does or is unknown."""
    if remaining is None or cost.still_to_spend <= remaining - reserve_calls:
        return ""
    reserved = f", of which {reserve_calls} are reserved (reserve_calls)" if reserve_calls else ""
    return (
        f"the plan needs {cost.still_to_spend} more calls, and {remaining} are left in the billing "
        f"period{reserved}"
    )


def reserve_reached(remaining: int | None, reserve_calls: int) -> str:
    """Why no further call may be spent while a plan is applied; blank if one may (A05)."""
    if remaining is None or not reserve_calls or remaining > reserve_calls:
        return ""
    return (
        f"{remaining} calls are left in the billing period and {reserve_calls} are reserved "
        "(reserve_calls): something else used up calls while this run wrote"
    )


def _guide_calls(plan: Plan) -> int:
    """The guide's loop: pages of the whole type, then one call per change (seed 000)."""
    pages = max(1, math.ceil(plan.active_in_scope / GUIDE_PAGE_SIZE))
    return pages + sum(plan.counts.values())
