"""The limits: just below, at, just above; for each kind; as share and as number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from armillary.sync.guards import Baseline, Withheld, judge, too_many_rejects
from armillary.sync.plan import Plan
from armillary.sync.planner import Remembered
from tests.sync.build import definition, feed, instrument, plan, record, workspace


def existing(count: int) -> list[dict[str, Any]]:
    return [instrument(f"i{number:04}", lot_size="1") for number in range(count)]


def made(
    *,
    active: int,
    archives: int = 0,
    updates: int = 0,
    creates: int = 0,
    nameless: int = 0,
    trusted: bool = True,
    only: list[str] | None = None,
) -> Plan:
    kept = [f"i{number:04}" for number in range(archives, active)]
    records = [
        record(identifier, lot_size="2" if number < updates else "1")
        for number, identifier in enumerate(kept)
    ]
    records += [record(f"new{number:04}") for number in range(creates)]
    rejects: list[tuple[str | None, str]] = [(None, "no identifier")] * nameless
    return plan(
        feed(*records, rejects=rejects),
        workspace(*existing(active), trusted=trusted, doubt="" if trusted else "pages went round"),
        only=only,
    )


def verdict(
    made_plan: Plan,
    limits: Mapping[str, Any] | None = None,
    *,
    last: int | None = None,
    only: bool = False,
) -> dict[str, str]:
    used = definition(limits=limits or {}).limits
    found: list[Withheld] = judge(made_plan, used, Baseline(last), only=only)
    return {entry.kind: entry.reason for entry in found}


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("archives", "max_archive_share"),
        ("updates", "max_update_share"),
        ("creates", "max_create_share"),
    ],
)
def test_a_share_may_be_reached_but_not_passed(kind: str, limit: str) -> None:
    at = made(active=100, **{kind: 20})  # type: ignore[arg-type]
    above = made(active=100, **{kind: 21})  # type: ignore[arg-type]
    name = kind.removesuffix("s")
    assert name not in verdict(at, {limit: 0.2})
    assert verdict(above, {limit: 0.2})[name] == (
        f"21 {kind} of 100 active records are 21%; the feed allows 20% (limits.{limit})"
    )


@pytest.mark.parametrize("count", [3, 4])
def test_below_twenty_records_a_number_counts_instead(count: int) -> None:
    reasons = verdict(
        made(active=19, archives=count), {"max_archive_share": 1.0, "small_set_changes": 3}
    )
    assert bool(reasons) is (count > 3)
    at_twenty = verdict(made(active=20, archives=count), {"max_archive_share": 1.0})
    assert not at_twenty


def test_one_of_one_is_within_the_small_set() -> None:
    assert not verdict(plan(feed(record("other")), workspace(instrument("one"))))


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({"max_archives": 2}, "archive"),
        ({"max_creates": 2}, "create"),
    ],
)
def test_an_absolute_limit_holds_however_small_the_share(limits: dict[str, int], kind: str) -> None:
    counts: dict[str, Any] = {f"{kind}s": 3}
    [name] = limits
    reasons = verdict(made(active=1000, **counts), limits)
    assert reasons == {kind: f"3 {kind}s; the feed allows 2 (limits.{name})"}
    assert not verdict(made(active=1000, **(counts | {f"{kind}s": 2})), limits)


def test_a_first_load_is_never_withheld() -> None:
    assert not verdict(made(active=0, creates=50), {"max_creates": 10})


def test_creates_beside_withheld_archives_look_like_changed_identifiers() -> None:
    reasons = verdict(made(active=100, archives=90, creates=21))
    assert set(reasons) == {"archive", "create"}
    assert "it looks as if the identifiers changed" in reasons["create"]
    assert set(verdict(made(active=100, archives=90, creates=20))) == {"archive"}


def test_withheld_archives_leave_updates_alone() -> None:
    assert set(verdict(made(active=100, archives=50, updates=10))) == {"archive"}


def test_a_rejected_row_without_identifier_withholds_all_archives() -> None:
    reasons = verdict(made(active=100, archives=1, nameless=1))
    assert reasons["archive"].startswith("1 rejected row has no readable identifier")


def test_f07_a_shrunken_feed_archives_nothing() -> None:
    shrunken = made(active=100, archives=10)
    assert not verdict(shrunken, last=128)
    assert verdict(shrunken, last=129)["archive"] == (
        "the feed shrank from 129 records at its last good run to 90; it may shrink by 30% "
        "(limits.max_shrink_share)"
    )


def test_a28_an_untrusted_reading_archives_nothing() -> None:
    reasons = verdict(made(active=100, archives=1, trusted=False))
    assert reasons == {"archive": "the workspace could not be read reliably: pages went round"}


def test_only_uses_absolute_limits_alone() -> None:
    chosen = [f"i{number:04}" for number in range(60)]
    limited = made(active=60, updates=60, only=chosen)
    assert not verdict(limited, only=True)
    assert set(verdict(limited, only=False)) == {"update"}


def test_restores_have_a_number() -> None:
    owners = [instrument(f"r{n}", archived=True) for n in range(3)]
    restored = plan(
        feed(*(record(f"r{n}") for n in range(3))),
        workspace(*existing(100)),
        owners=owners,
        feed_definition=definition(missing="keep"),
        remembered=Remembered(frozenset(row["id"] for row in owners)),
    )
    assert set(verdict(restored, {"max_restores": 2})) == {"restore"}
    assert not verdict(restored, {"max_restores": 3})


def test_too_many_rejects_stops_everything() -> None:
    rejects: list[tuple[str | None, str]] = [("x", "damaged")] * 6
    hundred = plan(feed(*(record(f"r{n}") for n in range(94)), rejects=rejects), workspace())
    assert too_many_rejects(hundred, definition(limits={"max_reject_share": 0.06}).limits) == ""
    assert too_many_rejects(hundred, definition().limits) == (
        "6 of 100 rows of the source were rejected; the feed allows 5% (limits.max_reject_share)"
    )
