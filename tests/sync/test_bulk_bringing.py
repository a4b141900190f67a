"""Imports from the first file to the last repair: each change ends as exactly one outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from armillary.api.ptolemy import Ptolemy
from armillary.errors import ConfigurationError, RunStopped
from armillary.restore.split import Part
from armillary.sync.apply import apply_change, as_done
from armillary.sync.breaker import Breaker
from armillary.sync.bulk.bringing import Bringing
from armillary.sync.bulk.imports import BulkImports, Sent
from armillary.sync.ground import Ground
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES, Change, iter_changes
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client, seeded
from tests.sync.test_bulk_imports import ROWS, creates, go_on, imported, imports_of, updates

FEW = ROWS[:25]


class Written:
    """The plan being applied, without Prefect."""

    def __init__(self) -> None:
        self.breaker = Breaker(60, 0.05)
        self.notes: list[str] = []
        self.recorded: list[tuple[Change, Outcome]] = []
        self.repaired: list[str] = []

    def saw(self, outcome: Outcome) -> None:
        self.breaker.saw(outcome)

    def keep(self, done: Sequence[tuple[Change, Outcome]]) -> None:
        self.recorded += done


def bring(
    ptolemy: Ptolemy, folder: Path, carried: pl.DataFrame, written: Written, **given: Any
) -> list[Outcome]:
    imports, ground = imports_of(
        ptolemy,
        folder,
        most_bytes=given.pop("most_bytes", 1_000_000),
        stop=given.pop("stop", go_on),
    )
    given.pop("prepare", lambda _: None)(imports)
    facts: dict[str, Any] = {"most_repairs": 30} | given
    outcomes = Bringing(imports, written, _one_by_one(ptolemy, ground, written), **facts).bring(
        carried
    )
    assert len(outcomes) == carried.height
    assert {o.identifier for o in outcomes} == set(carried["identifier"])
    return outcomes


def _one_by_one(ptolemy: Ptolemy, ground: Ground, written: Written) -> Any:
    def write(changes: pl.DataFrame, *, look_first: bool) -> list[Outcome]:
        done = []
        for change in iter_changes(changes):
            written.repaired.append(change.label)
            outcome = apply_change(ptolemy, ground, change, look_first=look_first)
            written.saw(outcome)
            done.append(outcome)
        return done

    return write


def fates(outcomes: Sequence[Outcome]) -> dict[Fate, int]:
    return dict(Counter(outcome.fate for outcome in outcomes))


def job(**script: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/imports", "action": "job", "job": script}


def without_isin(number: int, value: str) -> pl.DataFrame:
    """Creates of which one has a lot size that is no number."""
    wrong = [{"field": "field.lot_size", "before": "", "after": value}]
    return creates(ROWS).with_columns(
        pl.when(pl.int_range(pl.len()) == number)
        .then(pl.lit(wrong, CHANGES["changed"]))
        .otherwise(pl.col("changed"))
        .alias("changed")
    )


def test_creates_are_applied_recorded_and_never_written_twice(
    sim: Simulator, tmp_path: Path
) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert all(outcome.id for outcome in outcomes)
    assert written.repaired == written.notes == []
    assert len(written.recorded) == 60
    assert len(sim.state()["instruments"]) == 60
    assert list(tmp_path.iterdir()) == []


def test_what_an_import_refuses_is_written_alone_and_then_refused_with_its_reason(
    sim: Simulator, tmp_path: Path
) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, without_isin(7, "much"), written)
    assert fates(outcomes) == {Fate.APPLIED: 59, Fate.REJECTED: 1}
    assert written.repaired == ["create co0007.ax"]
    [refused] = [outcome for outcome in outcomes if outcome.fate is Fate.REJECTED]
    assert "422" in str(refused.status)


def test_where_imports_carry_no_updates_they_are_written_one_by_one_and_said(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    sim = make_simulator(import_duplicates="conflict")
    sim.seed(seeded(ROWS))
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, updates(ptolemy, 25, "77"), written)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert len(written.repaired) == 25
    assert written.notes == [
        "Updates were written one by one, because an import does not carry them here: the import "
        "of co0000.ax did not change what is there: lot_size (The row exists already)."
    ]


def test_updates_that_would_cost_more_than_may_be_spent_are_left(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    sim = make_simulator(import_duplicates="conflict")
    sim.seed(seeded(ROWS))
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, updates(ptolemy, 25, "77"), written, most_calls=24)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 25}
    assert "25 of them would take a call each, and 24 calls may be spent" in written.breaker.stopped


def test_j04_a_job_that_fails_is_followed_by_one_with_what_is_missing(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.faults = [job(status="failed", errors=[{"message": "disk full"}])]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written, most_bytes=4000)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert any("disk full" in note for note in written.notes)
    assert imported(sim) == 3, "what failed had stored everything, so nothing was missing"


def test_j03_what_a_lost_job_did_is_read_back_and_the_rest_sent_once_more(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.faults = [job(lost=True)]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert imported(sim) == 2
    assert written.repaired == []
    assert len(sim.state()["instruments"]) == 60


def test_a_workspace_that_stores_values_its_own_way_is_not_written_to_for_ever(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    """A33: twenty are written alone; after that the others count as stored otherwise."""
    sim = make_simulator(text_case="upper")
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert len(written.repaired) == 20
    assert all(
        [(echo.field, echo.wanted, echo.stored) for echo in outcome.echoes]
        == [("field.exchange", "xasx", "XASX")]
        for outcome in outcomes
    )


def all_wrong(count: int) -> pl.DataFrame:
    """Creates of which so many have a lot size that is no number."""
    wrong = [{"field": "field.lot_size", "before": "", "after": "much"}]
    return creates(ROWS).with_columns(
        pl.when(pl.int_range(pl.len()) < count)
        .then(pl.lit(wrong, CHANGES["changed"]))
        .otherwise(pl.col("changed"))
        .alias("changed")
    )


def test_more_left_undone_than_is_mended_stops_the_run(sim: Simulator, tmp_path: Path) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, all_wrong(8), written, most_repairs=5)
    assert fates(outcomes) == {Fate.APPLIED: 52, Fate.REJECTED: 8}
    assert written.repaired == []
    assert written.breaker.stopped.startswith(
        "the imports left 8 of 60 changes undone, more than are mended one by one (5); the "
        "first: create co0000.ax: "
    )


def test_no_more_is_mended_than_calls_may_be_spent(sim: Simulator, tmp_path: Path) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, all_wrong(6), written, most_calls=10)
    assert fates(outcomes) == {Fate.APPLIED: 54, Fate.REJECTED: 6}
    assert written.repaired == []
    assert "more than are mended one by one (5, for the calls that may be spent)" in (
        written.breaker.stopped
    )


def test_the_sample_is_no_larger_than_calls_may_be_spent(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    sim = make_simulator(text_case="upper")
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written, most_calls=10)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert len(written.repaired) == 5


@pytest.mark.parametrize("status", [403, 404])
def test_where_imports_are_refused_changes_are_written_one_by_one(
    sim: Simulator, tmp_path: Path, status: int
) -> None:
    sim.faults = [refusal(status)]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(FEW), written, most_bytes=4000, most_calls=50)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert len(written.repaired) == 25
    assert imported(sim) == 1
    [note] = written.notes
    assert note.startswith("Imports are refused here (The import of instruments was refused: ")
    assert note.endswith(f"({status})), so changes were written one by one.")


def test_where_imports_are_refused_and_calls_do_not_suffice_nothing_was_stored(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.faults = [refusal(404)]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written, most_calls=119)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert "60 changes one by one would take up to 120 calls, and 119 may be spent" in (
        written.breaker.stopped
    )


def refusal(status: int) -> dict[str, Any]:
    fault = {"method": "POST", "path": "/imports", "action": "status", "status": status}
    return {**fault, "times": None}


def test_what_moved_since_the_plan_is_not_imported(sim: Simulator, tmp_path: Path) -> None:
    """An import would make an archived instrument a second time, and take over a new one."""
    sim.seed(seeded(ROWS[:40]))
    written = Written()
    with open_client(sim) as ptolemy:
        carried = pl.concat([updates(ptolemy, 40, "77"), creates(ROWS[40:])])
        ptolemy.instruments.archive("co0003.ax")
        [made] = seeded(ROWS[50:51])
        ptolemy.instruments.create(made)
        outcomes = bring(ptolemy, tmp_path, carried, written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert written.repaired == ["update co0003.ax", "create co0050.ax"]
    held = [row["identifier"] for row in sim.state()["instruments"]]
    assert sorted(held) == sorted(row["id"] for row in ROWS)


def test_more_that_moved_than_is_written_alone_needs_another_plan(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert imported(sim) == 0
    assert written.breaker.stopped.startswith("60 of 60 changes fit the workspace no longer")


def test_a_plan_made_while_others_imported_is_not_applied(sim: Simulator, tmp_path: Path) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        ptolemy.imports.create(b"[]", resource_type="instruments", identifier_column="identifier")
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert written.breaker.stopped == (
        "Imports of instruments were under way; this plan was made before they ended. Start the "
        "sync again: it plans anew."
    )


def test_a11_a_job_that_could_not_be_told_from_another_ends_before_rows_are_sent_again(
    sim: Simulator, tmp_path: Path
) -> None:
    written = Written()

    def somebody_imports(imports: BulkImports) -> None:
        look = imports.look

        def looked(carried: pl.DataFrame) -> Any:
            ptolemy.imports.create(b"[]", resource_type="instruments", identifier_column="id")
            sim.faults = [{"method": "POST", "path": "/imports", "action": "drop_after"}]
            return look(carried)

        vars(imports)["look"] = looked

    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written, prepare=somebody_imports)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert imported(sim) == 2, "somebody's and the lost one"
    assert len(sim.state()["instruments"]) == 60


# A trial


def wiping(imports: BulkImports) -> None:
    """Imports that empty what their rows do not say."""
    send, ptolemy = imports.send, imports._ptolemy

    def sent(part: Part, told: Sent) -> None:
        send(part, told)
        for row in [row for page in ptolemy.instruments.list_pages() for row in page.rows]:
            if row["extra_fields_snapshot"].get("lot_size") == "77":
                ptolemy.instruments.patch(row["id"], {"field_values": {"isin": None}})

    vars(imports)["send"] = sent


def isins(sim: Simulator) -> int:
    return sum(bool(row["field_values"].get("isin")) for row in sim.state()["instruments"])


def test_an_import_that_empties_fields_carries_no_updates(sim: Simulator, tmp_path: Path) -> None:
    sim.seed(seeded(FEW))
    written = Written()
    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 25, "77")
        outcomes = bring(ptolemy, tmp_path, carried, written, prepare=wiping)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert (imported(sim), isins(sim)) == (1, 25)
    assert "changed what its row did not say: field.isin" in written.notes[0]


def test_updates_of_which_none_can_lose_anything_are_not_tried(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed([seed | {"field_values": {"lot_size": "1"}} for seed in seeded(FEW)])
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, updates(ptolemy, 25, "77"), written)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert imported(sim) == 0
    assert (
        "no record looked at holds anything in a field that its row does not say"
        in (written.notes[0])
    )


def unknown_one(outcomes: Sequence[Outcome], written: Written) -> tuple[str, dict[str, str]]:
    """The reason of the one that nobody knows of, and what the run record says stood there."""
    assert fates(outcomes) == {Fate.UNKNOWN: 1, Fate.NOT_ATTEMPTED: 24}
    [outcome] = [each for each in outcomes if each.fate is Fate.UNKNOWN]
    entries = [as_done(*each) for each in written.recorded]
    last = [each for each in entries if each.identifier == outcome.identifier][-1]
    assert last.fate == "unknown"
    return outcome.reason, last.before


HELD = {
    "field.lot_size": "1",
    "field.isin": "AU0000000000",
    "field.exchange": "xasx",
    "field.listed_on": "2020-01-01",
}


@pytest.mark.parametrize(
    ("method", "harm"),
    [
        ("GET", {"action": "status", "status": 400, "after": 5}),
        ("PATCH", {"action": "status", "status": 400, "after": 1}),
    ],
)
def test_a_trial_that_breaks_off_leaves_one_unknown_with_what_it_held(
    sim: Simulator, tmp_path: Path, method: str, harm: dict[str, Any]
) -> None:
    """The look afterwards fails, or what the import took cannot be put back."""
    sim.seed(seeded(FEW))
    written = Written()
    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 25, "77")
        sim.faults = [{"method": method, "path": "/instruments/{id}", "times": None, **harm}]
        outcomes = bring(ptolemy, tmp_path, carried, written, prepare=wiping)
    reason, before = unknown_one(outcomes, written)
    assert before == HELD
    assert reason.startswith("co0000.ax was imported alone, on trial, when the run stopped (")
    assert '{"exchange":"xasx","isin":"AU0000000000","listed_on":"2020-01-01"}' in reason


@pytest.mark.parametrize("end", [RunStopped("the lease was lost"), KeyboardInterrupt()])
def test_a_trial_that_is_interrupted_is_in_the_run_record(
    sim: Simulator, tmp_path: Path, end: BaseException
) -> None:
    sim.seed(seeded(FEW))
    written = Written()

    def stop() -> None:
        if imported(sim):
            raise end

    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 25, "77")
        if isinstance(end, RunStopped):
            _, before = unknown_one(bring(ptolemy, tmp_path, carried, written, stop=stop), written)
        else:
            with pytest.raises(KeyboardInterrupt):
                bring(ptolemy, tmp_path, carried, written, stop=stop)
            [(change, outcome)] = written.recorded
            assert outcome.fate is Fate.UNKNOWN
            before = as_done(change, outcome).before
    assert before == HELD


def test_a_trial_whose_rows_were_not_sent_leaves_nothing_unknown(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(FEW))
    written = Written()

    def no_more(imports: BulkImports) -> None:
        def may_send() -> None:
            raise RunStopped("the lease was lost")

        imports._may_send = may_send

    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 25, "77")
        outcomes = bring(ptolemy, tmp_path, carried, written, prepare=no_more)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 25}


@pytest.mark.parametrize(("left", "why"), [("xasx", ""), ("xjpx", "refused")])
def test_updates_that_jobs_did_not_bring_are_not_taken_for_stored_otherwise(
    make_simulator: MakeSimulator, tmp_path: Path, left: str, why: str
) -> None:
    """They would be remembered, and never be sent again."""
    sim = make_simulator(text_case="upper")
    sim.seed(seeded(FEW))
    written = Written()
    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 25, "77").with_columns(
            pl.lit(
                [{"field": "field.exchange", "before": "XASX", "after": "xnze"}],
                CHANGES["changed"],
            ).alias("changed")
        )
        put_back = partial(undoing, last=2, left=left, why=why)
        outcomes = bring(ptolemy, tmp_path, carried, written, prepare=put_back)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert len(written.repaired) == 20 + 2
    held = [row["field_values"]["exchange"] for row in sim.state()["instruments"]]
    assert held == ["xnze"] * 25


def undoing(imports: BulkImports, *, last: int, left: str, why: str) -> None:
    """Imports that do not bring about the last few of their rows, and may say why."""
    send, ptolemy = imports.send, imports._ptolemy

    def sent(part: Part, told: Sent) -> None:
        send(part, told)
        if part.rows > 1:
            for row in FEW[-last:]:
                ptolemy.instruments.patch(row["id"], {"field_values": {"exchange": left}})
            if why:
                told.reasons |= dict.fromkeys(range(part.rows - last, part.rows), why)

    vars(imports)["send"] = sent


@pytest.mark.parametrize(("status", "fate"), [(401, Fate.UNKNOWN), (403, Fate.UNKNOWN)])
def test_a_refused_token_ends_it_at_once(
    sim: Simulator, tmp_path: Path, status: int, fate: Fate
) -> None:
    sim.faults = [
        {"method": "POST", "path": "/imports", "action": "status", "status": status, "nth": 2}
    ]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written, most_bytes=4000)
    found = fates(outcomes)
    assert found[fate] + found[Fate.NOT_ATTEMPTED] == 60
    assert found[Fate.NOT_ATTEMPTED] > 0
    assert str(status) in written.breaker.stopped


def test_nothing_is_sent_by_a_run_that_stopped_before(sim: Simulator, tmp_path: Path) -> None:
    written = Written()
    written.breaker.halt("the lease was lost")
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert imported(sim) == 0


def test_a_disk_that_is_full_is_told(sim: Simulator, tmp_path: Path) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path / "gone", creates(ROWS), written)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert "cannot be written to" in written.breaker.stopped
    assert ConfigurationError.__name__ not in written.breaker.stopped


@pytest.mark.parametrize("preset", ["guide", "reference", "hostile"])
def test_whichever_reading_of_the_documents_is_right(
    make_simulator: MakeSimulator, tmp_path: Path, preset: str
) -> None:
    sim = make_simulator(preset, fault_rates={})
    written = Written()
    with open_client(sim) as ptolemy:
        made = bring(ptolemy, tmp_path, creates(ROWS), written)
        assert fates(made) == {Fate.APPLIED: 60}
        assert written.repaired == []
        changed = bring(ptolemy, tmp_path, updates(ptolemy, 25, "77"), written)
        assert fates(changed) == {Fate.APPLIED: 25}
    held = sim.state()["instruments"]
    assert len(held) == 60
    assert sum(row["field_values"].get("lot_size") == "77" for row in held) == 25
