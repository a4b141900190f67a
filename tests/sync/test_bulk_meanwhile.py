"""Beside a run that imports: other imports, other people, exports that tell nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from armillary.sync.bulk.imports import BulkImports
from armillary.sync.outcome import Fate
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.bulk_run import FEW, Written, bring, fates, job
from tests.sync.chain import open_client, seeded, vendor_rows
from tests.sync.test_bulk_imports import ROWS, creates, imported, updates


def test_what_a_run_that_was_killed_imported_is_done_already(
    sim: Simulator, tmp_path: Path
) -> None:
    """Its import goes on without it: what it stores is not sent again, and fails nobody."""
    written = Written()
    with open_client(sim) as ptolemy:
        rows = json.dumps(seeded(ROWS)).encode()
        ptolemy.imports.create(rows, resource_type="instruments", identifier_column="identifier")
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert imported(sim) == 1
    assert len(sim.state()["instruments"]) == 60


def test_an_import_of_others_that_does_not_end_leaves_single_requests(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.faults = [job(polls=1_000_000)]
    written = Written()

    def impatient(imports: BulkImports) -> None:
        ready = imports.ready

        def soon() -> int:
            patience = replace(imports._jobs.patience, deadline_seconds=0.05)
            imports._jobs = replace(imports._jobs, patience=patience)
            return ready()

        vars(imports)["ready"] = soon

    with open_client(sim) as ptolemy:
        ptolemy.imports.create(b"[]", resource_type="instruments", identifier_column="identifier")
        outcomes = bring(ptolemy, tmp_path, creates(FEW), written, prepare=impatient)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert imported(sim) == 1
    [note] = written.notes
    assert note.startswith("Imports cannot start (The import of instruments (job ")
    assert note.endswith("so changes were written one by one.")


def test_an_instrument_of_another_type_is_not_taken_over(sim: Simulator, tmp_path: Path) -> None:
    written = Written()
    with open_client(sim) as ptolemy:
        bond = {"identifier": ROWS[7]["id"], "name": "A bond", "type_id": "bond"}
        ptolemy.instruments.create({**bond, "field_values": {}})
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
        found = ptolemy.instruments.get(ROWS[7]["id"])
    assert fates(outcomes) == {Fate.APPLIED: 59, Fate.REJECTED: 1}
    [refused] = [each for each in outcomes if each.fate is Fate.REJECTED]
    assert "the identifier belongs to an instrument of another type" in refused.reason
    assert found["name"] == "A bond"


def test_a_name_that_was_mended_meanwhile_is_not_written_back(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    written = Written()
    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 40, "77")
        ptolemy.instruments.patch("co0005.ax", {"name": "Mended by a person"})
        outcomes = bring(ptolemy, tmp_path, carried, written)
        found = ptolemy.instruments.get("co0005.ax")
    assert fates(outcomes) == {Fate.APPLIED: 40}
    assert found["name"] == "Mended by a person"


@pytest.mark.parametrize("no_exports", ["refused", "no ids"])
def test_where_exports_tell_nothing_changes_are_looked_up(
    make_simulator: MakeSimulator, tmp_path: Path, no_exports: str
) -> None:
    """By pages it would be a call for every 200 instruments of the type, twice."""
    sim = make_simulator(**({"export_ids": "absent"} if no_exports == "no ids" else {}))
    sim.seed(seeded([row | {"id": f"zz{n}"} for n, row in enumerate(vendor_rows(3000))]))
    if no_exports == "refused":
        refused = {"method": "POST", "path": "/exports", "action": "status", "status": 403}
        sim.faults = [{**refused, "times": None}]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert written.repaired == []
    assert sum(sim.calls().values()) < 25
    [note] = written.notes
    assert note.startswith("No export tells what stands there (")


@pytest.mark.parametrize("lost", [{"action": "drop_before"}, {"action": "status", "status": 502}])
def test_the_export_of_the_look_is_not_taken_for_the_one_that_was_lost(
    sim: Simulator, tmp_path: Path, lost: dict[str, Any]
) -> None:
    sim.seed(seeded([row | {"id": f"zz{n}"} for n, row in enumerate(vendor_rows(1))]))
    sim.faults = [{"method": "POST", "path": "/exports", "nth": 2, **lost}]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert written.repaired == []


def test_an_export_that_is_an_old_one_is_read_again(sim: Simulator, tmp_path: Path) -> None:
    sim.seed(seeded([row | {"id": f"zz{n}"} for n, row in enumerate(vendor_rows(1))]))
    written = Written()
    answers = 0

    def old_first(imports: BulkImports) -> None:
        read_back, looked = imports.read_back, []
        look = imports.look

        def keep(carried: pl.DataFrame) -> Any:
            looked.append(look(carried))
            return looked[0]

        def old(carried: pl.DataFrame) -> Any:
            nonlocal answers
            answers += 1
            return looked[0] if answers == 1 else read_back(carried)

        vars(imports)["look"], vars(imports)["read_back"] = keep, old

    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, creates(ROWS), written, prepare=old_first)
    assert fates(outcomes) == {Fate.APPLIED: 60}
    assert (answers, written.repaired) == (2, [])
