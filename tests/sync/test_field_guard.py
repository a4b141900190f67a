"""One field that changes as a whole is withheld, and the rest of the same records goes on."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from armillary.sync.approval import allowed_changes
from armillary.sync.field_guard import judge_fields, shown_field, without_fields
from armillary.sync.guards import Withheld
from armillary.sync.plan import Plan, iter_changes
from tests.sync.build import definition, feed, instrument, plan, record, workspace

Values = dict[str, str]


def made(before: list[Values], after: list[Values]) -> Plan:
    """A plan of as many records as there are values, with these before and after."""
    existing = [instrument(f"i{n:04}", **values) for n, values in enumerate(before)]
    records = [record(f"i{n:04}", **values) for n, values in enumerate(after)]
    return plan(feed(*records), workspace(*existing))


def verdict(made_plan: Plan, **limits: float) -> dict[str, str]:
    used = definition(limits=limits).limits
    return {shown_field(entry.field): entry.reason for entry in judge_fields(made_plan, used)}


def of(count: int, **values: str) -> list[Values]:
    return [dict(values) for _ in range(count)]


def test_a_share_of_changes_may_be_reached_but_not_passed() -> None:
    before = of(100, lot_size="1")
    at = made(before, of(50, lot_size="2") + of(50, lot_size="1"))
    above = made(before, of(51, lot_size="2") + of(49, lot_size="1"))
    assert verdict(at) == {}
    assert verdict(above) == {
        "lot_size": "lot_size changes in 51 of 100 active records, 51%; the feed allows 50% "
        "(limits.max_field_change_share)"
    }
    assert verdict(above, max_field_change_share=0.6) == {}


def test_an_emptied_column_is_told_apart() -> None:
    before = of(100, lot_size="1")
    at = made(before, of(10, lot_size="") + of(90, lot_size="1"))
    above = made(before, of(11, lot_size="") + of(89, lot_size="1"))
    assert verdict(at) == {}
    assert verdict(above) == {
        "lot_size": "lot_size is emptied in 11 of 100 active records, 11%; the feed allows 10% "
        "(limits.max_field_clear_share)"
    }


@pytest.mark.parametrize(("values", "withheld"), [(1, True), (2, True), (3, False)])
def test_a_column_that_collapses_to_few_values(values: int, withheld: bool) -> None:
    before = [{"lot_size": str(100 + n)} for n in range(25)] + of(75, lot_size="1")
    after = [{"lot_size": str(n % values + 1)} for n in range(25)] + of(75, lot_size="1")
    told = verdict(made(before, after))
    assert bool(told) is withheld
    if values == 2:
        assert told["lot_size"] == (
            "lot_size gets 2 values where 25 of 100 active records have 25 now, 25%; the feed "
            "allows 20% (limits.max_field_collapse_share)"
        )


def test_one_value_for_another_is_no_collapse() -> None:
    assert verdict(made(of(100, lot_size="1"), of(40, lot_size="7") + of(60, lot_size="1"))) == {}


def test_small_sets_and_first_loads_are_left_to_the_other_guards() -> None:
    assert verdict(made(of(19, lot_size="1"), of(19, lot_size="2"))) == {}
    assert verdict(plan(feed(*(record(f"n{n}") for n in range(50))), workspace())) == {}


def both(**limits: float) -> tuple[Plan, list[Any]]:
    """Lot sizes change in 60 of 100 records; in 10 of these the ISIN does, too."""
    before = of(100, lot_size="1", isin="A")
    after = (
        of(10, lot_size="2", isin="B")
        + of(50, lot_size="2", isin="A")
        + of(40, lot_size="1", isin="A")
    )
    made_plan = made(before, after)
    return made_plan, judge_fields(made_plan, definition(limits=limits).limits)


def fields_of(changes: pl.DataFrame) -> dict[str, list[str]]:
    return {one.identifier: [entry.field for entry in one.changed] for one in iter_changes(changes)}


def test_the_other_fields_of_the_same_records_go_on() -> None:
    made_plan, fields = both()
    allowed, kinds, left = allowed_changes(made_plan, [], None, fields)
    assert set(fields_of(allowed)) == {f"i{n:04}" for n in range(10)}
    assert {field for found in fields_of(allowed).values() for field in found} == {"field.isin"}
    assert [(entry.field, entry.changes) for entry in left] == [("field.lot_size", 60)]
    assert [(entry.kind, entry.changes) for entry in kinds] == [("update", 50)]
    assert kinds[0].reason == "nothing else of them changes; lot_size: the field is withheld"


def test_an_approved_plan_lifts_the_field_of_its_own_changes() -> None:
    made_plan, fields = both()
    allowed, kinds, left = allowed_changes(made_plan, [], made_plan.changes, fields)
    assert allowed.equals(made_plan.changes)
    assert (kinds, left) == ([], [])


def test_what_is_not_in_the_approved_plan_stays_withheld() -> None:
    made_plan, fields = both()
    approved = made_plan.changes.filter(pl.col("identifier") < "i0020")
    allowed, kinds, left = allowed_changes(made_plan, [], approved, fields)
    assert allowed.height == 20
    assert all("field.lot_size" in found for found in fields_of(allowed).values())
    assert left[0].changes == 40
    assert left[0].reason.startswith("40 of 60 are not in the approved plan (lot_size changes in")
    assert kinds[0].changes == 40


def test_a_withheld_kind_and_a_withheld_field_are_counted_once_each() -> None:
    made_plan, fields = both()
    rest = without_fields(made_plan.changes, ["field.lot_size"])
    assert rest.height == 10
    over = [Withheld("update", 10, "10 updates are too many")]
    allowed, kinds, left = allowed_changes(made_plan, over, None, fields)
    assert allowed.is_empty()
    assert [(entry.kind, entry.changes) for entry in kinds] == [("update", 60)]
    assert [(entry.field, entry.changes) for entry in left] == [("field.lot_size", 60)]
    lifted, kinds, left = allowed_changes(made_plan, over, made_plan.changes, fields)
    assert lifted.equals(made_plan.changes)
    assert (kinds, left) == ([], [])


def test_what_cannot_be_lifted_is_not_lifted_by_way_of_a_field() -> None:
    made_plan, fields = both()
    fixed = [Withheld("update", 10, "no approval helps", liftable=False)]
    allowed, _, left = allowed_changes(made_plan, fixed, made_plan.changes, fields)
    assert allowed.is_empty()
    assert left[0].changes == 60


def test_what_the_first_run_wrote_does_not_keep_the_rest_from_being_approved() -> None:
    """The run that withheld a field has written the others: tomorrow's change is smaller."""
    made_plan, _ = both()
    again = made(
        of(10, lot_size="1", isin="B") + of(90, lot_size="1", isin="A"),
        of(10, lot_size="2", isin="B")
        + of(50, lot_size="2", isin="A")
        + of(40, lot_size="1", isin="A"),
    )
    fields = judge_fields(again, definition().limits)
    allowed, kinds, left = allowed_changes(again, [], made_plan.changes, fields)
    assert allowed.height == 60
    assert (kinds, left) == ([], [])


def test_a_smaller_create_is_not_the_one_that_was_approved() -> None:
    seen = plan(feed(record("new", isin="A", lot_size="1")), workspace())
    today = plan(feed(record("new", isin="A", lot_size=None)), workspace())
    over = [Withheld("create", 1, "too many")]
    assert allowed_changes(seen, over, seen.changes)[0].height == 1
    assert allowed_changes(today, over, seen.changes)[0].is_empty()


def test_the_name_of_a_record_and_a_field_called_name_are_two() -> None:
    assert (shown_field("name"), shown_field("field.name")) == ("name", "field.name")
    made_plan, _ = both()
    assert without_fields(made_plan.changes, ["name"]).equals(made_plan.changes)
