"""Guards: what a plan may change without a person looking at it.

Over a limit, that whole kind of change is withheld and the others go on: archives are all or
nothing, because half of a mass-archive is no better than the whole of it. Every guard gives its
figures, so that a person can judge at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from armillary.feeds.definition import Limits
from armillary.sync.plan import KINDS, Plan

SMALL_SET = 20
"""Below so many active records a share means little; ``small_set_changes`` counts instead."""

BROKEN_IDENTIFIER_SHARE = 0.2
"""Withheld archives with more creates than this share look like a changed identifier template."""


@dataclass(frozen=True)
class Withheld:
    """One kind of change that guards withhold, and every reason, with figures."""

    kind: str
    changes: int
    reason: str
    liftable: bool = True
    """Whether a person's approval can lift it; a doubtful reading cannot be approved away."""


@dataclass(frozen=True)
class Baseline:
    """What the last good run of this feed saw; None where there was none."""

    feed_records: int | None = None
    superseded: str = ""
    """Why this delivery is an old one, or one of elsewhere; blank when it is neither."""
    doubts: tuple[str, ...] = ()
    """What else makes the delivery doubtful as a whole, so that all of the plan is withheld."""
    vanished_parts: tuple[str, ...] = ()
    """Which parts of the scope are missing from the delivery as a whole (F07)."""


def too_many_rejects(plan: Plan, limits: Limits) -> str:
    """Why nothing at all may be written: too much of the source cannot be read. Blank if fine."""
    rejected = plan.rejects.height
    if rejected <= limits.max_reject_share * plan.feed_rows:
        return ""
    return (
        f"{rejected} of {plan.feed_rows} rows of the source were rejected; the feed allows "
        f"{percent(limits.max_reject_share)} (limits.max_reject_share)"
    )


def judge(plan: Plan, limits: Limits, baseline: Baseline, *, only: bool) -> list[Withheld]:
    """What has to be withheld, in the order of the kinds.

    Args:
        plan: the plan; its archives are empty when ``only`` is given.
        limits: of the feed.
        baseline: the last good run, for the guard against a shrunken feed.
        only: whether the plan was limited to chosen identifiers: absolute limits alone.
    """
    reasons: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for kind, reason in _over_limits(plan, limits, share=not only):
        reasons[kind].append(reason)
    if not only:
        whole = [reason for reason in (baseline.superseded, *baseline.doubts) if reason]
        for kind in KINDS:
            reasons[kind] += whole if plan.count(kind) else []
    if plan.count("archive"):
        reasons["archive"] += _archive_doubts(plan, limits, baseline)
    broken = plan.count("create") > BROKEN_IDENTIFIER_SHARE * plan.active_in_scope
    if reasons["archive"] and broken and plan.active_in_scope:
        reasons["create"].append(
            f"{plan.count('create')} creates beside withheld archives: it looks as if the "
            "identifiers changed, which would make every instrument twice"
        )
    return [
        Withheld(
            kind,
            plan.count(kind),
            "; ".join(reasons[kind]),
            liftable=plan.trusted or kind != "archive",
        )
        for kind in KINDS
        if reasons[kind]
    ]


def too_many_renames(plan: Plan, limits: Limits, baseline: Baseline) -> str:
    """Why no instrument may get another identifier; blank if they may.

    A changed template renames everything that has a stable key: also of a small set, and of a run
    limited to some.
    """
    renames, active = plan.renames.height, plan.active_in_scope
    if not renames:
        return ""
    reasons = []
    if renames > limits.max_renames:
        reasons.append(
            f"{renames} instruments would get another identifier; the feed allows "
            f"{limits.max_renames} (limits.max_renames)"
        )
    elif active >= SMALL_SET and renames > limits.max_archive_share * active:
        reasons.append(
            f"{renames} of {active} active records, {percent(renames / active)}, would get another "
            "identifier, as if they were archived and created anew; the feed allows "
            f"{percent(limits.max_archive_share)} (limits.max_archive_share)"
        )
    # A rename rests on the absence of a record, as an archive does.
    return "; ".join([*reasons, *_archive_doubts(plan, limits, baseline)])


def _over_limits(plan: Plan, limits: Limits, *, share: bool) -> Iterator[tuple[str, str]]:
    absolute = {
        "archive": (limits.max_archives, "max_archives"),
        "create": (limits.max_creates, "max_creates"),
        "restore": (limits.max_restores, "max_restores"),
    }
    shares = {
        "archive": (limits.max_archive_share, "max_archive_share"),
        "update": (limits.max_update_share, "max_update_share"),
        "create": (limits.max_create_share, "max_create_share"),
    }
    first_load = plan.active_in_scope == 0
    for kind, (most, name) in absolute.items():
        if plan.count(kind) > most and not (kind == "create" and first_load):
            yield kind, f"{plan.count(kind)} {kind}s; the feed allows {most} (limits.{name})"
    if not share or first_load:
        return
    for kind, (most_share, name) in shares.items():
        reason = _over_share(plan, kind, most_share, name, limits.small_set_changes)
        if reason:
            yield kind, reason


def _over_share(plan: Plan, kind: str, most_share: float, name: str, small_set: int) -> str:
    changes, active = plan.count(kind), plan.active_in_scope
    if active < SMALL_SET:
        if changes <= small_set:
            return ""
        return (
            f"{changes} {kind}s of {active} active records; below {SMALL_SET} the feed allows "
            f"{small_set} (limits.small_set_changes)"
        )
    if changes <= most_share * active:
        return ""
    return (
        f"{changes} {kind}s of {active} active records are {percent(changes / active)}; the feed "
        f"allows {percent(most_share)} (limits.{name})"
    )


def _archive_doubts(plan: Plan, limits: Limits, baseline: Baseline) -> Iterator[str]:
    """Why the absence of a record from the feed proves nothing."""
    nameless = plan.rejects["identifier"].is_null().sum()
    if nameless:
        rows = "rejected row has" if nameless == 1 else "rejected rows have"
        yield (
            f"{nameless} {rows} no readable identifier: any of the missing records may "
            "be among them"
        )
    last = baseline.feed_records
    if last and plan.feed_records < (1 - limits.max_shrink_share) * last:
        yield (
            f"the feed shrank from {last} records at its last good run to {plan.feed_records}; it "
            f"may shrink by {percent(limits.max_shrink_share)} (limits.max_shrink_share)"
        )
    yield from baseline.vanished_parts
    if not plan.trusted:
        yield f"the workspace could not be read reliably: {plan.doubt}"


def percent(share: float) -> str:
    """A share as people write it: ``33.3%``."""
    return f"{share:.1%}".replace(".0%", "%")
