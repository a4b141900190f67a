"""Every record ends in exactly one place, and the place is the right one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.runs.memory import EchoEntry
from armillary.sync.existing import candidates
from armillary.sync.matching import match
from armillary.sync.plan import iter_changes
from armillary.sync.planner import Remembered, echoes_frame
from tests.sync.build import (
    definition,
    feed,
    ground,
    held,
    instrument,
    plan,
    planned,
    record,
    rejected,
    workspace,
)


def test_new_changed_equal_and_missing_records_are_told_apart() -> None:
    made = plan(
        feed(record("new"), record("same", lot_size="1"), record("other", lot_size="5")),
        workspace(
            instrument("same", lot_size="1.0"),
            instrument("other", lot_size="1"),
            instrument("gone"),
        ),
    )
    assert planned(made) == [("create", "new"), ("update", "other"), ("archive", "gone")]
    assert made.unchanged == 1
    changes = {change.identifier: change for change in iter_changes(made.changes)}
    [change] = changes["other"].changed
    assert (change.field, change.before, change.after) == ("field.lot_size", "1", "5")
    assert changes["other"].id == "uuid-other"
    assert changes["gone"].id == "uuid-gone"
    assert changes["new"].id is None


def test_a_null_leaves_the_field_alone_and_a_blank_clears_it() -> None:
    existing = workspace(instrument("a", isin="X"), instrument("b", isin="X"))
    made = plan(feed(record("a", isin=None), record("b", isin="")), existing)
    assert planned(made) == [("update", "b")]
    [change] = iter_changes(made.changes)
    assert [(entry.field, entry.before, entry.after) for entry in change.changed] == [
        ("field.isin", "X", "")
    ]


def test_a_create_sends_only_what_has_a_value() -> None:
    [change] = iter_changes(plan(feed(record("a", isin="", lot_size=None)), workspace()).changes)
    assert [entry.field for entry in change.changed] == ["name", "field.exchange"]


def test_a_name_that_differs_only_in_outer_blanks_is_no_change() -> None:
    made = plan(feed(record("a")), workspace(instrument("a", name="Name of a  ")))
    assert (planned(made), made.unchanged) == ([], 1)


def test_what_the_workspace_holds_against_its_own_type_is_an_update() -> None:
    made = plan(feed(record("a", lot_size="100")), workspace(instrument("a", lot_size="hundred")))
    [change] = iter_changes(made.changes)
    assert change.changed[0].before == "hundred"


def test_an_identifier_that_differs_only_in_case_is_held_and_its_twin_not_archived() -> None:
    made = plan(feed(record("bhp.ax")), workspace(instrument("BHP.AX")))
    assert planned(made) == []
    assert held(made) == {"bhp.ax": "differs only in case from BHP.AX, which the workspace has"}


def test_a_rejected_row_holds_its_instrument() -> None:
    made = plan(
        feed(record("a"), rejects=[("b", "lot_size: 'x' is not a number")]),
        workspace(instrument("a"), instrument("b")),
    )
    assert planned(made) == []
    assert held(made) == {"b": "its row was rejected: lot_size: 'x' is not a number"}


def test_a_rejected_row_in_another_case_still_counts_as_present() -> None:
    made = plan(
        feed(record("a"), rejects=[("B", "damaged")]), workspace(instrument("a"), instrument("b"))
    )
    assert planned(made) == []


def test_an_identifier_outside_the_scope_is_owned_elsewhere() -> None:
    made = plan(feed(record("a")), workspace(), owners=[instrument("a", exchange="xnse")])
    assert planned(made) == []
    assert rejected(made) == {
        "a": "owned elsewhere: the identifier belongs to an instrument outside the feed's scope"
    }


def test_f20_an_identifier_of_another_type_is_owned_elsewhere() -> None:
    for archived in (False, True):
        owner = instrument("a", type="t-2", archived=archived)
        made = plan(feed(record("a")), workspace(), owners=[owner])
        assert rejected(made) == {
            "a": "owned elsewhere: the identifier belongs to an instrument of another type"
        }


def test_an_active_record_the_first_reading_missed_is_updated_not_created() -> None:
    made = plan(
        feed(record("a", lot_size="5")), workspace(), owners=[instrument("a", lot_size="1")]
    )
    assert planned(made) == [("update", "a")]


def test_a_returning_instrument_is_restored_with_what_changed_meanwhile() -> None:
    ours = Remembered(archived_ids=frozenset({"uuid-a"}))
    owner = instrument("a", archived=True, lot_size="1")
    made = plan(feed(record("a", lot_size="5")), workspace(), owners=[owner], remembered=ours)
    [change] = iter_changes(made.changes)
    assert (change.kind, change.id, change.changed[0].after) == ("restore", "uuid-a", "5")


def test_an_instrument_archived_by_somebody_else_is_held() -> None:
    made = plan(feed(record("a")), workspace(), owners=[instrument("a", archived=True)])
    assert held(made) == {"a": "is archived in the workspace, and not by this feed"}


def test_returning_hold_holds() -> None:
    made = plan(
        feed(record("a")),
        workspace(),
        owners=[instrument("a", archived=True)],
        remembered=Remembered(archived_ids=frozenset({"uuid-a"})),
        feed_definition=definition(returning="hold"),
    )
    assert held(made) == {"a": "is archived, and the feed says returning: hold"}


def test_two_archived_instruments_of_one_identifier_are_held() -> None:
    owners = [instrument("a", id="u1", archived=True), instrument("a", id="u2", archived=True)]
    made = plan(feed(record("a")), workspace(), owners=owners)
    assert held(made) == {"a": "two archived instruments of the workspace have this identifier"}


@pytest.mark.parametrize("archived", [False, True])
def test_f19_a_reused_identifier_is_held_not_overwritten(archived: bool) -> None:
    row = instrument("a", isin="AU000000BHP4", archived=archived)
    made = plan(
        feed(record("a", isin="AU0000000RIO1")),
        workspace() if archived else workspace(row),
        owners=[row] if archived else [],
        remembered=Remembered(archived_ids=frozenset({"uuid-a"})),
        feed_definition=definition(stable_keys=["isin"]),
    )
    assert planned(made) == []
    assert held(made) == {
        "a": "its isin is AU000000BHP4 in the workspace and AU0000000RIO1 in the feed: the "
        "identifier seems reused for another instrument"
    }


def test_a_stable_key_that_is_blank_on_one_side_says_nothing() -> None:
    made = plan(
        feed(record("a", isin="AU000000BHP4")),
        workspace(instrument("a")),
        feed_definition=definition(stable_keys=["isin"]),
    )
    assert planned(made) == [("update", "a")]


def test_missing_keep_archives_nothing() -> None:
    made = plan(
        feed(record("a")),
        workspace(instrument("a"), instrument("gone")),
        feed_definition=definition(missing="keep"),
    )
    assert (planned(made), made.missing_kept) == ([], 1)


def test_only_limits_the_plan_and_never_archives() -> None:
    made = plan(
        feed(record("a", lot_size="2"), record("b", lot_size="2")),
        workspace(instrument("a"), instrument("b"), instrument("gone")),
        only=["a"],
    )
    assert planned(made) == [("update", "a")]


def test_a_create_without_a_required_field_is_rejected_before_it_costs_a_call() -> None:
    made = plan(
        feed(record("a", isin=None), record("b", isin="AU000000BHP4", name=None)),
        workspace(),
        facts=ground(required_fields=frozenset({"isin"})),
    )
    assert rejected(made) == {
        "a": "a new instrument needs a value for isin",
        "b": "a new instrument needs a value for name",
    }


def test_a33_what_reads_back_otherwise_is_not_sent_every_night() -> None:
    echoes = echoes_frame([EchoEntry("a", "field.lot_size", "1.23456789", "1.234568")])
    remembered = Remembered(echoes=echoes)
    same = workspace(instrument("a", lot_size="1.234568", isin="X"))
    source = feed(record("a", lot_size="1.23456789"))
    assert planned(plan(source, same, remembered=remembered)) == []
    other = feed(record("a", lot_size="1.23456789", isin="Y"))
    [change] = iter_changes(plan(other, same, remembered=remembered).changes)
    assert [entry.field for entry in change.changed] == ["field.isin"]
    moved = workspace(instrument("a", lot_size="7"))
    assert planned(plan(source, moved, remembered=remembered)) == [("update", "a")]


def test_candidates_are_neither_known_nor_case_variants() -> None:
    source = feed(record("a"), record("B"), record("c"))
    held_now = workspace(instrument("a"), instrument("b"))
    assert candidates(match(source.records, held_now.active)) == ["c"]


def test_the_digest_depends_on_the_changes_and_on_nothing_else() -> None:
    source = feed(record("a", lot_size="2"), record("b"))
    first = plan(source, workspace(instrument("a", lot_size="1")))
    other_ids = plan(source, workspace(instrument("a", id="another", lot_size="1.00")))
    assert first.digest == other_ids.digest
    changed = plan(feed(record("a", lot_size="3"), record("b")), workspace(instrument("a")))
    renamed = plan(
        source,
        workspace(instrument("a", lot_size="1")),
        feed_definition=definition(name="another vendor"),
    )
    assert len({first.digest, changed.digest, renamed.digest}) == 3


_IDS = st.sampled_from(["a", "b", "c", "d", "A", "B"])
_VALUES = st.sampled_from([None, "", "1", "2"])


@settings(max_examples=60, deadline=None)
@given(
    source=st.dictionaries(_IDS, _VALUES),
    active=st.dictionaries(_IDS, st.sampled_from(["", "1", "2"])),
    archived=st.dictionaries(_IDS, st.sampled_from(["", "1"])),
    bad=st.sets(_IDS),
)
def test_every_record_ends_in_exactly_one_place(
    source: dict[str, str | None], active: dict[str, str], archived: dict[str, str], bad: set[str]
) -> None:
    rows: list[Any] = [instrument(key, lot_size=value) for key, value in active.items()]
    owners: list[Any] = [
        instrument(key, id=f"old-{key}", archived=True, lot_size=value)
        for key, value in archived.items()
    ]
    usable = {key: value for key, value in source.items() if key not in bad}
    made = plan(
        feed(
            *(record(key, lot_size=value) for key, value in usable.items()),
            rejects=[(key, "damaged") for key in sorted(bad)],
        ),
        workspace(*rows),
        owners=owners,
        remembered=Remembered(archived_ids=frozenset({"old-a", "old-b"})),
    )
    changed = [key for kind, key in planned(made) if kind != "archive"]
    gone = [key for kind, key in planned(made) if kind == "archive"]
    lost = set(usable) - set(changed) - set(held(made)) - set(rejected(made))
    assert len(changed) == len(set(changed))
    assert len(lost) == made.unchanged
    assert all(key in active for key in lost)
    present = {key.lower() for key in {*usable, *bad}}
    assert sorted(gone) == sorted(key for key in active if key.lower() not in present)
    assert {key for kind, key in planned(made) if kind == "create"}.isdisjoint({*active, *archived})
