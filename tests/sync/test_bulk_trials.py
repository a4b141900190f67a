"""One update is imported alone first: what it took is noticed, and put back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from armillary.errors import RunStopped
from armillary.restore.split import Part
from armillary.sync.apply import as_done
from armillary.sync.bulk.imports import BulkImports
from armillary.sync.bulk.sent import Sent
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.bulk_run import FEW, Written, bring, fates, job
from tests.sync.chain import open_client, seeded
from tests.sync.test_bulk_imports import ROWS, imported, updates


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


def test_a_number_in_another_shape_is_the_same_number(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    """A row says required fields in their canonical text: "0.5" of what stands there as "0.50"."""
    fields = [
        {"field_key": "isin"},
        {"field_key": "exchange"},
        {"field_key": "lot_size", "data_type": "number", "is_required": True},
        {"field_key": "listed_on", "data_type": "date"},
    ]
    types = [{"identifier": "equity", "fields": fields}]
    sim = make_simulator(workspaces=[{"slug": "demo", "instrument_types": types}])
    sim.seed(seeded(FEW))
    written = Written()
    with open_client(sim) as ptolemy:
        carried = updates(ptolemy, 25, "2021-02-03", field="listed_on")
        outcomes = bring(ptolemy, tmp_path, carried, written)
    assert fates(outcomes) == {Fate.APPLIED: 25}
    assert (written.repaired, written.notes) == ([], [])


def test_a_trial_that_did_not_end_well_says_nothing_of_others(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    sim.faults = [job(lost=True)]
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, updates(ptolemy, 60, "77"), written)
    assert fates(outcomes) == {Fate.NOT_ATTEMPTED: 60}
    assert written.repaired == []
    assert "did not end well" in written.breaker.stopped
    assert "bulk: {mode: never} in the feed plans them one by one" in written.breaker.stopped


def test_more_than_is_mended_is_not_written_alone_where_nobody_knows_the_calls_left(
    sim: Simulator, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    written = Written()
    with open_client(sim) as ptolemy:
        outcomes = bring(ptolemy, tmp_path, updates(ptolemy, 60, "77"), written, prepare=wiping)
    assert fates(outcomes)[Fate.NOT_ATTEMPTED] == 59
    assert "would take a call each, more than 30" in written.breaker.stopped
    assert isins(sim) == 60


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
