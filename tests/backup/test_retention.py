"""Which backups a policy keeps, with its own slow model beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.backup.retention import Candidate, Decision, Retention, decide, lock_warning
from armillary.errors import ConfigurationError

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
ALL_ZERO: dict[str, Any] = {
    "keep_last": 0,
    "keep_daily": 0,
    "keep_weekly": 0,
    "keep_monthly": 0,
    "keep_yearly": 0,
}


def backup(at: str | datetime, coverage: str | None = "full", **more: Any) -> Candidate:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    backup_id = more.pop("backup_id", f"{moment.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}")
    return Candidate(backup_id, moment, coverage, **more)


def nights(count: int, last: datetime = datetime(2026, 11, 20, 2, tzinfo=UTC)) -> list[Candidate]:
    """One complete backup each night, newest first."""
    return [backup(last - timedelta(days=day)) for day in range(count)]


def kept(decisions: Sequence[Decision]) -> list[str]:
    return [decision.backup_id for decision in decisions if decision.keep]


def days_kept(decisions: Sequence[Decision]) -> list[str]:
    return [backup_id[:10] for backup_id in kept(decisions)]


def reasons(decisions: Sequence[Decision], found: Candidate) -> str:
    return " ".join(
        next(decision.reasons for decision in decisions if decision.backup_id == found.backup_id)
    )


# Policies that cannot be meant


def test_s23_an_empty_policy_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Retention()
    assert str(caught.value) == (
        "The retention policy is empty: it would keep no backup at all. Nothing was removed. Set "
        "at least one of keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly to 1 or "
        "more."
    )


def test_s23_all_zero_is_as_empty() -> None:
    with pytest.raises(ConfigurationError, match="would keep no backup at all"):
        Retention(**ALL_ZERO)


@pytest.mark.parametrize("name", ALL_ZERO)
@pytest.mark.parametrize("value", [-1, True, 1.5, "7", None])
def test_s23_what_is_no_number_of_backups_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}=.* is no number of backups"):
        Retention(**{"keep_last": 3, name: value})


@pytest.mark.parametrize("zone", ["Europe/Zürich", "Mars", "", "../etc/passwd", "/etc/passwd"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ConfigurationError, match=r"time zone .* is unknown here"):
        Retention(keep_last=1, zone=zone)


def test_a_policy_is_told_in_words() -> None:
    policy = Retention(keep_last=3, keep_daily=7, keep_monthly=12, zone="Europe/Zurich")
    assert policy.words == "the last 3, 7 daily, 12 monthly (days in Europe/Zurich)"


# Rules


def test_the_last_ones_are_kept() -> None:
    decisions = decide(nights(5), Retention(keep_last=2), NOW)
    assert days_kept(decisions) == ["2026-11-20", "2026-11-19"]
    assert decisions[1].reasons == ("It is one of the last 2 complete backups of everything.",)
    assert decisions[2].reasons == ("No rule of the policy keeps it.",)


def test_nights_without_a_backup_cost_no_slot() -> None:
    """A week of outages must not empty the store."""
    old = nights(4, last=datetime(2026, 10, 1, 2, tzinfo=UTC))
    assert days_kept(decide(old, Retention(keep_daily=3), NOW)) == [
        "2026-10-01",
        "2026-09-30",
        "2026-09-29",
    ]


def test_of_several_in_one_day_the_newest_is_kept() -> None:
    made = [backup(f"2026-11-19T{hour:02}:00") for hour in (1, 8, 23)]
    assert kept(decide(made, Retention(keep_daily=2), NOW)) == ["2026-11-19T23-00-00Z"]


def test_of_two_with_one_time_the_higher_suffix_is_newer() -> None:
    ids = [f"2026-11-19T02-00-00Z{suffix}" for suffix in ("", "-2", "-9", "-10")]
    made = [backup("2026-11-19T02:00", backup_id=backup_id) for backup_id in ids]
    assert kept(decide(made, Retention(keep_last=2), NOW)) == [ids[3], ids[2]]


def test_a_usual_policy_over_two_years_of_nights() -> None:
    policy = Retention(keep_last=2, keep_daily=3, keep_weekly=2, keep_monthly=3, keep_yearly=2)
    assert days_kept(decide(nights(730), policy, NOW)) == [
        "2026-11-20",
        "2026-11-19",
        "2026-11-18",
        "2026-11-15",  # the Sunday that ends week 46
        "2026-10-31",
        "2026-09-30",
        "2025-12-31",
    ]


# Days, weeks, months by the calendar of a zone


def test_s25_a_day_ends_at_midnight_of_the_zone() -> None:
    """23:30 in Zurich and 00:30 an hour later are two days there, and one in UTC."""
    made = [backup("2026-07-01T21:30"), backup("2026-07-01T22:30")]
    assert len(kept(decide(made, Retention(keep_daily=5), NOW))) == 1
    assert len(kept(decide(made, Retention(keep_daily=5, zone="Europe/Zurich"), NOW))) == 2


def test_s25_the_hour_that_comes_twice_is_one_day() -> None:
    """25 October 2026: 02:30 comes twice in Zurich; the second is the newer one."""
    made = [backup("2026-10-25T00:30"), backup("2026-10-25T01:30")]
    policy = Retention(keep_daily=5, zone="Europe/Zurich")
    assert kept(decide(made, policy, NOW)) == ["2026-10-25T01-30-00Z"]


def test_s25_a_day_of_23_hours_is_a_day() -> None:
    """29 March 2026 in Zurich runs from 23:00 to 22:00 UTC."""
    made = [backup(f"2026-03-{text}") for text in ("28T22:59", "28T23:00", "29T21:59", "29T22:00")]
    policy = Retention(keep_daily=9, zone="Europe/Zurich")
    assert kept(decide(made, policy, NOW)) == [
        "2026-03-29T22-00-00Z",
        "2026-03-29T21-59-00Z",
        "2026-03-28T22-59-00Z",
    ]


def test_s25_a_zone_that_skips_a_whole_day() -> None:
    """Samoa had no 30 December 2011: the nights before and after are two days, not three."""
    made = [backup("2011-12-30T09:00"), backup("2011-12-30T11:00")]
    policy = Retention(keep_daily=9, zone="Pacific/Apia")
    decisions = decide(made, policy, NOW)
    assert len(kept(decisions)) == 2
    assert "last of 2011-12-31" in reasons(decisions, made[1])
    assert "last of 2011-12-29" in reasons(decisions, made[0])


def test_s25_month_ends_and_the_leap_day() -> None:
    made = [
        backup(f"{day}T02:00") for day in ("2028-01-31", "2028-02-28", "2028-02-29", "2028-03-01")
    ]
    later = datetime(2028, 3, 2, tzinfo=UTC)
    assert days_kept(decide(made, Retention(keep_monthly=12), later)) == [
        "2028-03-01",
        "2028-02-29",
        "2028-01-31",
    ]


def test_s25_week_53_reaches_into_the_next_year() -> None:
    made = [
        backup(f"{day}T02:00") for day in ("2026-12-27", "2026-12-28", "2027-01-03", "2027-01-04")
    ]
    decisions = decide(made, Retention(keep_weekly=9), datetime(2027, 1, 5, tzinfo=UTC))
    assert days_kept(decisions) == ["2027-01-04", "2027-01-03", "2026-12-27"]
    assert "week 53 of 2026" in reasons(decisions, made[2])
    assert "week 1 of 2027" in reasons(decisions, made[3])


# What no rule decides


def test_s25_a_future_one_is_kept_and_reported_and_counts_for_nothing() -> None:
    ahead = backup("2026-12-20T02:00", proven=True)
    past = nights(3)
    decisions = decide([ahead, *past], Retention(keep_last=1), NOW)
    assert kept(decisions) == [ahead.backup_id, past[0].backup_id]
    assert reasons(decisions, ahead) == (
        "It is dated in the future, by 29 days: look at the clock of the machine that made it. It "
        "is kept, and counts for no rule."
    )


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (timedelta(minutes=11), "by 11 min:"),
        (timedelta(minutes=119), "by 119 min:"),
        (timedelta(hours=2), "by 2 h:"),
        (timedelta(days=1), "by 1 day:"),
    ],
)
def test_how_far_ahead_is_told_in_words(gap: timedelta, words: str) -> None:
    ahead = backup(NOW + gap)
    assert words in reasons(decide([ahead], Retention(keep_last=1), NOW), ahead)


@pytest.mark.parametrize("minutes", [0, 10])
def test_one_made_by_a_clock_that_is_a_little_ahead_is_not_of_the_future(minutes: int) -> None:
    decisions = decide([backup(NOW + timedelta(minutes=minutes))], Retention(keep_last=1), NOW)
    assert decisions[0].reasons == (
        "It is the newest complete backup of everything.",
        "It is one of the last 1 complete backups of everything.",
    )


def test_neither_partial_nor_subset_ones_push_a_full_one_out() -> None:
    full = nights(3)
    partial = [
        backup(found.at + timedelta(hours=1), complete=False) for found in full[1:]
    ]  # the newest is good
    subset = [backup(found.at + timedelta(hours=2), "instruments") for found in full]
    other = [backup(found.at + timedelta(hours=3), "markets") for found in full]
    decisions = decide([*full, *partial, *subset, *other], Retention(keep_last=2), NOW)
    assert set(kept(decisions)) == {
        found.backup_id for group in (full, partial, subset, other) for found in group[:2]
    }
    assert reasons(decisions, subset[0]) == (
        "It is one of the last 2 complete backups of instruments."
    )


def test_the_newest_proven_one_stays_however_old() -> None:
    made = nights(10)
    proven = backup(made[7].at - timedelta(minutes=1), proven=True)
    older = backup(made[8].at - timedelta(minutes=1), proven=True)
    decisions = decide([*made, proven, older], Retention(keep_last=1), NOW)
    assert kept(decisions) == [made[0].backup_id, proven.backup_id]
    assert reasons(decisions, proven) == "It is the newest one that a restore has proven."


def test_the_newest_good_one_stays_when_everything_newer_is_a_subset() -> None:
    good, subsets = nights(9)[8], [backup(found.at, "instruments") for found in nights(8)]
    decisions = decide([good, *subsets], Retention(keep_last=1), NOW)
    assert good.backup_id in kept(decisions)
    assert "newest complete backup of everything" in reasons(decisions, good)


def test_s24_nothing_is_removed_while_the_newest_is_partial() -> None:
    made = nights(5)
    bad = backup("2026-11-20T03:00", complete=False)
    subsets = [backup(found.at, "instruments", backup_id=f"s-{found.at}") for found in made]
    decisions = decide([bad, *made, *subsets], Retention(keep_last=1), NOW)
    assert {bad.backup_id, *(found.backup_id for found in made)} <= set(kept(decisions))
    assert len([name for name in kept(decisions) if name.startswith("s-")]) == 1
    assert reasons(decisions, made[4]) == (
        "Nothing of this coverage is removed while its newest backup, 2026-11-20T03-00-00Z, is "
        "PARTIAL."
    )


def test_s24_nothing_is_removed_while_the_newest_is_damaged() -> None:
    made = nights(5)
    bad = backup("2026-11-20T03:00", None)
    decisions = decide([bad, *made], Retention(keep_last=1), NOW)
    assert kept(decisions) == [bad.backup_id, *(found.backup_id for found in made)]
    assert "2026-11-20T03-00-00Z, is damaged." in reasons(decisions, made[4])


def test_a_damaged_one_is_left_to_a_person() -> None:
    made = nights(5)
    bad = backup("2026-11-16T03:00", None)
    decisions = decide([bad, *made], Retention(keep_last=1), NOW)
    assert kept(decisions) == [made[0].backup_id, bad.backup_id]
    assert reasons(decisions, bad) == (
        "Its manifest cannot be believed, so nobody knows what it holds. `armillary verify "
        "--backup 2026-11-16T03-00-00Z` says why, and whether it can be brought back; if not, "
        "delete its folder by hand."
    )


def test_no_backups_no_decisions() -> None:
    assert decide([], Retention(keep_last=1), NOW) == []


# Locks


def test_s26_a_lock_that_ends_too_early_is_told() -> None:
    assert lock_warning(Retention(keep_daily=14, keep_yearly=5), lock_days=7) == (
        "Backups are locked for 7 days, but the policy keeps each for 14 days at least (counting "
        "one a day). In between nothing stops an intruder or a slip from deleting them: lock them "
        "for 15 days or more."
    )


@pytest.mark.parametrize(
    ("policy", "needed"),
    [
        (Retention(keep_last=3), 4),
        (Retention(keep_daily=7), 8),
        (Retention(keep_weekly=4), 29),
        (Retention(keep_monthly=2), 57),
        (Retention(keep_yearly=1), 366),
    ],
)
def test_s26_a_day_of_margin(policy: Retention, needed: int) -> None:
    assert lock_warning(policy, needed) == ""
    assert f"lock them for {needed} days or more" in lock_warning(policy, needed - 1)


def test_s26_no_lock_is_no_matter() -> None:
    assert lock_warning(Retention(keep_last=3), None) == ""
    assert lock_warning(Retention(keep_last=3), 0) == ""


# Everything at once, against a model that is slow and plain

ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]
EPOCH = datetime(2024, 2, 20, tzinfo=UTC)
POLICIES = st.builds(
    Retention,
    keep_last=st.integers(0, 4),
    keep_daily=st.integers(0, 4),
    keep_weekly=st.integers(0, 4),
    keep_monthly=st.integers(0, 4),
    keep_yearly=st.integers(1, 3),
    zone=st.sampled_from(ZONES),
)


@st.composite
def stores(draw: st.DrawFn) -> list[Candidate]:
    """Backups over three years, in clusters of hours so that days and weeks are shared."""
    hours = draw(st.lists(st.integers(0, 24 * 40) | st.integers(0, 24 * 1100), max_size=40))
    return [
        Candidate(
            f"{number}",
            EPOCH + timedelta(hours=hour),
            draw(st.sampled_from(["full", "full", "full", "instruments", None])),
            complete=draw(st.sampled_from([True, True, False])),
            proven=draw(st.sampled_from([False, False, True])),
        )
        for number, hour in enumerate(sorted(set(hours)))
    ]


def monday(day: date) -> date:
    while day.weekday():
        day -= timedelta(days=1)
    return day


def model_keeps(one: Candidate, store: list[Candidate], policy: Retention, now: datetime) -> bool:
    """Asks of one backup alone whether it must stay, by counting what is newer."""
    now += timedelta(minutes=10)
    if one.at > now or one.coverage is None:
        return True
    past = [other for other in store if other.at <= now]
    newer = [other for other in past if other.at > one.at]
    good = [other for other in [one, *newer] if other.coverage == "full" and other.complete]
    if good == [one]:
        return True
    if one.proven and not any(other.proven for other in newer):
        return True
    of_kind = [other for other in past if other.coverage in {one.coverage, None}]
    newest = max(of_kind, key=lambda other: other.at)
    if newest.coverage is None or not newest.complete:
        return True
    rivals = [
        other
        for other in newer
        if other.coverage == one.coverage and other.complete == one.complete
    ]
    if len(rivals) < policy.keep_last:
        return True

    def day(found: Candidate) -> date:
        return found.at.astimezone(ZoneInfo(policy.zone)).date()

    def kept_by(count: int, period: Any) -> bool:
        later = {period(day(other)) for other in rivals}
        return period(day(one)) not in later and len(later) < count

    return (
        kept_by(policy.keep_daily, lambda found: found)
        or kept_by(policy.keep_weekly, monday)
        or kept_by(policy.keep_monthly, lambda found: found.replace(day=1))
        or kept_by(policy.keep_yearly, lambda found: found.year)
    )


@settings(max_examples=400, deadline=None)
@given(store=stores(), policy=POLICIES, past_days=st.integers(0, 1200))
def test_decisions_are_those_of_the_slow_model(
    store: list[Candidate], policy: Retention, past_days: int
) -> None:
    now = EPOCH + timedelta(days=past_days)
    decisions = decide(reversed(store), policy, now)
    assert [decision.backup_id for decision in decisions] == [
        one.backup_id for one in reversed(store)
    ]
    for one, decision in zip(reversed(store), decisions, strict=True):
        assert decision.keep == model_keeps(one, store, policy, now), (one, decision)
        assert decision.reasons


@settings(max_examples=200, deadline=None)
@given(store=stores(), policy=POLICIES, past_days=st.integers(0, 1200))
def test_what_a_policy_keeps_it_keeps_again(
    store: list[Candidate], policy: Retention, past_days: int
) -> None:
    """Pruning twice removes nothing the second time, or a night's prune would eat the store."""
    now = EPOCH + timedelta(days=past_days)
    left = set(kept(decide(store, policy, now)))
    remaining = [one for one in store if one.backup_id in left]
    assert set(kept(decide(remaining, policy, now))) == left
