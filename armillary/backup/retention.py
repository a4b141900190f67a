"""Which backups a policy keeps. Pure: a list of backups and a moment in, a list of decisions out.

A rule keeps the newest backup of each of the last so many days (weeks, months, years) *that have
one*. So nights without a backup cost nothing: what is removed depends on the good backups that are
there, never on the time that has passed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from armillary.backup.manifest import FULL
from armillary.errors import ConfigurationError

AHEAD = timedelta(minutes=10)
"""Clocks of two machines may differ by so much; what is dated later than that is of the future."""

NO_RULE = "No rule of the policy keeps it."

LOCK_MARGIN_DAYS = 1
"""A lock has to outlast the time a backup is kept for by so much (Kopia's rule, S26)."""


@dataclass(frozen=True)
class Retention:
    """How many backups of each coverage to keep. The rules add up, so no two contradict each other.

    Attributes:
        keep_last: so many newest ones.
        keep_daily: the newest of each of so many days.
        keep_weekly: the same for weeks, Monday to Sunday (ISO 8601).
        keep_monthly: the same for months.
        keep_yearly: the same for years.
        zone: whose midnight ends a day, as in ``Europe/Zurich``.

    Raises:
        ConfigurationError: it keeps nothing, a number is no count, or the zone is unknown.
    """

    keep_last: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    zone: str = "UTC"

    def __post_init__(self) -> None:
        counts = {field.name: getattr(self, field.name) for field in fields(self)}
        del counts["zone"]
        for name, count in counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise ConfigurationError(
                    f"The retention policy has {name}={count!r}, which is no number of backups.",
                    next_step="Give a whole number, 0 for a rule that is not wanted.",
                )
        if not any(counts.values()):
            raise ConfigurationError(
                "The retention policy is empty: it would keep no backup at all. Nothing was "
                "removed.",
                next_step=f"Set at least one of {', '.join(counts)} to 1 or more.",
            )
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ConfigurationError(
                f"The retention policy names the time zone {self.zone!r}, which is unknown here.",
                next_step="Use a name such as UTC or Europe/Zurich.",
            ) from None

    @property
    def words(self) -> str:
        """As a person says it: ``the last 3, 7 daily, 12 monthly (days in UTC)``."""
        parts = [f"the last {self.keep_last}"] if self.keep_last else []
        parts += [f"{rule.count(self)} {rule.name}" for rule in RULES if rule.count(self)]
        return f"{', '.join(parts)} (days in {self.zone})"


@dataclass(frozen=True)
class Candidate:
    """What the decision about one backup rests on."""

    backup_id: str
    at: datetime
    """When it was scheduled."""
    coverage: str | None
    """``full``, or what a subset holds, in words; None when its manifest cannot be believed."""
    complete: bool = True
    proven: bool = False

    @property
    def damaged(self) -> bool:
        """Whether nobody knows what it holds."""
        return self.coverage is None


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup, and why, in sentences."""

    backup_id: str
    keep: bool
    reasons: tuple[str, ...]


def decide(backups: Iterable[Candidate], policy: Retention, now: datetime) -> list[Decision]:
    """Decide about every backup, newest first.

    Each coverage has slots of its own, and so have PARTIAL backups: neither a subset nor a PARTIAL
    one ever pushes a complete one out. Whatever the rules say, kept are: the newest full COMPLETE
    one, the newest proven one, those dated in the future, those with a damaged manifest, and all
    of a coverage whose newest one is not good (S24).

    Args:
        backups: all of one workspace, in any order.
        policy: how many to keep.
        now: with a time zone; what lies well after it is the future.
    """
    ordered = sorted(backups, key=_newness, reverse=True)
    reasons: dict[str, list[str]] = {backup.backup_id: [] for backup in ordered}
    past = [backup for backup in ordered if backup.at <= now + AHEAD]
    for backup in ordered:
        reasons[backup.backup_id] += _whatever_the_rules_say(backup, now)
    _keep_newest(past, reasons)
    _keep_by_rules(past, policy, reasons)
    _keep_while_the_newest_is_bad(past, reasons)
    return [
        Decision(
            backup.backup_id,
            keep=bool(reasons[backup.backup_id]),
            reasons=tuple(reasons[backup.backup_id]) or (NO_RULE,),
        )
        for backup in ordered
    ]


def lock_warning(policy: Retention, lock_days: int | None) -> str:
    """A sentence if Object Lock ends before the policy stops keeping the densest run of backups.

    Args:
        policy: how many to keep.
        lock_days: for how long the store locks what is written; None or 0: it does not.

    Returns:
        The warning, or a blank.
    """
    if not lock_days:
        return ""
    spans = ((policy.keep_last, 1), *((rule.count(policy), rule.days) for rule in RULES))
    kept_days = next(count * days for count, days in spans if count)
    needed = kept_days + LOCK_MARGIN_DAYS
    if lock_days >= needed:
        return ""
    return (
        f"Backups are locked for {_days(lock_days)}, but the policy keeps each for "
        f"{_days(kept_days)} at least (counting one a day). In between nothing stops an intruder "
        f"or a slip from deleting them: lock them for {_days(needed)} or more."
    )


@dataclass(frozen=True)
class _Rule:
    name: str
    field: str
    days: int
    """A period has at least so many."""
    period: Callable[[datetime], str]
    """Names the period a moment lies in, by the calendar of the moment's own zone."""

    def count(self, policy: Retention) -> int:
        number: int = getattr(policy, self.field)
        return number


RULES = (
    _Rule("daily", "keep_daily", 1, lambda at: f"{at:%Y-%m-%d}"),
    # By ISO 8601: 1 January 2027 lies in week 53 of 2026.
    _Rule(
        "weekly", "keep_weekly", 7, lambda at: "week {0.week} of {0.year}".format(at.isocalendar())
    ),
    _Rule("monthly", "keep_monthly", 28, lambda at: f"{at:%Y-%m}"),
    _Rule("yearly", "keep_yearly", 365, lambda at: f"{at:%Y}"),
)


def _whatever_the_rules_say(backup: Candidate, now: datetime) -> list[str]:
    found = []
    if backup.at > now + AHEAD:
        found.append(
            f"It is dated in the future, by {_ahead(backup.at - now)}: look at the clock of the "
            "machine that made it. It is kept, and counts for no rule."
        )
    if backup.damaged:
        found.append(
            "Its manifest cannot be believed, so nobody knows what it holds. `armillary verify "
            f"--backup {backup.backup_id}` says why, and whether it can be brought back; if not, "
            "delete its folder by hand."
        )
    return found


def _keep_newest(past: Sequence[Candidate], reasons: dict[str, list[str]]) -> None:
    good = next((found for found in past if found.coverage == FULL and found.complete), None)
    proven = next((found for found in past if found.proven), None)
    if good:
        reasons[good.backup_id].append("It is the newest complete backup of everything.")
    if proven:
        reasons[proven.backup_id].append("It is the newest one that a restore has proven.")


def _keep_by_rules(
    past: Sequence[Candidate], policy: Retention, reasons: dict[str, list[str]]
) -> None:
    zone = ZoneInfo(policy.zone)
    groups: dict[tuple[str, bool], list[Candidate]] = defaultdict(list)
    for backup in past:
        if backup.coverage is not None:
            groups[backup.coverage, backup.complete].append(backup)
    for (coverage, complete), members in groups.items():
        kind = _kind(coverage, complete=complete)
        for backup in members[: policy.keep_last]:
            reasons[backup.backup_id].append(f"It is one of the last {policy.keep_last} {kind}.")
        for rule in RULES:
            newest_of: dict[str, Candidate] = {}
            for backup in members:
                newest_of.setdefault(rule.period(backup.at.astimezone(zone)), backup)
            for period, backup in list(newest_of.items())[: rule.count(policy)]:
                reasons[backup.backup_id].append(
                    f"It is the last of {period} ({rule.name}, {kind})."
                )


def _keep_while_the_newest_is_bad(past: Sequence[Candidate], reasons: dict[str, list[str]]) -> None:
    """S24: what is removed while something is wrong may be just what will be needed."""
    newest: dict[str, Candidate] = {}
    unknown = next((backup for backup in past if backup.damaged), None)
    for backup in past:
        if backup.coverage is not None:
            newest.setdefault(backup.coverage, backup)
    for coverage, first in newest.items():
        blamed, why = first, "PARTIAL"
        if unknown and unknown.at >= first.at:
            blamed, why = unknown, "damaged"
        elif first.complete:
            continue
        for backup in past:
            if backup.coverage == coverage and not reasons[backup.backup_id]:
                reasons[backup.backup_id].append(
                    f"Nothing of this coverage is removed while its newest backup, "
                    f"{blamed.backup_id}, is {why}."
                )


def _newness(backup: Candidate) -> tuple[datetime, int, str]:
    """Of two with one time the one with the higher suffix is newer: ``-10`` after ``-2``."""
    return backup.at, len(backup.backup_id), backup.backup_id


def _kind(coverage: str, *, complete: bool) -> str:
    state = "complete" if complete else "PARTIAL"
    return f"{state} backups of {'everything' if coverage == FULL else coverage}"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"


def _ahead(gap: timedelta) -> str:
    if gap >= timedelta(days=1):
        return _days(gap.days)
    minutes = max(1, round(gap.total_seconds() / 60))
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"  # noqa: PLR2004
