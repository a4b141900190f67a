"""A restore in words: the plan, what stands against it, what came of it, and what to do next."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from armillary.restore.outcome import (
    Calls,
    Difference,
    FailedRow,
    RestoreResult,
    State,
    TypeResult,
)
from armillary.restore.report import (
    APPLIED_COLUMNS,
    PLANNED_COLUMNS,
    cost,
    difference_rows,
    next_steps,
    summary,
    type_rows,
)

PLAN = TypeResult("instruments", rows=1500, equal=20, differs=2, absent=1478, parts=3, archive=7)
DONE = TypeResult(
    "instruments", rows=10, equal=1, differs=3, absent=6, imported=5, updated=2, skipped=1, failed=1
)
COMMAND = shlex.split("armillary restore --into sydney --backup 2026-11-20T02-00-00Z")
RECORD = "s3://runs/armillary/7b0d/runs/3f1e"

NOT_EMPTY = "Workspace sydney is not empty: choose on_existing (`--on-existing`)."
OF_SOURCE = "Workspace sydney is the one that the backup is of: allow_source (`--allow-source`)."
DIFFERING = "on_existing is fail, and rows are there that differ from the backup: 2 instruments."


def result(state: State = State.PLANNED, **changed: Any) -> RestoreResult:
    facts: dict[str, Any] = {
        "state": state,
        "mode": "plan" if state in (State.PLANNED, State.PLANNED_WITHHELD) else "apply",
        "backup_id": "2026-11-20T02-00-00Z",
        "workspace": "sydney",
        "source": "desk",
        "on_existing": "skip",
        "types": (PLAN,),
        "calls": Calls(61, 22, 9_978),
        "items": 4_830,
        "items_left": 90_000,
        "record": RECORD,
        "run_id": "3f1e",
        **changed,
    }
    return RestoreResult(**facts)


def said(found: RestoreResult) -> str:
    return "\n".join(next_steps(found, COMMAND))


def test_a_plan_says_what_it_would_do_and_the_command_that_does_it() -> None:
    told = summary(result())
    assert told.startswith("# Restore of 2026-11-20T02-00-00Z: Planned\n")
    assert "**Nothing was written. This is what a restore would do.**" in told
    assert "Backup of workspace `desk`, into workspace `sydney`, on_existing skip, " in told
    assert "| type | rows | equal | differ | to import | to archive | only there | parts |" in told
    assert "|---|---:|---:|---:|---:|---:|---:|---:|" in told
    assert "| instruments | 1,500 | 20 | 2 | 1,478 | 7 | 0 | 3 |" in told
    assert "with mode apply and everything else the same" in told
    assert f"Record: `{RECORD}`" in told
    assert said(result()) == (
        "To carry it out: `armillary restore --into sydney --backup 2026-11-20T02-00-00Z "
        "--mode apply`"
    )


def test_the_cost_of_a_plan_and_of_an_apply() -> None:
    assert cost(result(seconds=61.4)) == (
        "Calls: 22 used, 9,978 left; about 61 to carry it out. Database items of the rows to "
        "import: 4,830, 90,000 left in the plan. Time: 61 s."
    )
    untold = result(State.COMPLETED, calls=Calls(61, 85, None), items_left=None)
    assert cost(untold) == (
        "Calls: 85 used; about 61 forecast after the comparison. Database items of the rows to "
        "import: 4,830. Time: 0 s."
    )


def test_a_plan_with_nothing_to_do_offers_no_command() -> None:
    same = TypeResult("markets", rows=2, equal=2)
    assert said(result(types=(same,))) == "Nothing: no row is missing from the workspace."
    kept = TypeResult("markets", rows=2, differs=2)
    assert said(result(types=(kept,))) == (
        "Nothing: no row is missing from the workspace. 2 rows differ and would be left as they "
        "are."
    )
    assert "--mode apply" in said(result(types=(kept,), on_existing="update"))


def test_what_must_be_there_first_stands_above_everything_else() -> None:
    missing = ("instrument type bond (Bond) with the fields isin (text, required)", "field figi")
    found = result(State.PLANNED_WITHHELD, missing=missing)
    told = summary(found)
    place = told.index("## What must be there first")
    assert f"- {missing[0]}\n- {missing[1]}\n" in told[place:]
    assert "exactly so:" in told[place:]
    assert place < told.index("| type |")
    assert said(found).splitlines() == [
        "Create or change in Ptolemy's dashboard what is listed above.",
        "When that is mended, plan again: `armillary restore --into sydney --backup "
        "2026-11-20T02-00-00Z --mode plan`",
    ]


@pytest.mark.parametrize("refusal", [NOT_EMPTY, DIFFERING])
def test_a_choice_that_is_a_persons_is_offered_and_not_made(refusal: str) -> None:
    chosen = "fail" if refusal is DIFFERING else None
    found = result(State.PLANNED_WITHHELD, refusals=(refusal, OF_SOURCE), on_existing=chosen)
    typed = [*COMMAND, "--on-existing", chosen] if chosen else COMMAND
    skip, update = next_steps(found, typed)
    assert skip == (
        "To leave rows that are there as they are, plan again: `armillary restore --into sydney "
        "--backup 2026-11-20T02-00-00Z --allow-source --on-existing skip --mode plan`"
    )
    assert update.startswith("To bring rows that are there to the backup's content, plan again: ")
    assert update.endswith("--allow-source --on-existing update --mode plan`")
    told = summary(found)
    assert f"## Why nothing would be imported\n\n- {refusal}\n- {OF_SOURCE}" in told
    assert "with mode plan, allow_source on, on_existing skip and everything else" in told


def test_differences_show_both_values_cut_and_harmless() -> None:
    found = result(
        differences=(
            Difference("instruments", "bhp.xasx", "name", "BHP | Group\nLtd", "x" * 90),
            Difference("instruments", "rio.xasx", "fields.isin", None, "AU1"),
        )
    )
    first, second = difference_rows(found)
    assert first["workspace"] == "x" * 59 + "…"
    assert second["backup"] == "(blank)"
    told = summary(found)
    assert "## What differs (examples)" in told
    assert f"| instruments | bhp.xasx | name | BHP \\| Group Ltd | {'x' * 59}… |" in told


def test_failures_name_the_reason_and_where_the_rows_can_be_mended() -> None:
    found = result(
        State.PARTIAL,
        types=(DONE,),
        failures=(FailedRow("instruments", "bhp.xasx", "lot_size is no number"),),
        differences=(Difference("instruments", "rio.xasx", "name", "Rio", "RIO"),),
        notes=("The backup itself is PARTIAL.",),
    )
    told = summary(found)
    assert (
        "| type | rows | equal before | imported | updated | left as they are | failed | archived |"
        " only there | parts | calls |" in told
    )
    assert "| instruments | 10 | 1 | 5 | 2 | 1 | 1 | 0 | 0 | 0 | 0 |" in told
    assert "| instruments | bhp.xasx | lot_size is no number |" in told
    assert "## What differed before (examples)" in told
    assert "- The backup itself is PARTIAL." in told
    assert (
        f"Rows that failed lie in `{RECORD}/failed/`: `TYPE.json` in the form of an import, "
        "`TYPE.reasons.csv` with the reason of each, in the same order." in told
    )
    mend, update = next_steps(found, [*COMMAND, "--on-existing", "skip"])
    assert "--on-existing skip --mode apply`. It imports only what is not there yet." in mend
    assert f"Or mend the rows in `{RECORD}/failed/` and import those files" in mend
    assert update.startswith("Rows that differ were left as they are. To bring them to the ")
    assert update.endswith("2026-11-20T02-00-00Z --on-existing update --mode apply`")


def test_what_no_call_can_bring_back_is_told_to_be_brought_back_by_hand() -> None:
    lost = TypeResult("market_calendars", rows=4, absent=4, failed=4)
    assert said(result(State.PARTIAL, types=(lost,))) == (
        "Bring back by hand what is named under the notes; no call of the API can."
    )


def test_a_whole_restore_leaves_nothing_to_do() -> None:
    whole = TypeResult("instruments", rows=6, absent=6, imported=6)
    assert said(result(State.COMPLETED, types=(whole,))) == (
        "Nothing: the workspace was read back and is as the backup has it."
    )


def test_names_that_a_shell_would_cut_are_quoted() -> None:
    told = next_steps(result(), [*COMMAND, "--identifier", "BRK B.xnys"])
    assert "--identifier 'BRK B.xnys' --mode apply" in told[0]


def test_every_column_is_a_count_of_a_type() -> None:
    assert set(PLANNED_COLUMNS.values()) | set(APPLIED_COLUMNS.values()) <= {
        name for name in TypeResult.__dataclass_fields__ if name != "resource_type"
    }
    assert type_rows(result())[0] == {
        "type": "instruments",
        "rows": 1500,
        "equal": 20,
        "differ": 2,
        "to import": 1478,
        "to archive": 7,
        "only there": 0,
        "parts": 3,
    }
