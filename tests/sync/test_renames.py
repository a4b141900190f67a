"""A vanished and a new record that share a stable key are one instrument (F19)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armillary.runs.memory import EchoEntry
from armillary.sync.canonical import DataType
from armillary.sync.existing import Existing
from armillary.sync.frames import InstrumentColumns
from armillary.sync.matching import match
from armillary.sync.plan import Plan, iter_changes
from armillary.sync.planner import Remembered, echoes_frame, make_plan
from armillary.sync.renames import in_waves
from armillary.sync.workspace import WorkspaceReading, relevant_types
from tests.sync.build import (
    definition,
    feed,
    ground,
    held,
    instrument,
    plan,
    planned,
    record,
    workspace,
)

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
KEYED = definition(stable_keys=["isin"])
TWO_KEYS = definition(
    stable_keys=["isin", "figi"],
    fields={"isin": "{isin}", "figi": "{figi}", "exchange": "{mic}", "lot_size": "{lot}"},
)


def fields(made: Plan, identifier: str) -> list[tuple[str, str, str]]:
    [change] = [each for each in iter_changes(made.changes) if each.identifier == identifier]
    return [(entry.field, entry.before, entry.after) for entry in change.changed]


def test_f19_a_vanished_and_a_new_record_with_one_isin_are_one_update() -> None:
    made = plan(
        feed(record("bhpx", isin="AU1", lot_size="5"), record("same", isin="AU2")),
        workspace(
            instrument("bhp", isin="AU1", lot_size="1", name="Name of bhpx"),
            instrument("same", isin="AU2"),
        ),
        feed_definition=KEYED,
    )
    assert planned(made) == [("update", "bhpx")]
    assert fields(made, "bhpx") == [
        ("identifier", "bhp", "bhpx"),
        ("field.lot_size", "1", "5"),
    ]
    assert made.changes["id"].to_list() == ["uuid-bhp"]
    assert (made.renames.height, made.unchanged, made.held.height) == (1, 1, 0)


def test_a_rename_is_one_also_where_missing_instruments_are_kept() -> None:
    made = plan(
        feed(record("bhpx", isin="AU1")),
        workspace(instrument("bhp", isin="AU1"), instrument("other", isin="AU9")),
        feed_definition=definition(stable_keys=["isin"], missing="keep"),
    )
    assert planned(made) == [("update", "bhpx")]
    assert made.missing_kept == 1, "the other one, which nothing renames"


def test_without_a_stable_key_nothing_is_renamed() -> None:
    """A blank key is no key either."""
    existing = workspace(instrument("bhp", isin="AU1"), instrument("rio"))
    both = feed(record("bhpx", isin="AU1"), record("riox", isin=""))
    two_each = [
        ("create", "bhpx"),
        ("create", "riox"),
        ("archive", "bhp"),
        ("archive", "rio"),
    ]
    assert planned(plan(both, existing)) == two_each
    ignoring = definition(stable_keys=["isin"], renames="ignore")
    assert planned(plan(both, existing, feed_definition=ignoring)) == two_each
    assert planned(plan(both, existing, feed_definition=KEYED)) == [
        ("create", "riox"),
        ("update", "bhpx"),
        ("archive", "rio"),
    ]


def test_a_feed_may_have_all_renames_held() -> None:
    made = plan(
        feed(record("bhpx", isin="AU1")),
        workspace(instrument("bhp", isin="AU1")),
        feed_definition=definition(stable_keys=["isin"], renames="hold"),
    )
    assert planned(made) == []
    assert held(made) == {
        "bhp": "may be bhpx of the feed by now: they share isin AU1, but the feed says renames: "
        "hold",
        "bhpx": "may be bhp under a new identifier: they share isin AU1, but the feed says "
        "renames: hold",
    }


def test_f15_damaged_identifiers_hold_all_renames() -> None:
    source = replace(feed(record("bhpx", isin="AU1")), doubt_of_identifiers="they are damaged")
    made = plan(source, workspace(instrument("bhp", isin="AU1")), feed_definition=KEYED)
    assert planned(made) == []
    assert held(made)["bhpx"] == (
        "may be bhp under a new identifier: they share isin AU1, but they are damaged"
    )


@pytest.mark.parametrize(
    ("records", "instruments", "why"),
    [
        (["a1", "a2"], ["a"], "several records of the feed have it"),
        (["a1"], ["a", "b"], "several records of the workspace have it"),
        (["a1", "c"], ["a"], "several records of the feed have it"),
    ],
    ids=["two new", "two vanished", "one that is known has it, too"],
)
def test_pairs_that_are_not_certain_are_held_on_both_sides(
    records: Sequence[str], instruments: Sequence[str], why: str
) -> None:
    existing = [instrument(each, isin="AU1") for each in instruments]
    if "c" in records:
        existing.append(instrument("c"))
    made = plan(
        feed(*(record(each, isin="AU1") for each in records)),
        workspace(*existing),
        feed_definition=KEYED,
    )
    assert {kind for kind, _ in planned(made)} <= {"update"}
    assert made.renames.is_empty()
    assert {*held(made)} == {*records, *instruments} - {"c"}
    assert all(reason.endswith(f"they share isin AU1, but {why}") for reason in held(made).values())


def test_keys_that_disagree_hold_both() -> None:
    made = plan_two_keys(
        {"identifier": "bhpx", "isin": "AU1", "figi": "F2"},
        {"identifier": "bhp", "isin": "AU1", "figi": "F1"},
    )
    assert planned(made) == []
    assert held(made)["bhpx"] == (
        "may be bhp under a new identifier: they share isin AU1, but their figi is F1 in the "
        "workspace and F2 in the feed"
    )


def test_one_key_is_enough_where_the_other_is_blank() -> None:
    made = plan_two_keys(
        {"identifier": "bhpx", "isin": "", "figi": "F1"},
        {"identifier": "bhp", "isin": "AU1", "figi": "F1"},
    )
    assert planned(made) == [("update", "bhpx")]


def test_two_keys_that_lead_to_two_instruments_hold_all_of_them() -> None:
    made = plan_two_keys(
        {"identifier": "new", "isin": "AU1", "figi": "F2"},
        {"identifier": "one", "isin": "AU1", "figi": ""},
        {"identifier": "two", "isin": "", "figi": "F2"},
    )
    assert planned(made) == []
    assert {*held(made)} == {"new", "one", "two"}
    assert held(made)["one"].endswith("one of them shares a stable key with yet another record")


def plan_two_keys(wanted: dict[str, str], *now: dict[str, str]) -> Plan:
    types = ground(data_types={**ground().data_types, "figi": DataType.TEXT})
    columns = InstrumentColumns(relevant_types(TWO_KEYS, types))
    columns.add([instrument(**each) for each in now])
    source = feed(record(**wanted), feed_definition=TWO_KEYS)
    reading = WorkspaceReading(columns.frame().drop("archived"), trusted=True)
    nobody = columns.frame().clear()
    matching = match(source.records, reading.active)
    return make_plan(
        TWO_KEYS, types, source, Existing(reading, nobody, matching), remembered=Remembered()
    )


def test_a_chain_is_carried_out_from_its_end() -> None:
    """A becomes b, b becomes c: each identifier is free when its turn comes."""
    made = plan(
        feed(record("b", isin="AU1"), record("c", isin="AU2"), record("z", lot_size="2")),
        workspace(
            instrument("a", isin="AU1"),
            instrument("b", isin="AU2"),
            instrument("z", lot_size="1"),
        ),
        feed_definition=KEYED,
    )
    assert planned(made) == [("update", "b"), ("update", "c"), ("update", "z")]
    assert fields(made, "b")[0] == ("identifier", "a", "b")
    assert fields(made, "c")[0] == ("identifier", "b", "c")
    waves = [part["identifier"].to_list() for part in in_waves(made.changes)]
    assert waves == [["c", "z"], ["b"]]
    assert held(made) == {}


def test_a_plan_without_chains_is_one_wave() -> None:
    made = plan(
        feed(record("b", isin="AU1")),
        workspace(instrument("a", isin="AU1")),
        feed_definition=KEYED,
    )
    assert [part.height for part in in_waves(made.changes)] == [1]


def test_instruments_that_exchange_identifiers_are_held() -> None:
    made = plan(
        feed(record("a", isin="AU2"), record("b", isin="AU1")),
        workspace(instrument("a", isin="AU1"), instrument("b", isin="AU2")),
        feed_definition=KEYED,
    )
    assert planned(made) == []
    assert held(made) == {
        "a": "may be b under a new identifier: they share isin AU2, but they would exchange "
        "identifiers with others",
        "b": "may be a under a new identifier: they share isin AU1, but they would exchange "
        "identifiers with others",
    }


def test_a_rename_onto_an_identifier_that_stays_taken_is_held_and_nothing_archived() -> None:
    """The feed gives bhp's identifier to another ISIN; bhp itself is nowhere any more."""
    made = plan(
        feed(record("bhp", isin="AU2")),
        workspace(instrument("bhp", isin="AU1"), instrument("rio", isin="AU2")),
        feed_definition=KEYED,
    )
    assert planned(made) == []
    assert held(made)["rio"].endswith("the identifier bhp is another instrument's, which keeps it")
    assert held(made)["bhp"].endswith("the identifier bhp is another instrument's, which keeps it")


