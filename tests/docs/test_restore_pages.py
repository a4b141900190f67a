"""The pages about restores and the code say the same."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from armillary.restore.begun import CONTINUE_HOURS
from armillary.restore.failed_rows import MOST_ROWS
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.outcome import (
    EXIT_CODES,
    HEADLINES,
    RestoreResult,
    State,
    TypeResult,
)
from armillary.restore.report import APPLIED_COLUMNS, PLANNED_COLUMNS
from tasks.report_restore import EVENTS
from tests.docs.pages import reference, section, table_rows, text_of

GUIDE = text_of(Path("docs/guides/restore.md"))
AT_NIGHT = text_of(Path("docs/guides/when-a-restore-says.md"))


@pytest.mark.parametrize("state", State)
def test_every_state_is_described_with_type_and_exit_code(state: State) -> None:
    page = section(reference("states-and-exit-codes.md"), "Of backups")
    told = page.partition("Of `restore-workspace`:")[2].partition("\nOf `")[0]
    [[_, prefect_type, code, _]] = table_rows(told)[state]
    assert code == str(EXIT_CODES[state])
    assert prefect_type == ("failed" if state in {State.PARTIAL, State.FAILED} else "completed")


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_line_at_three_in_the_morning(state: State) -> None:
    [[_, code, what, _]] = table_rows(section(AT_NIGHT, "The state"))[state]
    assert str(EXIT_CODES[state]) in code.split(", ")
    if state not in {State.FAILED, State.ALREADY_RUNNING}:
        assert HEADLINES[state] in what


def test_every_key_of_the_result_is_described_and_no_other() -> None:
    page = section(reference("result.md"), "Of a restore")
    result, types = page.split("Of `types`;")
    empty = RestoreResult(State.PLANNED, "plan", "id", "into", "of", None, ())
    assert set(table_rows(result)) == set(empty.as_dict())
    assert set(table_rows(types)) == {field.name for field in fields(TypeResult)}


def test_every_event_is_described() -> None:
    rows = table_rows(reference("states-and-exit-codes.md"))
    for state, end in EVENTS.items():
        told = " ".join(cells[1] for cells in rows[f"armillary.restore.{end}"])
        assert f"`{state}`" in told


def test_every_column_of_the_tables_is_explained() -> None:
    rows = table_rows(section(GUIDE, "What the table says"))
    assert set(rows) == {*PLANNED_COLUMNS, *APPLIED_COLUMNS}


def test_the_figures_that_are_told_are_those_of_the_code() -> None:
    assert f"within {CONTINUE_HOURS} hours" in GUIDE
    assert f"up to {MOST_ROWS:,}" in section(reference("run-record.md"), "failed")
    shown = [line.split()[0] for line in GUIDE.splitlines() if line.split()]
    assert [kind for kind in RESTORE_ORDER if kind not in shown] == []


def test_the_table_of_a_plan_is_shown_as_it_is_printed() -> None:
    head = ["type", *" ".join(PLANNED_COLUMNS).split()]
    assert head in [line.split() for line in GUIDE.splitlines()]
