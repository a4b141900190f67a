"""Which way changes are written: each by a request of its own, or in bulk by import jobs.

Chosen by what either way costs, before a single call is spent on writing. An import carries
creates and most updates; everything else, and whatever an import did not bring about, is written
one by one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from armillary.feeds.bulk import Bulk
from armillary.restore.split import MOST_BYTES
from armillary.sync.bulk.pace import job_calls, job_seconds, request_seconds
from armillary.sync.bulk.trial import WITNESSES
from armillary.sync.canonical import CLEAR
from armillary.sync.plan import IDENTIFIER, KINDS, RENAMED_FROM, renames_in

FEWEST_UPDATES = 20
"""Fewer updates are written one by one: before an import may carry any, one is tried alone, which
costs about ten calls."""

TRIAL_CALLS = WITNESSES + job_calls(1) + 1
"""The records one of which is tried, the job of one row, and that record afterwards."""

LIST_CALLS = 1
"""Imports that are under way already."""

COUNT_CALLS = 1
"""How many instruments there are, before it is read which."""

MARGIN = 2
"""Jobs may take so many times the calls they are thought to take: how often one is asked for
depends on how long it takes, and the reserve must last."""

_SAMPLE = 10_000
_ROW_BYTES = 120
"""Of a row beside its values: the names of its keys, the UUID of its type."""
_VALUE_BYTES = 6


@dataclass(frozen=True)
class Cost:
    """What writing all changes takes one way. Seconds rest on assumptions (``pace``)."""

    calls: int
    seconds: int


@dataclass(frozen=True)
class Route:
    """Which way the changes of a plan are written, and why."""

    in_bulk: bool
    because: str
    one_by_one: Cost
    bulk: Cost | None
    """None where no change could go in bulk."""
    writing: Mapping[str, int]
    """Calls of the chosen way, by item."""
    most_repairs: int
    """With more changes left undone by imports than this the run stops: what is left is too much
    to be written one by one unseen."""
    most_calls: int | None = None
    """So many calls may be spent on what imports did not carry, beyond ``writing``; None: any."""
    reading: str = ""
    """How the workspace was read, in words."""

    def as_dict(self) -> dict[str, Any]:
        """The route as plain JSON values."""
        return {
            "in_bulk": self.in_bulk,
            "because": self.because,
            "one_by_one": asdict(self.one_by_one),
            "bulk": asdict(self.bulk) if self.bulk else None,
            "reading": self.reading,
        }


def split(changes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What imports can carry, and the rest, both in their order (shape: ``Plan.changes``).

    An import cannot empty a field (a null in a row may mean "not said"), nor rename: it finds a
    record by its identifier. A record that takes part in a rename is left out as well.
    """
    kinds = changes.filter(pl.col("kind").is_in(["create", "update"]))
    cleared = (
        kinds.select("kind", "identifier", "changed")
        .filter(pl.col("kind") == "update")
        .explode("changed")
        .unnest("changed")
        .filter((pl.col("after") == CLEAR) | (pl.col("field") == IDENTIFIER))
        .select("identifier")
    )
    renamed = renames_in(changes)
    names = pl.concat(
        [
            cleared["identifier"],
            renamed["identifier"],
            renamed[RENAMED_FROM].alias("identifier"),
        ]
    ).unique()
    fit = pl.col("kind").is_in(["create", "update"]) & ~pl.col("identifier").is_in(names.implode())
    carried = changes.filter(fit)
    if carried.filter(pl.col("kind") == "update").height < FEWEST_UPDATES:
        fit &= pl.col("kind") == "create"
        carried = changes.filter(fit)
    return carried, changes.filter(~fit)