def test_an_identifier_that_a_rename_frees_is_for_the_next_run() -> None:
    """The identifier goes from an old instrument to one that is new altogether."""
    made = plan(
        feed(record("bhp", isin="AU9"), record("bhpx", isin="AU1")),
        workspace(instrument("bhp", isin="AU1")),
        feed_definition=KEYED,
    )
    assert planned(made) == [("update", "bhpx")]
    assert held(made) == {
        "bhp": "its isin is AU1 in the workspace and AU9 in the feed: the identifier seems reused "
        "for another instrument"
    }


def test_a_feed_without_a_scope_renames_nothing_and_says_so() -> None:
    """What it does not have may be another feed's."""
    made = plan(
        feed(record("bhpx", isin="AU1")),
        workspace(instrument("bhp", isin="AU1")),
        feed_definition=definition(stable_keys=["isin"], missing="keep", scope=None),
    )
    assert planned(made) == [("create", "bhpx")]
    assert made.notes == (
        "1 new records share a stable key with an instrument that the feed does not have, for "
        "example bhpx with bhp. They count as two: only a feed with a scope knows which "
        "instruments are its own, and renames them.",
    )


def test_a_run_limited_to_one_record_renames_it() -> None:
    """Vanished is what the whole feed no longer has, not what the run leaves out."""
    made = plan(
        feed(record("bhpx", isin="AU1"), record("riox", isin="AU2"), record("a", isin="AU3")),
        workspace(
            instrument("bhp", isin="AU1"),
            instrument("rio", isin="AU2"),
            instrument("a", isin="AU3"),
        ),
        feed_definition=KEYED,
        only=["riox"],
    )
    assert planned(made) == [("update", "riox")]


