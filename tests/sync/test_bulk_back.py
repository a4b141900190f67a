"""Rows of import files, what an import of one update did, and what stands there afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from armillary.runs.record import Head
from armillary.sync.apply import as_done
from armillary.sync.bulk.back import applied, compare_back, only_ways, stored_otherwise
from armillary.sync.bulk.rows import files, present_values, row_of
from armillary.sync.bulk.trial import judge_trial, witness_of
from armillary.sync.outcome import Echo, Fate, Outcome
from armillary.sync.plan import CHANGES, Change, FieldChange, iter_changes
from armillary.sync.revert import revert_plan
from tests.sync.build import TYPES, frame, ground, instrument


def change(identifier: str, kind: str = "create", **after: str) -> dict[str, Any]:
    entries = [
        {"field": key if key == "name" else f"field.{key}", "before": "", "after": value}
        for key, value in after.items()
    ]
    record_id = f"uuid-{identifier}" if kind == "update" else None
    return {"kind": kind, "identifier": identifier, "id": record_id, "row": 2, "changed": entries}


def sent(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CHANGES)


# Rows


def test_a_row_says_what_changes_and_what_every_row_must_have(tmp_path: Path) -> None:
    facts = ground(required_fields=frozenset({"isin"}))
    there = frame([instrument("b.ax", name="B", isin="AU2")])
    present = present_values(there, facts)
    carried = sent(
        change("a.ax", name="A", isin="AU1", lot_size="1.5"), change("b.ax", "update", lot_size="2")
    )
    [part] = files(carried, facts, present, tmp_path)
    with part as file:
        assert json.load(file) == [
            {
                "identifier": "a.ax",
                "type_id": "t-1",
                "name": "A",
                "field_values": {"isin": "AU1", "lot_size": "1.5"},
            },
            {
                "identifier": "b.ax",
                "type_id": "t-1",
                "name": "B",
                "field_values": {"isin": "AU2", "lot_size": "2"},
            },
        ]


def test_files_hold_whole_rows_in_order_below_their_size(tmp_path: Path) -> None:
    carried = sent(*(change(f"co{number:04}.ax", isin="AU" * 20) for number in range(600)))
    found: list[str] = []
    for part in files(carried, ground(), {}, tmp_path, most_bytes=20_000):
        assert part.bytes <= 20_000
        assert part.first_row == len(found)
        with part as file:
            found += [row["identifier"] for row in json.load(file)]
    assert found == carried["identifier"].to_list()
    assert list(tmp_path.iterdir()) == []


def test_a_blank_of_the_workspace_is_not_sent() -> None:
    present = present_values(frame([instrument("a.ax", name="")]), ground())
    row = row_of(Change("update", "a.ax", "uuid-a.ax", 1, ()), ground(), present)
    assert "name" not in row


# Reading back


def test_each_change_is_right_otherwise_or_absent() -> None:
    stored = frame(
        [
            instrument("right.ax", isin="AU1", lot_size="1.50"),
            instrument("otherwise.ax", isin="au2"),
            instrument("another.ax", id="uuid-of-somebody", isin="AU3"),
            instrument("fund.ax", type="t-9", isin="AU5"),
            instrument("twice.ax", id="one", isin="AU6"),
            instrument("twice.ax", id="two", isin="AU6"),
        ]
    )
    carried = sent(
        change("right.ax", name="Name of right.ax", isin="AU1", lot_size="1.5"),
        change("otherwise.ax", isin="AU2"),
        change("another.ax", "update", isin="AU3"),
        change("missing.ax", isin="AU4"),
        change("fund.ax", isin="AU5"),
        change("twice.ax", isin="AU6"),
    )
    back = compare_back(carried, stored, ground())
    assert back.right["identifier"].to_list() == ["right.ax"]
    assert back.otherwise["identifier"].to_list() == ["otherwise.ax"]
    assert back.absent["identifier"].to_list() == [
        "another.ax", "missing.ax", "fund.ax", "twice.ax"
    ]  # fmt: skip
    assert back.undone == 5
    [(_, outcome)] = applied(back.right)
    assert (outcome.fate, outcome.id, outcome.echoes) == (Fate.APPLIED, "uuid-right.ax", ())
    [(_, outcome)] = applied(back.otherwise)
    assert outcome.echoes == (Echo("field.isin", "AU2", "au2"),)


def test_an_identifier_that_is_stored_in_another_case_is_the_same_record() -> None:
    """Contract N3."""
    stored = frame([instrument("a.ax", isin="AU1"), instrument("b.ax", isin="AU2")])
    back = compare_back(
        sent(change("A.AX", isin="AU1"), change("b.ax ", isin="AU9")), stored, ground()
    )
    assert back.right["found"].to_list() == ["uuid-a.ax"]
    assert back.otherwise["found"].to_list() == ["uuid-b.ax"]


def test_nothing_at_all_was_stored() -> None:
    back = compare_back(sent(change("a.ax", isin="AU1")), frame([]), ground())
    assert (back.right.height, back.otherwise.height, back.absent.height) == (0, 0, 1)


def test_records_that_differ_as_a_written_one_does_are_told_from_others() -> None:
    stored = frame(
        [
            instrument("a.ax", isin="au1"),
            instrument("b.ax", isin="au2", lot_size="7"),
            instrument("c.ax", isin="au3"),
        ]
    )
    carried = sent(
        change("a.ax", isin="AU1"),
        change("b.ax", isin="AU2", lot_size="8"),
        change("c.ax", isin="AU3"),
    )
    back = compare_back(carried, stored, ground())
    done = [outcome for _, outcome in applied(back.otherwise.head(1))]
    ways = stored_otherwise(back.otherwise.head(1), done)
    assert ways == {("field.isin", False)}
    assert only_ways(back.otherwise, ways).to_list() == [True, False, True]


def test_an_update_that_an_import_did_not_bring_is_no_way_of_storing() -> None:
    """Else it would be remembered as stored otherwise, and never be sent again."""
    stored = frame([instrument("a.ax", isin="new"), instrument("b.ax", isin="old")])
    carried = sent(change("a.ax", "update", isin="NEW"), change("b.ax", "update", isin="NEW"))
    carried = carried.with_columns(
        pl.lit(
            [{"field": "field.isin", "before": "old", "after": "NEW"}], CHANGES["changed"]
        ).alias("changed")
    )
    back = compare_back(carried, stored, ground())
    echo = applied(back.otherwise.head(1))[0][1]
    ways = stored_otherwise(back.otherwise.head(1), [echo])
    assert only_ways(back.otherwise, ways).to_list() == [True, False]


def test_a_way_that_writing_alone_mended_once_is_not_how_values_are_stored() -> None:
    stored = frame([instrument("a.ax", isin="old"), instrument("b.ax", isin="old")])
    carried = sent(change("a.ax", isin="AU1"), change("b.ax", isin="AU2"))
    back = compare_back(carried, stored, ground())
    kept, mended = (outcome for _, outcome in applied(back.otherwise))
    outcomes = [kept, replace(mended, echoes=())]
    assert stored_otherwise(back.otherwise, outcomes) == frozenset()
    refused = [replace(kept, fate=Fate.REJECTED, echoes=()), kept]
    assert stored_otherwise(back.otherwise.head(1), refused[:1]) == frozenset()
    assert only_ways(back.otherwise, frozenset()).to_list() == [False, False]


# The trial of one update

BEFORE = {
    "id": "u", "identifier": "a.ax", "name": "A", "type_id": "t-1", "archived_at": None,
    "extras": {"note": "kept"},
    "extra_fields_snapshot": {"isin": "AU1", "exchange": "xasx", "lot_size": "1"},
}  # fmt: skip
LOT = Change("update", "a.ax", "u", 2, (FieldChange("field.lot_size", "1", "2"),))


def after(**values: Any) -> dict[str, Any]:
    fields = {"isin": "AU1", "exchange": "xasx", "lot_size": "2"} | values.pop("fields", {})
    return {**BEFORE, "extra_fields_snapshot": fields, **values}


@pytest.mark.parametrize("lot", ["2", "2.00", "1.9999"])
def test_an_update_that_is_stored_shows_that_imports_update(lot: str) -> None:
    """Also one that is stored otherwise than it was sent."""
    trial = judge_trial(LOT, BEFORE, after(fields={"lot_size": lot}), TYPES)
    assert (trial.why_not, trial.put_back) == ("", None)


def test_an_import_that_changes_nothing_does_not_update() -> None:
    trial = judge_trial(LOT, BEFORE, BEFORE, TYPES)
    assert trial.why_not == "the import of a.ax did not change what is there: lot_size"
    assert trial.put_back is None
    assert trial.untouched


@pytest.mark.parametrize(
    ("taken", "words", "put_back"),
    [
        ({"fields": {"isin": None}}, "field.isin", {"field_values": {"isin": "AU1"}}),
        ({"extras": {}}, "extras", {"extras": {"note": "kept"}}),
        ({"name": ""}, "name", {"name": "A"}),
        ({"type_id": "t-2"}, "type", {"type_id": "t-1"}),
    ],
)
def test_an_import_that_takes_what_its_row_did_not_say_is_found_out(
    taken: dict[str, Any], words: str, put_back: dict[str, Any]
) -> None:
    trial = judge_trial(LOT, BEFORE, after(**taken), TYPES)
    assert trial.why_not == f"the import of a.ax changed what its row did not say: {words}"
    assert trial.put_back == put_back
    assert not trial.untouched


def test_a_witness_knows_what_its_row_does_not_say() -> None:
    row = {"identifier": "a.ax", "type_id": "t-1", "field_values": {"isin": "AU1", "lot_size": "2"}}
    witness = witness_of(LOT, BEFORE, row)
    assert witness.fields == {"field.exchange": "xasx"}
    assert witness.held == '{"exchange":"xasx","extras":{"note":"kept"}}'
    assert witness_of(LOT, {**BEFORE, "extra_fields_snapshot": {"isin": "AU1"}}, row).fields == {}


def test_what_an_interrupted_trial_took_is_put_back_by_a_revert() -> None:
    witness = witness_of(LOT, BEFORE, row_of(LOT, ground(), {}))
    recorded = witness.recorded(TYPES)
    done = as_done(recorded, Outcome("update", "a.ax", Fate.UNKNOWN, id="u"))
    head = msgspec.convert(
        {
            "run_id": "r", "made_at": "2026-01-01T00:00:00Z", "mode": "apply", "feed": "vendor",
            "workspace_id": "w", "instrument_type": "equity", "scope": None, "fields": [],
            "limits": {}, "digest": "", "planned": {}, "withheld": {}, "forecast": 0,
        },
        Head,
    )  # fmt: skip
    now = {
        "u": frame([instrument("a.ax", id="u", lot_size="2", exchange="xasx")]).row(0, named=True)
    }
    [undo] = iter_changes(revert_plan(head, [done], now, active_in_scope=1).changes)
    assert {(each.field, each.before, each.after) for each in undo.changed} == {
        ("field.lot_size", "2", "1"),
        ("field.isin", "", "AU1"),
    }
