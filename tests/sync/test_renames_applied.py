"""Renames carried out: real HTTP against the simulator, no Prefect; and the real files."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from armillary.feeds.definition import FeedDefinition
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.loading import load_feed
from armillary.runs.record import Head
from armillary.sync.apply import apply_change, as_done
from armillary.sync.ground import Ground, survey
from armillary.sync.judged import JudgedPlan
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import Change, Plan, iter_changes
from armillary.sync.renames import in_waves
from armillary.sync.revert import read_now, revert_plan, touched
from simulator import Simulator
from tests.conftest import DATA
from tests.sync.build import planned
from tests.sync.chain import Row, csv_file, judged, open_client, seeded, vendor, vendor_rows

NOW = datetime(2026, 11, 25, 6, tzinfo=UTC)
ROWS = vendor_rows(30)
KEYS = ["isin"]
Done = list[tuple[Change, Outcome]]


def renamed(row: Row, identifier: str) -> dict[str, str]:
    return {**row, "id": identifier}


def planned_for(sim: Simulator, feed: FeedDefinition) -> JudgedPlan:
    with open_client(sim) as ptolemy:
        return judged(ptolemy, feed)


def applied(sim: Simulator, plan: Plan) -> Done:
    """In the order in which the flow applies one kind of change after another."""
    with open_client(sim) as ptolemy:
        ground = ground_of(sim, plan.instrument_type)
        return [
            (change, apply_change(ptolemy, ground, change))
            for part in in_waves(plan.changes)
            for change in iter_changes(part)
        ]


def ground_of(sim: Simulator, instrument_type: str = "equity") -> Ground:
    with open_client(sim) as ptolemy:
        return survey(ptolemy, workspace="demo", instrument_type=instrument_type)


def ids(sim: Simulator) -> dict[str, str]:
    """UUID by identifier of what is active."""
    with open_client(sim) as ptolemy:
        pages = list(ptolemy.instruments.list_pages())
    return {row["identifier"]: row["id"] for page in pages for row in page.rows}


def writes(sim: Simulator) -> dict[str, int]:
    reading = ("GET", "POST /instruments/filter", "POST /instruments/count")
    return {call: count for call, count in sim.calls().items() if not call.startswith(reading)}


def test_a_rename_is_one_patch_and_the_instrument_keeps_its_id(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    before = ids(sim)
    delivered = [renamed(ROWS[0], "new.ax") | {"lot": "77"}, *ROWS[1:]]
    feed = vendor(csv_file(tmp_path / "v.csv", delivered), stable_keys=KEYS)
    made = planned_for(sim, feed)
    sim.reset_calls()
    [(change, outcome)] = applied(sim, made.plan)
    assert (change.label, outcome.fate) == ("update new.ax", Fate.APPLIED)
    assert writes(sim) == {"PATCH /instruments/{id}": 1}
    assert made.cost.writing == {"update": 1}
    assert ids(sim) == {("new.ax" if k == "co0000.ax" else k): v for k, v in before.items()}
    assert outcome.echoes == ()
    assert planned(planned_for(sim, feed).plan) == []


def test_a_chain_and_its_revert_collide_nowhere(sim: Simulator, tmp_path: Path) -> None:
    """One instrument takes the identifier of the next, and so on: three of them in a row."""
    sim.seed(seeded(ROWS))
    before = ids(sim)
    moved = [renamed(ROWS[number], ROWS[number + 1]["id"]) for number in range(3)]
    feed = vendor(
        csv_file(tmp_path / "v.csv", [*moved, renamed(ROWS[3], "end.ax"), *ROWS[4:]]),
        stable_keys=KEYS,
    )
    made = planned_for(sim, feed).plan
    assert made.renames.height == 4
    done = applied(sim, made)
    assert {outcome.fate for _, outcome in done} == {Fate.APPLIED}
    after = ids(sim)
    assert after["end.ax"] == before["co0003.ax"]
    assert after["co0001.ax"] == before["co0000.ax"]
    undone = applied(sim, reverted(sim, feed, done))
    assert {outcome.fate for _, outcome in undone} == {Fate.APPLIED}
    assert ids(sim) == before


def reverted(sim: Simulator, feed: FileDefinition, done: Done) -> Plan:
    ground = ground_of(sim)
    entries = touched(as_done(*each) for each in done)
    types = {key: ground.data_types[key] for key in feed.fields}
    head = Head(
        run_id="r",
        made_at=NOW,
        mode="apply",
        feed=feed.name,
        workspace_id=ground.workspace_id,
        instrument_type="equity",
        scope={"exchange": ["xasx"]},
        fields=list(feed.fields),
        limits={},
        digest="",
        planned={},
        withheld={},
        forecast=0,
        approved=None,
        reverts=None,
    )
    with open_client(sim) as ptolemy:
        return revert_plan(head, entries, read_now(ptolemy, entries, types), active_in_scope=30)


def test_a_revert_of_a_rename_says_both_identifiers(sim: Simulator, tmp_path: Path) -> None:
    sim.seed(seeded(ROWS))
    feed = vendor(
        csv_file(tmp_path / "v.csv", [renamed(ROWS[0], "new.ax"), *ROWS[1:]]), stable_keys=KEYS
    )
    done = applied(sim, planned_for(sim, feed).plan)
    [change] = iter_changes(reverted(sim, feed, done).changes)
    assert change.label == "update co0000.ax"
    [entry] = change.changed
    assert (entry.field, entry.before, entry.after) == ("identifier", "new.ax", "co0000.ax")


def test_an_identifier_taken_meanwhile_rejects_the_rename_in_words(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    feed = vendor(
        csv_file(tmp_path / "v.csv", [renamed(ROWS[0], "new.ax"), *ROWS[1:]]), stable_keys=KEYS
    )
    made = planned_for(sim, feed)
    sim.seed(seeded([renamed(ROWS[0], "new.ax") | {"isin": "XX"}]))
    holder = ids(sim)["new.ax"]
    [(_, outcome)] = applied(sim, made.plan)
    assert outcome.fate is Fate.REJECTED
    assert outcome.reason == (
        f"it cannot be renamed: instrument {holder} has the identifier new.ax now. The next run "
        "plans it anew."
    )
    assert "co0000.ax" in ids(sim)


def test_a_rename_whose_answer_was_lost_is_not_done_twice(sim: Simulator, tmp_path: Path) -> None:
    sim.seed(seeded(ROWS))
    feed = vendor(
        csv_file(tmp_path / "v.csv", [renamed(ROWS[0], "new.ax"), *ROWS[1:]]), stable_keys=KEYS
    )
    made = planned_for(sim, feed)
    applied(sim, made.plan)
    [(_, again)] = applied(sim, made.plan)
    assert again.fate is Fate.APPLIED
    assert sorted(ids(sim)) == sorted(["new.ax", *(row["id"] for row in ROWS[1:])])


# Real files.

ASE = sorted((DATA / "financedatabase-ase").glob("*.csv.gz"))
RENAMES = sorted((DATA / "us-other-listed-renames").glob("*.csv.gz"))
RENAMED_IN_TEST = 40


def real_rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def ase_feed(path: Path) -> FileDefinition:
    return FileDefinition.model_validate(
        {
            "name": "ase",
            "url": str(path),
            "instrument_type": "equity",
            "identifier": "{symbol}",
            "name_template": "{name}",
            "fields": {
                "isin": "{isin}",
                "figi": "{figi}",
                "currency": "{currency}",
                "exchange": "{mic}",
            },
            "scope": {"exchange": ["XASE"]},
            "missing": "archive",
            "stable_keys": ["isin", "figi"],
        }
    )


@pytest.mark.skipif(not ASE, reason="the real files are not beside the project")
def test_real_instruments_with_other_tickers_are_one_patch_each_and_none_is_archived(
    sim: Simulator, tmp_path: Path
) -> None:
    """NYSE American as published, but forty that have an ISIN or a FIGI get new tickers."""
    rows = real_rows(ASE[-1])
    feed = ase_feed(tmp_path / "ase.csv")
    sim.seed([ase_seed(row) for row in rows])
    before = ids(sim)
    keyed = [row["symbol"] for row in rows if row["isin"] or row["figi"]]
    other = {symbol: f"{symbol}.NEW" for symbol in keyed[:: len(keyed) // RENAMED_IN_TEST]}
    csv_file(
        tmp_path / "ase.csv",
        [row | {"symbol": other.get(row["symbol"], row["symbol"])} for row in rows],
    )
    made = planned_for(sim, feed)
    assert made.plan.counts == {"restore": 0, "create": 0, "update": len(other), "archive": 0}
    assert made.plan.renames.height == len(other) >= RENAMED_IN_TEST
    assert (made.withheld, made.withheld_fields) == ((), ())
    sim.reset_calls()
    done = applied(sim, made.plan)
    assert {outcome.fate for _, outcome in done} == {Fate.APPLIED}
    assert writes(sim) == {"PATCH /instruments/{id}": len(other)}
    assert ids(sim) == {other.get(symbol, symbol): uuid for symbol, uuid in before.items()}
    assert planned(planned_for(sim, feed).plan) == []


def ase_seed(row: Row) -> dict[str, object]:
    values = {key: row[key] for key in ("isin", "figi", "currency") if row[key].strip()}
    return {
        "identifier": row["symbol"],
        "name": row["name"].strip(),
        "type_id": "equity",
        "field_values": values | {"exchange": row["mic"]},
    }


@pytest.mark.skipif(not RENAMES, reason="the real files are not beside the project")
def test_atus_that_became_optu_has_no_stable_key_and_a_person_is_told(
    sim: Simulator, tmp_path: Path
) -> None:
    """The plan is what the file says, one archive and one create; the note says how to notice."""
    example = load_feed(Path(__file__).parents[2] / "examples" / "us-other-listed.yaml")
    old, new = (real_rows(path) for path in RENAMES)
    sample = {row["ACT Symbol"] for row in old[::15]} | {"ATUS", "INFA"}
    appeared = {row["ACT Symbol"] for row in new} - {row["ACT Symbol"] for row in old}
    few = {"min_records": 1, "max_update_share": 1.0, "max_field_change_share": 1.0}
    feed = example.model_copy(
        update={
            "url": str(csv_file(tmp_path / "day.csv", chosen(old, sample))),
            "limits": example.limits.model_copy(update=few),
        }
    )
    applied(sim, planned_for(sim, feed).plan)
    csv_file(tmp_path / "day.csv", chosen(new, sample | appeared))
    made = planned_for(sim, feed)
    kinds = dict(zip(made.plan.changes["identifier"], made.plan.changes["kind"], strict=True))
    assert (kinds["ATUS"], kinds["OPTU"]) == ("archive", "create")
    assert made.plan.renames.is_empty()
    [note] = [warning for warning in made.warnings if warning.startswith("Perhaps renamed")]
    assert "ATUS (Altice USA, Inc. Class A Common Stock) is gone and" in note
    assert "OPTU (Optimum Communications, Inc. Class A common stock)" in note
    assert note.endswith(
        "If two are one instrument, change its identifier in Ptolemy before this plan is applied: "
        "then its history stays whole. If it is applied already, undo that run first."
    )


def chosen(rows: Sequence[dict[str, str]], symbols: set[str]) -> list[dict[str, str]]:
    return [row for row in rows if row["ACT Symbol"] in symbols]
