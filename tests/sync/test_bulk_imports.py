"""Imports of a sync: what is sent, what is asked of a workspace, and what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from armillary.api.ptolemy import Ptolemy
from armillary.backup.job_runner import Patience
from armillary.errors import RunStopped
from armillary.restore.importing import ImportJobs
from armillary.runs.folder_store import FolderStore
from armillary.runs.under_way import ImportNote, UnderWay
from armillary.sync.bulk.exported import Exports
from armillary.sync.bulk.imports import BulkImports
from armillary.sync.bulk.sent import Sent
from armillary.sync.bulk.trial import Trial
from armillary.sync.ground import Ground, survey
from armillary.sync.plan import CHANGES
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client, seeded, vendor_rows

FIRST_POLL_SECONDS = 0.001
ROWS = vendor_rows(60)


def go_on() -> None:
    pass


@pytest.fixture
def ptolemy(sim: Simulator) -> Iterator[Ptolemy]:
    with open_client(sim) as client:
        yield client


def imports_of(
    ptolemy: Ptolemy,
    folder: Path,
    *,
    most_bytes: int = 1_000_000,
    stop: Any = go_on,
    under_way: UnderWay | None = None,
) -> tuple[BulkImports, Ground]:
    ground = survey(ptolemy, workspace="demo", instrument_type="equity")
    jobs = ImportJobs(
        ptolemy.imports,
        Patience(first_poll_seconds=FIRST_POLL_SECONDS, deadline_seconds=20),
        go_on=stop,
        folder=folder,
        run_id="0123456789",
        workspace_id=ground.workspace_id,
        under_way=under_way,
        whose="sync",
    )
    made = BulkImports(
        ptolemy,
        ground,
        jobs,
        Exports(FIRST_POLL_SECONDS, 20),
        folder=folder,
        may_send=go_on,
        most_bytes=most_bytes,
    )
    return made, ground


def creates(rows: list[dict[str, str]]) -> pl.DataFrame:
    return pl.DataFrame([_change("create", None, row) for row in rows], schema=CHANGES)


def updates(ptolemy: Ptolemy, count: int, value: str, *, field: str = "lot_size") -> pl.DataFrame:
    found = [row for page in ptolemy.instruments.list_pages() for row in page.rows][:count]
    changes = [
        {
            "kind": "update",
            "identifier": row["identifier"],
            "id": row["id"],
            "row": 2,
            "changed": [{"field": f"field.{field}", "before": "1", "after": value}],
        }
        for row in found
    ]
    return pl.DataFrame(changes, schema=CHANGES)


def _change(kind: str, record_id: str | None, row: dict[str, str]) -> dict[str, Any]:
    values = {"name": row["name"], "field.isin": row["isin"], "field.exchange": row["mic"]}
    entries = [{"field": key, "before": "", "after": value} for key, value in values.items()]
    return {"kind": kind, "identifier": row["id"], "id": record_id, "row": 2, "changed": entries}


def send(imports: BulkImports, carried: pl.DataFrame) -> Sent:
    sent = Sent()
    for part in imports.files(carried):
        imports.send(part, sent)
    return sent


def tried(imports: BulkImports, carried: pl.DataFrame) -> Trial:
    witness = imports.witness(carried)
    assert witness
    return imports.try_update(carried, witness, Sent())


def imported(sim: Simulator) -> int:
    return sum(e["method"] == "POST" and e["template"] == "/imports" for e in sim.log())


def test_creates_travel_in_files_and_are_read_back_by_one_export(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    imports, _ = imports_of(ptolemy, tmp_path, most_bytes=4000)
    carried = creates(ROWS)
    sent = send(imports, carried)
    back = imports.read_back(carried)
    assert (sent.rows, sent.files, imported(sim)) == (60, 3, 3)
    assert (back.right.height, back.undone) == (60, 0)
    exports = [entry for entry in sim.log() if entry["template"] == "/exports"]
    assert len(exports) == 1
    assert not [entry for entry in sim.log() if entry["template"] == "/instruments/filter"]


def test_rows_that_are_refused_are_known_by_their_place(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    imports, _ = imports_of(ptolemy, tmp_path, most_bytes=4000)
    carried = creates([row | {"isin": ""} if n == 50 else row for n, row in enumerate(ROWS)])
    broken = carried.with_columns(
        pl.when(pl.col("identifier") == "co0050.ax")
        .then(pl.lit([{"field": "field.lot_size", "before": "", "after": "x"}], CHANGES["changed"]))
        .otherwise(pl.col("changed"))
        .alias("changed")
    )
    sent = send(imports, broken)
    back = imports.read_back(broken)
    assert list(sent.reasons) == [50]
    assert back.absent["place"].to_list() == [50]
    assert back.right.height == 59


def test_a11_a_submit_whose_answer_was_lost_is_adopted_and_not_repeated(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    sim.faults = [{"method": "POST", "path": "/imports", "action": "drop_after"}]
    imports, _ = imports_of(ptolemy, tmp_path)
    assert imports.ready() == 0
    carried = creates(ROWS)
    sent = send(imports, carried)
    assert imported(sim) == 1
    assert not sent.broke
    assert imports.read_back(carried).undone == 0


def test_an_update_on_trial_shows_whether_imports_update(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS))
    imports, _ = imports_of(ptolemy, tmp_path)
    carried = updates(ptolemy, 30, "77")
    assert tried(imports, carried).why_not == ""
    assert sum(row["field_values"]["lot_size"] == "77" for row in sim.state()["instruments"]) == 1
    send(imports, carried)
    assert imports.read_back(carried).right.height == 30


def test_where_imports_refuse_what_exists_the_trial_says_so(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    """Contract D11, the other reading."""
    sim = make_simulator(import_duplicates="conflict")
    sim.seed(seeded(ROWS))
    with open_client(sim) as ptolemy:
        imports, _ = imports_of(ptolemy, tmp_path)
        trial = tried(imports, updates(ptolemy, 30, "77"))
    assert trial.why_not == (
        "the import of co0000.ax did not change what is there: lot_size (The row exists already)"
    )


def test_reading_back_goes_by_pages_where_an_export_cannot_be_used(
    make_simulator: MakeSimulator, tmp_path: Path
) -> None:
    sim = make_simulator(export_ids="absent")
    with open_client(sim) as ptolemy:
        imports, _ = imports_of(ptolemy, tmp_path)
        carried = creates(ROWS)
        send(imports, carried)
        assert imports.read_back(carried).right.height == 60


def test_an_import_is_noted_while_it_is_waited_for_and_cancelled_with_the_run(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    sim.configure(job_polls=1000)
    under_way = UnderWay(FolderStore(tmp_path / "runs"), "run r")
    seen: list[ImportNote] = []

    def stop() -> None:
        if imported(sim):
            seen.extend(note for note in under_way.notes() if isinstance(note, ImportNote))
            raise RunStopped("the run was cancelled")

    imports, ground = imports_of(ptolemy, tmp_path, stop=stop, under_way=under_way)
    with pytest.raises(RunStopped):
        send(imports, creates(ROWS))
    [job] = sim.store.imports.table.rows
    assert [note.job_id for note in seen] == [job.id]
    assert seen[0].workspace_id == ground.workspace_id
    assert job.status == "cancelled"
    assert under_way.notes() == []


def test_imports_that_another_run_left_end_first(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    ptolemy.imports.create(b"[]", resource_type="instruments", identifier_column="identifier")
    imports, _ = imports_of(ptolemy, tmp_path)
    assert imports.ready() == 1
    [job] = sim.store.imports.table.rows
    assert job.status == "completed"


def test_imports_of_other_things_are_not_waited_for(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    """A workspace may import time series all day."""
    sim.configure(job_polls=1000)
    ptolemy.imports.create(b"[]", resource_type="time_series_values")
    imports, _ = imports_of(ptolemy, tmp_path)
    assert imports.ready() == 0


def test_the_update_that_is_tried_is_one_that_can_lose_something(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    seeds = seeded(ROWS[:25])
    bare = [seed | {"field_values": {"lot_size": "1"}} for seed in seeds]
    full = seeds[10] | {"extras": {"note": "kept"}}
    sim.seed([*bare[:10], full, *bare[11:15], seeds[15], *bare[16:]])
    imports, _ = imports_of(ptolemy, tmp_path)
    carried = updates(ptolemy, 25, "77").sort("identifier")
    witness = imports.witness(carried)
    assert witness
    assert witness.change.identifier == "co0010.ax", "of those that hold as much, one with extras"
    assert {*witness.fields} == {"field.isin", "field.exchange", "field.listed_on"}
    ptolemy.instruments.archive("co0010.ax")
    another = imports.witness(carried)
    assert another
    assert another.change.identifier == "co0015.ax"
    ptolemy.instruments.archive("co0015.ax")
    assert imports.witness(carried) is None


def test_a_type_that_holds_nothing_is_counted_and_not_read(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    imports, _ = imports_of(ptolemy, tmp_path)
    before = Counter(sim.calls())
    back = imports.look(creates(ROWS))
    assert back.absent.height == len(ROWS)
    assert not back.right.height
    assert Counter(sim.calls()) - before == {"POST /instruments/count": 1}


def test_what_is_there_is_looked_at_by_an_export(
    sim: Simulator, ptolemy: Ptolemy, tmp_path: Path
) -> None:
    sim.seed(seeded(ROWS[:1]))
    imports, _ = imports_of(ptolemy, tmp_path)
    back = imports.look(creates(ROWS))
    assert back.absent.height == len(ROWS) - 1
    assert sim.calls()["POST /exports"]
