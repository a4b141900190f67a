"""A big workspace read by an export job, and what makes a reader go back to pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from armillary.api.ptolemy import Ptolemy
from armillary.errors import ExportDamaged
from armillary.feeds.file_definition import FileDefinition
from armillary.sync.bulk.exported import Exports
from armillary.sync.canonical import DataType
from armillary.sync.ground import Ground, survey
from armillary.sync.owners import find_owners
from armillary.sync.workspace import WorkspaceReading, read_workspace, relevant_types
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client, seeded, vendor, vendor_rows

ROWS = vendor_rows(230)
OTHERS = vendor_rows(5, mic="xnze")


def always(**changed: Any) -> FileDefinition:
    return vendor(Path("v.csv"), bulk={"mode": "always"} | changed)


def soon() -> Exports:
    return Exports(first_poll_seconds=0.001, deadline_seconds=20)


def filled(sim: Simulator) -> None:
    others = [row | {"id": f"nz{number}"} for number, row in enumerate(OTHERS)]
    sim.seed(seeded([*ROWS, *others]))


def read(ptolemy: Ptolemy, definition: FileDefinition) -> tuple[WorkspaceReading, Ground]:
    ground = survey(ptolemy, workspace="demo", instrument_type="equity")
    found = read_workspace(
        ptolemy, definition, ground, progress=lambda done, of: None, exports=soon()
    )
    return found, ground


def told(frame: pl.DataFrame) -> pl.DataFrame:
    """Without the type, which is named by identifier or by UUID (contract D2, N12)."""
    return frame.drop("type").sort("id")


def posted(sim: Simulator, path: str) -> int:
    return sum(entry["template"] == path and entry["method"] == "POST" for entry in sim.log())


def test_an_export_reads_what_pages_read(sim: Simulator) -> None:
    filled(sim)
    with open_client(sim) as ptolemy:
        by_pages, _ = read(ptolemy, always(mode="never"))
        assert by_pages.way == "by pages"
        assert posted(sim, "/exports") == 0
        pages = posted(sim, "/instruments/filter")
        by_export, _ = read(ptolemy, always())
    assert by_export.trusted
    assert by_export.way == "by an export job: 230 records, which are 2 pages"
    assert told(by_export.active).equals(told(by_pages.active))
    assert posted(sim, "/exports") == 1
    assert posted(sim, "/instruments/filter") == pages


@pytest.mark.parametrize(
    "switches",
    [
        {"export_fields": "flat", "export_shape": "wrapped"},
        {"export_fields": "extra_fields_snapshot", "export_references": "uuid"},
        {"export_archived_at": "absent", "export_key": "resource_type"},
    ],
)
def test_whatever_shape_an_export_has(make_simulator: MakeSimulator, switches: Any) -> None:
    sim = make_simulator(**switches)
    filled(sim)
    with open_client(sim) as ptolemy:
        found, _ = read(ptolemy, always())
        pages, _ = read(ptolemy, always(mode="never"))
    assert found.way.startswith("by an export job")
    assert told(found.active).equals(told(pages.active))


@pytest.mark.parametrize(
    ("switches", "script", "words"),
    [
        ({"export_ids": "absent"}, {}, "does not tell the UUIDs of its rows"),
        ({}, {"empty_file": True}, "0 instruments were read, but the workspace counts 230"),
        (
            {},
            {"status": "failed", "errors": [{"message": "out of memory"}]},
            "ended failed: out of memory",
        ),
        ({}, {"no_link": True}, "is completed and has no download link"),
    ],
)
def test_an_export_that_cannot_be_used_or_believed_is_no_reading(
    make_simulator: MakeSimulator, switches: Any, script: Any, words: str
) -> None:
    sim = make_simulator(**switches)
    filled(sim)
    if script:
        sim.faults = [{"method": "POST", "path": "/exports", "action": "job", "job": script}]
    with open_client(sim) as ptolemy:
        found, _ = read(ptolemy, always())
    assert found.way.startswith("by pages: the export")
    assert words in found.way
    assert found.trusted
    assert found.active.height == 230


def test_an_export_that_a_service_does_not_offer_is_no_reading(sim: Simulator) -> None:
    filled(sim)
    sim.faults = [
        {"method": "POST", "path": "/exports", "action": "status", "status": 404, "times": None}
    ]
    with open_client(sim) as ptolemy:
        found, _ = read(ptolemy, always())
    assert "the export could not be used" in found.way
    assert found.active.height == 230


def owners(ptolemy: Ptolemy, definition: FileDefinition, wanted: list[str]) -> pl.DataFrame:
    found, ground = read(ptolemy, definition)
    types = relevant_types(definition, ground)
    bulk = definition.bulk
    return find_owners(ptolemy, wanted, found.active, types, bulk=bulk, exports=soon())


def test_owners_of_many_identifiers_are_found_by_one_export(sim: Simulator) -> None:
    filled(sim)
    with open_client(sim) as ptolemy:
        ptolemy.instruments.archive("co0007.ax")
        wanted = ["co0007.ax", "NZ3", "new.ax"]
        before = posted(sim, "/exports")
        found = owners(ptolemy, always(), wanted)
        assert posted(sim, "/exports") == before + 2
        looked_up = owners(ptolemy, always(mode="never"), wanted)
    # Look-ups find what is written alike; an export shows case variants as well.
    assert told(looked_up).equals(told(found).filter(pl.col("archived")))
    assert dict(found.select("identifier", "archived").iter_rows()) == {
        "co0007.ax": True,
        "nz3": False,
    }


def test_an_export_that_lacks_the_archived_ones_proves_nothing(
    make_simulator: MakeSimulator,
) -> None:
    """Their identifiers would be made a second time, and history be forked (contract D5)."""
    sim = make_simulator(export_archived_at="absent")
    filled(sim)
    with open_client(sim) as ptolemy:
        ptolemy.instruments.archive("co0007.ax")
        found = owners(ptolemy, always(), ["co0007.ax"])
    assert found["archived"].to_list() == [True]


def test_a_lost_answer_of_an_export_is_found_in_the_list(sim: Simulator) -> None:
    filled(sim)
    sim.faults = [{"method": "POST", "path": "/exports", "action": "drop_after"}]
    with open_client(sim) as ptolemy:
        found, _ = read(ptolemy, always())
    assert found.way.startswith("by an export job")
    assert posted(sim, "/exports") == 1


def test_an_export_that_names_fields_another_way_is_not_read_as_blanks(
    make_simulator: MakeSimulator,
) -> None:
    sim = make_simulator(export_fields="flat")
    filled(sim)
    with open_client(sim) as ptolemy:
        with pytest.raises(ExportDamaged, match="does not tell the fields of its rows"):
            soon().read(ptolemy, {"ISIN": DataType.TEXT}, None, expected=235)
        some = {"ISIN": DataType.TEXT, "isin": DataType.TEXT}
        assert soon().read(ptolemy, some, None, expected=235).height == 235
        assert soon().read(ptolemy, {}, None, expected=235).height == 235


def test_an_export_answered_in_no_known_way_is_no_reading(sim: Simulator) -> None:
    filled(sim)
    sim.faults = [
        {
            "method": "POST",
            "path": "/exports",
            "action": "status",
            "status": 418,
            "times": None,
        }
    ]
    with open_client(sim) as ptolemy:
        found, _ = read(ptolemy, always())
    assert "the export could not be used (the contract knows no such answer)" in found.way
    assert found.active.height == 230
