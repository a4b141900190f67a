"""Whatever reading of the documentation is true, the plan is the same plan.

Every key of the simulator's switches, turned alone to each of its readings, and every preset: the
same workspace and the same feed give the same digest, and the same archives are withheld or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from armillary.runs.memory import FeedMemory
from armillary.sync.judged import JudgedPlan
from simulator import Simulator
from simulator.switches import AnswerSwitches, JobSwitches, ReadSwitches, WriteSwitches
from tests.conftest import MakeSimulator
from tests.sync.chain import apply_all, csv_file, judged, open_client, seeded, vendor, vendor_rows

NUMBERS = [
    ("page_limit_max", 100),
    ("page_limit_max", 500),
    ("ids_max", 3),
    ("ids_max", 1000),
    ("max_body_bytes", 100_000),
]
NO_READING_OF_A_READ = {
    "text_case": "A33, not a D or N row: an upper-cased scope field is another scope (see test_a33)"
}


def readings() -> Iterator[tuple[str, Any]]:
    for group in (AnswerSwitches, ReadSwitches, WriteSwitches, JobSwitches):
        for key, field in group.model_fields.items():
            if key in NO_READING_OF_A_READ:
                continue
            if get_origin(field.annotation) is Literal:
                yield from ((key, value) for value in get_args(field.annotation))
            elif field.annotation is bool:
                yield from ((key, value) for value in (True, False))
    yield from NUMBERS


ROWS = vendor_rows(430)
YESTERDAY = [*ROWS[:410], ROWS[410] | {"lot": "7"}, ROWS[411] | {"lot": "411.500000"}]
TODAY = [*ROWS[5:420], ROWS[421] | {"isin": ""}]


def filled(sim: Simulator) -> FeedMemory:
    """Yesterday's records; two archived, one by this feed; two owned by others."""
    records = seeded(YESTERDAY)
    records += [seeded([ROWS[index]])[0] | {"archived": True} for index in (415, 416)]
    records += [
        seeded([ROWS[417] | {"mic": "xnse"}])[0],
        {"identifier": ROWS[418]["id"], "name": "A bond", "type_id": "bond", "field_values": {}},
    ]
    sim.seed(records)
    with open_client(sim) as admin:
        archived = {
            row["identifier"]: row["id"]
            for page in admin.instruments.list_pages(archived="true", limit=100)
            for row in page.rows
            if row["archived_at"]
        }
    return FeedMemory(archived={archived[ROWS[415]["id"]]: "run"})


def made(sim: Simulator, path: Path) -> JudgedPlan:
    memory = filled(sim)
    with open_client(sim) as ptolemy:
        return judged(ptolemy, vendor(csv_file(path, TODAY)), memory=memory)


def told(found: JudgedPlan) -> dict[str, Any]:
    """All of a plan that must not depend on a reading."""
    plan = found.plan
    return {
        "digest": plan.digest,
        "counts": plan.counts,
        "unchanged": plan.unchanged,
        "held": plan.held.rows(),
        "rejects": plan.rejects.select("identifier", "reason").rows(),
        "withheld": found.withheld,
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with Simulator() as sim:
        return told(made(sim, tmp_path_factory.mktemp("feed") / "v.csv"))


def test_the_plan_is_the_one_a_person_would_make(expected: dict[str, Any]) -> None:
    # 412 and 413, 414, 419, 421 are new; 415 returns; 416 was archived by somebody else.
    assert expected["counts"] == {"restore": 1, "create": 5, "update": 1, "archive": 5}
    assert expected["unchanged"] == 406
    assert [identifier for identifier, _, _ in expected["held"]] == ["co0416.ax"]
    assert {identifier for identifier, _ in expected["rejects"]} == {"co0417.ax", "co0418.ax"}
    assert expected["withheld"] == ()


@pytest.mark.parametrize(("key", "value"), list(readings()), ids=str)
def test_each_reading_alone_gives_the_same_plan(
    make_simulator: MakeSimulator,
    expected: dict[str, Any],
    tmp_path: Path,
    key: str,
    value: Any,
) -> None:
    found = told(made(make_simulator(**{key: value}), tmp_path / "v.csv"))
    if (key, value) == ("count_body", "refused"):
        # Without counts no reading can be proven complete: the same plan, its archives withheld.
        [withheld] = found.pop("withheld")
        assert withheld.kind == "archive"
        assert "does not tell how many instruments it holds" in withheld.reason
        expected = {name: part for name, part in expected.items() if name != "withheld"}
    assert found == expected


@pytest.mark.parametrize("preset", ["guide", "reference", "hostile"])
def test_each_preset_gives_the_same_plan_and_the_same_end(
    make_simulator: MakeSimulator, expected: dict[str, Any], tmp_path: Path, preset: str
) -> None:
    sim = make_simulator(preset)
    memory = filled(sim)
    definition = vendor(csv_file(tmp_path / "v.csv", TODAY))
    with open_client(sim) as ptolemy:
        found = judged(ptolemy, definition, memory=memory)
        assert told(found) == expected
        sim.configure(fault_rates={}, burst_per_second=None)
        assert {outcome.fate for outcome in apply_all(ptolemy, found)} == {"applied"}
        again = judged(ptolemy, definition, memory=memory)
    assert sum(again.plan.counts.values()) == 0
    assert again.plan.unchanged == 413


def test_the_switches_are_all_turned() -> None:
    assert len({key for key, _ in readings()}) > 50
