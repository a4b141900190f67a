"""What is left of a plan, whatever the service calls it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from armillary.errors import AccessDenied
from armillary.restore.quota import Quota, item_price, read_quota
from simulator import Simulator
from tests.api.clocks import TodaysClock
from tests.backup.workspace import composites, seed
from tests.sync.chain import open_client

NOTHING = Quota(calls_left=None, items_left=None, overage=None)


def quota_of(sim: Simulator) -> Quota:
    with open_client(sim, clock=TodaysClock()) as ptolemy:
        return read_quota(ptolemy)


def quota_from(sim: Simulator, plan: Any) -> Quota:
    """What is read of an answer to ``GET /plan`` where no header tells the calls."""
    sim.configure(remaining_header="absent")
    sim.faults = [{"path": "/plan", "action": "status", "status": 200, "body": json.dumps(plan)}]
    return quota_of(sim)


def test_what_is_left_is_told_by_the_service(sim: Simulator) -> None:
    seed(sim)
    used = 30 + 2 + 27 + 3 + 1 + 120 + 60 * 5
    sim.configure(items=1_000, api_calls=5_000)
    found = quota_of(sim)
    assert found.items_left == 1_000 - used
    assert found.calls_left == 4_999
    assert found.overage is False


def test_no_limit_and_overage(sim: Simulator) -> None:
    sim.configure(items=None, overage=True)
    found = quota_of(sim)
    assert (found.items_left, found.overage) == (None, True)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_plan_that_is_not_shown_tells_nothing(sim: Simulator, status: int) -> None:
    sim.configure(remaining_header="absent")
    sim.faults = [{"path": "/plan", "action": "status", "status": status, "times": None}]
    assert quota_of(sim) == NOTHING


def test_a_token_that_is_refused_is_no_missing_plan(sim: Simulator) -> None:
    sim.faults = [{"path": "/plan", "action": "status", "status": 401, "times": None}]
    with pytest.raises(AccessDenied):
        quota_of(sim)


def test_a36_calls_are_told_by_the_plan_where_no_header_does(sim: Simulator) -> None:
    sim.configure(remaining_header="garbage", api_calls=100)
    assert quota_of(sim).calls_left == 99


@pytest.mark.parametrize(
    ("plan", "items_left", "calls_left"),
    [
        ({"data": {"database_items": {"used": 40, "limit": 100}}}, 60, None),
        ({"items_used": 40, "items_limit": 100, "calls_remaining": 7}, 60, 7),
        ({"usage": {"items": 40, "calls": 3}, "limits": {"items": 100, "calls": 9}}, 60, 6),
        ({"usage": {"items": {"used": 40, "limit": 100}}}, 60, None),
        ({"databaseItemsUsed": "40", "databaseItemsLimit": "100"}, 60, None),
        ({"dimensions": [{"name": "database_items", "used": 40, "max": 100}]}, 60, None),
        ({"items": {"available": 5, "used": 40, "limit": 100}}, 5, None),
        ({"items": {"used": 140, "limit": 100}}, 0, None),
        ({"items": {"used": 40, "limit": None}}, None, None),
        ({"items": {"used": 40, "limit": "unlimited"}}, None, None),
        ({"items": 40}, None, None),
        # Two numbers in one role: nobody can tell which is meant.
        ({"items": {"used": 40, "limit": 100}, "item_packs": {"limit": 3}}, None, None),
        ({"items": {"used": 40, "limit": 100}, "overage": {"items": {"limit": 7}}}, 60, None),
        ({"plan": "growth"}, None, None),
        ({}, None, None),
        ([], None, None),
    ],
)
def test_a_plan_is_read_whatever_its_keys_are(
    sim: Simulator, plan: Any, items_left: int | None, calls_left: int | None
) -> None:
    found = quota_from(sim, plan)
    assert (found.items_left, found.calls_left) == (items_left, calls_left)


@pytest.mark.parametrize(
    ("plan", "overage"),
    [
        ({"overage": True}, True),
        ({"overage": {"enabled": False}}, False),
        ({"overage_mode": "On"}, True),
        ({"overage": {"billed": 12}}, None),
        ({"plan": "starter"}, None),
    ],
)
def test_whether_overage_is_billed(sim: Simulator, plan: Any, overage: bool | None) -> None:
    assert quota_from(sim, plan).overage is overage


# What rows cost


def test_d9_a_composite_value_is_one_item_and_its_own(sim: Simulator) -> None:
    row = next(iter(composites(1, 1)))
    assert item_price("composite_time_series_values", row) == 5
    before = quota_used(sim)
    seed(sim)
    rows = 60
    others = 30 + 2 + 27 + 3 + 1 + 120
    assert quota_used(sim) - before == others + rows * 5


def quota_used(sim: Simulator) -> int:
    sim.configure(items=10_000)
    left = quota_of(sim).items_left
    assert left is not None
    return 10_000 - left


def test_d9_items_that_are_columns_count_where_they_have_a_value() -> None:
    row = {
        "id": "1",
        "instrument_id": "a",
        "type_id": "ohlcv-daily",
        "timestamp": "2026-04-15T00:00:00Z",
        "open": Decimal("1.10"),
        "high": "1.2",
        "volume": None,
        "close": "",
        "created_at": "2026-04-15T00:00:00Z",
        "archived_at": None,
    }
    assert item_price("composite_time_series_values", row) == 3


def test_every_other_row_is_one_item() -> None:
    assert item_price("instruments", {"identifier": "a", "field_values": {"x": 1, "y": 2}}) == 1
    assert item_price("time_series_values", {"value": "1"}) == 1


# Whether it suffices


def test_a_restore_that_the_plan_cannot_hold_is_refused_with_figures() -> None:
    quota = Quota(calls_left=400, items_left=10_000, overage=False)
    assert quota.refusal(calls=400, items=10_000) is None
    assert quota.refusal(calls=401, items=1) == (
        "The restore needs 401 calls, of which 400 are left in the billing period."
    )
    assert quota.refusal(calls=1_200, items=12_345) == (
        "The restore needs 1,200 calls, of which 400 are left in the billing period and 12,345 "
        "database items, of which 10,000 are left in the plan."
    )
    assert quota.billed(calls=1_200, items=12_345) is None


def test_with_overage_a_restore_is_billed_and_not_refused() -> None:
    quota = Quota(calls_left=400, items_left=10_000, overage=True)
    assert quota.refusal(calls=1_200, items=12_345) is None
    assert quota.billed(calls=1, items=12_345) == (
        "Overage is on and billed: the restore needs 12,345 database items, of which 10,000 are "
        "left in the plan."
    )
    assert quota.billed(calls=1, items=1) is None


def test_what_is_not_told_refuses_nothing() -> None:
    assert NOTHING.refusal(calls=10**9, items=10**9) is None
    assert NOTHING.billed(calls=10**9, items=10**9) is None
