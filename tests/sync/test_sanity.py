"""What is said of a delivery before anything is planned from it, at the level the feed sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from armillary.errors import FeedRefused
from armillary.feeds.sanity_definition import Sanity
from armillary.runs.memory import ColumnFacts, FeedMemory
from tests.sync.build import definition, planned
from tests.sync.deliveries import (
    delivered,
    found,
    judged,
    last,
    remembering,
    sane,
)


def test_a_first_delivery_has_nothing_to_be_compared_with() -> None:
    examined = found(delivered())
    assert (examined.warnings, examined.doubts) == ((), ())
    assert examined.columns["field.lot_size"] == ColumnFacts(30, None, commonest=1)
    assert examined.columns["field.exchange"] == ColumnFacts(30, "xasx", commonest=30)
    assert examined.columns["field.isin"] == ColumnFacts(0, None, commonest=0)


def test_f05_the_last_delivery_again_is_said() -> None:
    examined = found(delivered(), remembering(last("today")))
    assert examined.warnings == (
        "Look at the delivery: it is the last good delivery once more: the content is that of run "
        "run-1, applied on 2026-11-24 06:30 UTC.",
    )
    assert examined.doubts == ()


def test_f05_the_same_mark_of_the_server_is_the_same_delivery() -> None:
    source = replace(delivered(), fingerprint='"e-1"')
    examined = found(source, remembering(last(fingerprint='"e-1"')))
    assert "the server's mark of it is that of run run-1" in examined.warnings[0]
    assert found(source, remembering(last(fingerprint='"e-0"'))).warnings == ()
    assert found(delivered(), remembering(last(fingerprint=""))).warnings == ()


@pytest.mark.parametrize(
    "mark",
    ["1764100000 90", "1764100000.25 90", "Wed, 25 Nov 2026 02:00:00 GMT 90", "2026-11-25 02:00 9"],
)
def test_f05_a_time_and_a_size_prove_nothing(mark: str) -> None:
    source = replace(delivered(), fingerprint=mark)
    assert found(source, remembering(last(fingerprint=mark)), same_delivery="refuse").warnings == ()


def test_f05_it_can_be_refused() -> None:
    with pytest.raises(FeedRefused) as refused:
        found(delivered(), remembering(last("today")), same_delivery="refuse")
    assert str(refused.value) == (
        "vendor.csv: it is the last good delivery once more: the content is that of run run-1, "
        "applied on 2026-11-24 06:30 UTC (sanity.same_delivery: refuse). Nothing was written. Ask "
        "for the right delivery; if this is the right one, set that line of the feed to `hold` or "
        "`warn`."
    )


def test_off_says_nothing_and_a_run_of_chosen_records_is_only_told() -> None:
    memory = remembering(last("today"))
    assert found(delivered(), memory, same_delivery="off").warnings == ()
    for level in ("hold", "refuse"):
        examined = found(delivered(), memory, only=True, same_delivery=level)
        assert (len(examined.warnings), examined.doubts) == (1, ())


def test_hold_makes_the_plan_and_withholds_all_of_it_until_somebody_approves() -> None:
    limits = {"max_update_share": 1.0, "max_field_change_share": 1.0}
    feed_definition = definition(sanity={"same_delivery": "hold"}, limits=limits)
    held = judged(delivered(), remembering(last("today")), feed_definition)
    assert {entry.kind: entry.changes for entry in held.withheld} == {"create": 1, "update": 29}
    assert held.withheld_because["create"] == (
        "it is the last good delivery once more: the content is that of run run-1, applied on "
        "2026-11-24 06:30 UTC (sanity.same_delivery: hold)"
    )
    assert held.to_apply.is_empty()
    free = judged(delivered(), remembering(last()), feed_definition)
    assert (free.withheld, free.to_apply.height) == ((), 30)
    assert held.plan.digest == free.plan.digest, "what is held is the plan as it would be"
    assert len(planned(held.plan)) == 30


def history(*counts: int) -> FeedMemory:
    return remembering(*(last(f"d{place}", count) for place, count in enumerate(counts)))


@pytest.mark.parametrize(
    ("counts", "records", "said"),
    [
        ((60, 61, 62), 30, True),
        ((60, 60, 60), 31, False),
        ((20, 20, 20), 30, False),
        ((10, 11, 9), 30, True),
        ((1000, 60), 30, False),
        ((1000, *[31] * 9, 30), 30, False),
    ],
    ids=["half", "above half", "half more", "thrice", "short history", "one odd day"],
)
def test_f07_the_number_of_records_is_held_against_the_usual_one(
    counts: Sequence[int], records: int, said: bool
) -> None:
    warnings = found(delivered(records), history(*counts)).warnings
    assert bool(warnings) is said


def test_f07_the_number_is_said_with_the_median() -> None:
    assert found(delivered(30), history(61, 99, 80)).warnings == (
        "Look at the delivery: it has 30 records, and the last 3 good deliveries had 80 (median); "
        "the feed allows a difference of 50% (sanity.row_count_share).",
    )
    assert found(delivered(30), history(61, 99, 80), row_count_share=0.7).warnings == ()


def test_off_without_quotes_is_the_word() -> None:
    """YAML reads it as false."""
    assert Sanity.model_validate({"row_count": False}).row_count == "off"


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ({"row_count": "stop"}, "'off', 'warn', 'hold' or 'refuse'"),
        ({"calendar": "XNYS", "business_date": False}, "calendar has no effect"),
        ({"schemes": {"sector": "isin"}}, "sanity.schemes names the field 'sector'"),
        ({"schemes": {"isin": "ric"}}, "'isin', 'cusip', 'sedol', 'figi' or 'lei'"),
    ],
)
def test_wrong_keys_are_said(levels: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sane(**levels)