def choose(
    changes: pl.DataFrame,
    bulk: Bulk,
    *,
    may_spend: int | None,
    deliveries: int,
    overage: bool = False,
    trusted: bool = True,
    held: int = 0,
    reading: str = "",
) -> Route:
    """Choose the way.

    Args:
        changes: what is to be applied (shape: ``Plan.changes``).
        bulk: the feed's word on it.
        may_spend: calls that may be spent on writing; None where nobody knows.
        deliveries: webhook deliveries that writing causes either way; they cost calls, too.
        overage: whether calls beyond those may be spent and are billed.
        trusted: whether the workspace was read reliably: else a create might be of what exists,
            and an import would make it the feed's.
        held: how many instruments were found: exports hold those, and none is made of nothing.
        reading: how the workspace was read, in words.
    """
    carried, rest = split(changes)
    alone = one_by_one(changes)
    single = Cost(_sum(alone), _seconds(_sum(alone)))
    writing, cost = alone, None
    if carried.height:
        jobs = _jobs(carried, held)
        others = one_by_one(rest)
        # Looked at, imported, and read back.
        rows = 2 * max(held, carried.height) + carried.height
        seconds = job_seconds(rows) + request_seconds(_sum(others))
        cost = Cost(_sum(jobs) + _sum(others), math.ceil(seconds) + 1)
        writing = {**others, **jobs}
    in_bulk, because = False, "the workspace could not be read reliably"
    if trusted:
        in_bulk, because = _chosen(
            bulk,
            carried.height,
            single,
            cost,
            may_spend=may_spend,
            deliveries=deliveries,
            overage=overage,
        )
    writing = writing if in_bulk else alone
    left = None if overage or may_spend is None else max(0, may_spend - deliveries - _sum(writing))
    return Route(
        in_bulk=in_bulk,
        because=because,
        one_by_one=single,
        bulk=cost,
        writing=writing,
        most_repairs=max(bulk.from_changes, FEWEST_UPDATES),
        most_calls=left,
        reading=reading,
    )


def _chosen(
    bulk: Bulk,
    carried: int,
    single: Cost,
    cost: Cost | None,
    *,
    may_spend: int | None,
    deliveries: int,
    overage: bool,
) -> tuple[bool, str]:
    if cost is None:
        return False, "no change is one that an import can carry"
    calls = f"about {cost.calls:,} calls in bulk, {single.calls:,} one by one"
    if bulk.mode != "auto":
        return bulk.mode == "always", f"the feed says bulk.mode: {bulk.mode} ({calls})"
    size = f"{carried:,} creates and updates"
    left = math.inf if may_spend is None else may_spend - deliveries
    spendable = math.inf if overage else left
    if cost.calls >= single.calls:
        answer = False, f"it costs fewer calls ({calls})"
    elif spendable < MARGIN * cost.calls:
        told = f"{left:,} calls may be spent; {calls}"
        answer = False, f"jobs may take twice the calls they are thought to take ({told})"
    elif carried >= bulk.from_changes:
        limit = f"{size} are {bulk.from_changes:,} or more (bulk.from_changes)"
        answer = True, f"{limit}, and it costs fewer calls ({calls})"
    elif left < single.calls:
        told = f"{calls}; {left:,} may be spent"
        answer = True, f"only so the calls suffice that are left ({told})"
    else:
        limit = f"{size} are fewer than {bulk.from_changes:,} (bulk.from_changes)"
        answer = False, f"{limit}; {calls}"
    return answer


def one_by_one(changes: pl.DataFrame) -> dict[str, int]:
    """Calls of single requests, by item: one a change, and a PATCH after a restore."""
    counts = {kind: changes.filter(pl.col("kind") == kind).height for kind in KINDS}
    restores = changes.filter(pl.col("kind") == "restore")
    patches = restores.filter(pl.col("changed").list.len() > 0).height
    items = {**counts, "update after restore": patches}
    return {item: count for item, count in items.items() if count}


def _jobs(carried: pl.DataFrame, held: int) -> dict[str, int]:
    """Calls of import jobs, and of counting and exports before and after them, by item."""
    files = math.ceil(_bytes(carried) / MOST_BYTES)
    updates = carried.filter(pl.col("kind") == "update").height
    return {
        "imports under way": LIST_CALLS,
        "count to look first": COUNT_CALLS,
        **({"export to look first": job_calls(held)} if held else {}),
        **({"an update on trial": TRIAL_CALLS} if updates else {}),
        f"import of {files:,} {'file' if files == 1 else 'files'}": files
        * job_calls(math.ceil(carried.height / files)),
        "export to read back": job_calls(max(held, carried.height)),
    }


def _bytes(carried: pl.DataFrame) -> int:
    """About how many bytes the rows of import files take, by a sample of them."""
    sample = carried.gather_every(max(1, carried.height // _SAMPLE))
    values = sample.select("changed").explode("changed").unnest("changed")
    text = values.select(
        pl.col("field").str.len_bytes().sum() + pl.col("after").str.len_bytes().sum()
    ).item()
    own = sample.select(pl.col("identifier").str.len_bytes().sum()).item()
    total = int(text or 0) + int(own or 0)
    total += sample.height * _ROW_BYTES + values.height * _VALUE_BYTES
    return math.ceil(total * carried.height / sample.height)


def _sum(items: Mapping[str, int]) -> int:
    return sum(items.values())


def _seconds(calls: int) -> int:
    return math.ceil(request_seconds(calls))
