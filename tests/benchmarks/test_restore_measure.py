"""The measure of a restore: whatever is not the same in both workspaces is told."""

from __future__ import annotations

from typing import Any

from benchmarks.large_restore import problems
from benchmarks.simulator_ceiling import simulator

SIZES = {"instruments": 2, "markets": 1}


def a_type(resource_type: str, rows: int, **counts: int) -> dict[str, Any]:
    return {
        "resource_type": resource_type,
        "rows": rows,
        "differs": 0,
        "absent": 0,
        "extra": 0,
        **counts,
    }


def told(*types: dict[str, Any], state: str = "Completed", **restored: Any) -> list[str]:
    found = {"state": state, "failures": [], **restored}
    return list(problems(SIZES, found, {"types": types}))


def test_nothing_is_told_of_workspaces_that_are_the_same() -> None:
    assert told(a_type("instruments", 2), a_type("markets", 1)) == []


def test_what_is_not_the_same_is_told() -> None:
    instruments = a_type("instruments", 2, differs=1, absent=1)
    reason = {"resource_type": "instruments", "row": "acme", "reason": "its name is blank."}
    assert told(instruments, a_type("markets", 1, extra=7)) == [
        "1 of instruments: differs",
        "1 of instruments: absent",
        "7 of markets: extra",
    ]
    assert told(instruments, state="Partial", failures=[reason]) == [
        "the restore ended as Partial",
        "3 rows were seeded, and 2 compared",
        "1 of instruments: differs",
        "1 of instruments: absent",
        "instruments acme: its name is blank.",
    ]


def test_two_simulators_know_nothing_of_each_other() -> None:
    row = {"identifier": "acme", "name": "Acme", "type_id": "equity"}
    with simulator() as one, simulator(seed=2) as other:
        assert one.token != other.token
        assert one.digest() == other.digest()
        one.post("/_simulator/seed", {"instruments": [row]})
        assert one.digest() != other.digest()
