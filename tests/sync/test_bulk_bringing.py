"""Imports from the first file to the last repair: each change ends as exactly one outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from armillary.errors import ConfigurationError
from armillary.sync.bulk.imports import BulkImports
from armillary.sync.outcome import Fate
from armillary.sync.plan import CHANGES
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.bulk_run import FEW, Written, bring, fates, job
from tests.sync.chain import open_client, seeded
from tests.sync.test_bulk_imports import ROWS, creates, imported, updates


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
        ptolemy.instruments.create({**made, "name": "Another"})
        outcomes = bring(ptolemy, tmp_path, carried, written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert written.repaired == ["update co0003.ax", "create co0050.ax"]
    held = [row["identifier"] for row in sim.state()["instruments"]]
    assert sorted(held) == sorted(row["id"] for row in ROWS)


def test_more_that_moved_than_is_written_alone_needs_another_plan(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed([{**row, "name": "Another"} for row in seeded(ROWS)])
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert imported(sim) == 0
    assert written.breaker.stopped.startswith("60 of 60 changes fit the workspace no longer")


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
