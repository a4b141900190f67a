"""Renames beyond the plan: limits, approval, cost, result and report."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from armillary.feeds.definition import Limits
from armillary.runs.memory import EchoEntry, FeedMemory
from armillary.sync.approval import allowed_changes
from armillary.sync.conclude import conclude, remembered_after
from armillary.sync.existing import Existing
from armillary.sync.field_guard import judge_renames, without_fields
from armillary.sync.forecast import forecast
from armillary.sync.guards import Baseline
from armillary.sync.judged import judge_plan
from armillary.sync.matching import match
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import Plan
from armillary.sync.report import summary
from armillary.sync.rows import change_rows
from tests.sync.build import (
    definition,
    feed,
    ground,
    instrument,
    plan,
    record,
    workspace,
)

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
KEYED = definition(stable_keys=["isin"])


def many(count: int, beside: int = 0) -> Plan:
    """So many renames, and instruments beside them to which nothing happens."""
    same = range(1000, 1000 + beside)
    before = {n: f"old{n:03}" for n in range(count)} | {n: f"i{n}" for n in same}
    after = {n: f"new{n:03}" for n in range(count)} | {n: f"i{n}" for n in same}
    return plan(
        feed(*(record(named, isin=f"AU{n}", name="N") for n, named in after.items())),
        workspace(*(instrument(named, isin=f"AU{n}", name="N") for n, named in before.items())),
        feed_definition=KEYED,
    )


ANY_SHARE = Limits(max_archive_share=1.0)


@pytest.mark.parametrize(("renames", "withheld"), [(50, 0), (51, 51)])
def test_more_renames_than_the_feed_allows_are_withheld_whole(renames: int, withheld: int) -> None:
    made = many(renames)
    found = judge_renames(made, ANY_SHARE, Baseline())
    assert sum(entry.changes for entry in found) == withheld
    if found:
        assert found[0].reason == (
            "51 instruments would get another identifier; the feed allows 50 (limits.max_renames)"
        )
        assert without_fields(made.changes, ["identifier"]).is_empty()


@pytest.mark.parametrize(
    ("renames", "beside", "reason"),
    [
        (20, 80, ""),
        (
            21,
            79,
            "21 of 100 active records, 21%, would get another identifier, as if they were archived "
            "and created anew; the feed allows 20% (limits.max_archive_share)",
        ),
        (19, 0, ""),
    ],
    ids=["at the share", "above it", "a small set"],
)
def test_renames_of_a_larger_share_than_may_be_archived_are_withheld(
    renames: int, beside: int, reason: str
) -> None:
    """A template that was changed for half of a feed that is small."""
    found = judge_renames(many(renames, beside), Limits(), Baseline())
    assert [each.reason for each in found] == ([reason] if reason else [])


def test_an_approval_lets_the_very_same_renames_through() -> None:
    made = many(60)
    fields_found = judge_renames(made, ANY_SHARE, Baseline())
    to_apply, withheld, left = allowed_changes(made, [], None, fields_found)
    assert to_apply.is_empty()
    assert [(entry.kind, entry.changes, entry.reason) for entry in withheld] == [
        ("update", 60, "a renamed instrument waits with all its fields")
    ]
    assert [entry.changes for entry in left] == [60]
    to_apply, withheld, left = allowed_changes(made, [], made.changes.head(55), fields_found)
    assert to_apply.height == 55
    assert [entry.changes for entry in withheld] == [5]
    assert left[0].reason.startswith("5 of 60 are not in the approved plan")


def test_a_rename_costs_one_call_and_is_told_before_other_updates() -> None:
    made = plan(
        feed(record("a", lot_size="2"), record("newer", isin="AU1")),
        workspace(instrument("a", lot_size="1"), instrument("older", isin="AU1", name="X")),
        feed_definition=KEYED,
    )
    cost = forecast(made, ground(), reading={}, to_apply=made.changes)
    assert cost.writing == {"update": 2}
    [first, _] = change_rows(made, 10)
    assert first["identifier"] == "newer"
    assert first["fields"] == "identifier: older → newer; name: X → Name of newer"


def test_renames_are_counted_in_result_report_and_memory() -> None:
    source = feed(record("newer", isin="AU1", name="N"))
    existing = workspace(instrument("older", isin="AU1", name="N"))
    facts = Existing(existing, existing.active.clear(), match(source.records, existing.active))
    memory = FeedMemory(echoes=[EchoEntry("older", "field.lot_size", "5", "4")])
    owners = facts.owners.with_columns(archived=True)
    made = judge_plan(
        KEYED,
        ground(),
        source,
        Existing(existing, owners, facts.matching),
        memory,
        only=None,
        reading_calls={},
        remaining_calls=None,
    )
    outcomes = [Outcome("update", "newer", Fate.APPLIED, id="uuid-older")]
    result = conclude(
        made,
        outcomes,
        mode="apply",
        workspace="desk",
        run_id="run-1",
        breaker=None,
        calls_used=1,
        calls_remaining=None,
        record="here",
    )
    assert result.renames == {"planned": 1, "applied": 1}
    assert result.as_dict()["renames"] == {"planned": 1, "applied": 1}
    assert "of the updates, renames: 1" in summary(result)
    after = remembered_after(memory, made, outcomes, result, only=False, now=NOW)
    assert after.echoes == [EchoEntry("newer", "field.lot_size", "5", "4")]