def test_a_value_known_as_stored_otherwise_is_no_change_of_a_renamed_instrument() -> None:
    echoes = [EchoEntry("bhp", "field.lot_size", "5", "4")]
    made = plan(
        feed(record("bhpx", isin="AU1", lot_size="5", name="N")),
        workspace(instrument("bhp", isin="AU1", lot_size="4", name="N")),
        feed_definition=KEYED,
        remembered=Remembered(echoes=echoes_frame(echoes)),
    )
    assert fields(made, "bhpx") == [("identifier", "bhp", "bhpx")]


def test_a_plan_with_a_rename_has_another_digest_than_one_with_another_origin() -> None:
    def digest(before: str) -> str:
        existing = workspace(instrument(before, isin="AU1", name="N"))
        return plan(
            feed(record("new", isin="AU1", name="N")), existing, feed_definition=KEYED
        ).digest

    assert digest("one") != digest("two")
    assert digest("one") == digest("one")


def test_listings_that_share_an_isin_are_told_apart_by_the_key_of_their_own() -> None:
    made = plan_two_keys(
        {"identifier": "bhp2.xlon", "isin": "AU1", "figi": "F2"},
        {"identifier": "bhp.xasx", "isin": "AU1", "figi": "F1"},
        {"identifier": "bhp.xlon", "isin": "AU1", "figi": "F2"},
    )
    assert fields(made, "bhp2.xlon")[0] == ("identifier", "bhp.xlon", "bhp2.xlon")
    assert planned(made) == [("update", "bhp2.xlon"), ("archive", "bhp.xasx")]


# Whatever the two sides hold.

SIDE = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["", "1", "2", "3", "4"]))


@settings(max_examples=40, deadline=None, database=None)
@given(wanted=SIDE.filter(bool), now=SIDE, keep=st.booleans())
def test_every_record_ends_in_one_place_and_no_identifier_is_two_instruments_at_once(
    wanted: dict[str, str], now: dict[str, str], keep: bool
) -> None:
    made = plan(
        feed(*(record(each, isin=isin) for each, isin in wanted.items())),
        workspace(*(instrument(each, isin=isin) for each, isin in now.items())),
        feed_definition=definition(stable_keys=["isin"], missing="keep" if keep else "archive"),
    )
    renames = dict(made.renames.select("renamed_from", "identifier").iter_rows())
    reasons = held(made)
    for identifier in wanted:
        kinds = [kind for kind, named in planned(made) if named == identifier]
        assert len([kind for kind in kinds if kind != "archive"]) + (identifier in reasons) <= 1
    for identifier in wanted.keys() & now.keys():
        if wanted[identifier] and now[identifier] and wanted[identifier] != now[identifier]:
            # Another instrument's by now: it becomes that one, or waits.
            assert (identifier in reasons) != (identifier in renames.values())
    for old, new in renames.items():
        assert now[old] == wanted[new] != ""
        assert list(wanted.values()).count(wanted[new]) == list(now.values()).count(now[old]) == 1
    archived = {identifier for kind, identifier in planned(made) if kind == "archive"}
    assert not archived & (renames.keys() | reasons.keys() | wanted.keys())
    _carry_out(made, set(now))


def _carry_out(made: Plan, active: set[str]) -> None:
    """Each change in its turn, as the workspace would let it: an identifier is there once."""
    for kind in ("create", "update", "archive"):
        for part in in_waves(made.changes.filter(pl.col("kind") == kind)):
            freed = set()
            for change in iter_changes(part):
                before = {e.before for e in change.changed if e.field == "identifier"}
                if kind == "create" or before:
                    assert change.identifier not in active
                    active.add(change.identifier)
                    freed |= before
                if kind == "archive":
                    active.remove(change.identifier)
            active -= freed
