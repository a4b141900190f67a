"""What goes wrong while the workspace is read (``reliability.md`` section 2, A rows).

Either the plan is the one a clean reading gives, or the run ends, or the archives are withheld:
never a short list taken for a whole one.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from armillary.errors import (
    AccessDenied,
    ApiError,
    ConfigurationError,
    PlanRefused,
    TransientError,
    UnexpectedAnswer,
)
from armillary.feeds.file_definition import FileDefinition
from armillary.runs.memory import EchoEntry, FeedMemory
from armillary.sync.judged import JudgedPlan
from armillary.sync.plan import Change, iter_changes
from simulator import Simulator
from tests.conftest import MakeSimulator
from tests.sync.chain import apply_all, csv_file, judged, open_client, seeded, vendor, vendor_rows

ROWS = vendor_rows(450)
TODAY = [*ROWS[3:440], ROWS[445] | {"lot": "8"}, *vendor_rows(453)[450:]]
CLEAN = {"restore": 0, "create": 3, "update": 1, "archive": 12}
PAGES = "/instruments/filter"


@pytest.fixture
def full(sim: Simulator) -> Simulator:
    sim.seed(seeded(ROWS))
    return sim


@pytest.fixture
def feed(tmp_path: Path) -> FileDefinition:
    return vendor(csv_file(tmp_path / "v.csv", TODAY))


def plan_of(sim: Simulator, feed: FileDefinition, **client: Any) -> JudgedPlan:
    with open_client(sim, **client) as ptolemy:
        return judged(ptolemy, feed)


def fault(action: str, **details: Any) -> list[dict[str, Any]]:
    return [{"method": "POST", "path": PAGES, "action": action, **details}]


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(fault("blackhole", after=1), id="A13-black-hole"),
        pytest.param(fault("slow_drip", after=1, bytes=20), id="A14-slow-drip"),
        pytest.param(fault("empty", after=1), id="A15-empty-body"),
        pytest.param(fault("html", after=1), id="A15-html-login-page"),
        pytest.param(fault("wrong_content_type", after=1), id="A15-wrong-content-type"),
        pytest.param(fault("truncate", after=1, bytes=500), id="A16-truncated-json"),
        pytest.param(fault("drop_before", after=1), id="reset-before-the-answer"),
        pytest.param(fault("drop_after", after=1, how="close"), id="closed-before-the-answer"),
        pytest.param(fault("status", after=1, status=502), id="A06-502"),
        pytest.param(fault("expired_cursor", after=1), id="A29-expired-cursor"),
        pytest.param(fault("expired_cursor", after=2, times=2), id="A29-expired-twice"),
        pytest.param(fault("duplicate_rows", times=None), id="A30-rows-twice"),
        pytest.param(fault("reorder", times=None), id="A30-other-order"),
    ],
)
def test_a_passing_fault_changes_nothing(
    full: Simulator, feed: FileDefinition, rule: list[dict[str, Any]]
) -> None:
    full.faults = rule
    # The pages come in a moment; the faults wait for the client's patience, not for the default.
    found = plan_of(full, feed, read_timeout_seconds=0.5, total_timeout_seconds=1.0)
    assert found.plan.counts == CLEAN
    assert found.plan.trusted
    assert not found.withheld


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        pytest.param(fault("html", times=None), TransientError, id="A15-html-for-ever"),
        pytest.param(fault("truncate", times=None, bytes=500), TransientError, id="A16-for-ever"),
        pytest.param(fault("expired_cursor", times=None), TransientError, id="A29-for-ever"),
        pytest.param(fault("redirect"), UnexpectedAnswer, id="A26-redirect"),
    ],
)
def test_a_fault_that_stays_ends_the_reading(
    full: Simulator, feed: FileDefinition, rule: list[dict[str, Any]], error: type[ApiError]
) -> None:
    full.faults = rule
    with pytest.raises(error):
        plan_of(full, feed, attempts=2)


def test_a25_a_body_that_is_too_large_rejects_that_record_only(
    sim: Simulator, tmp_path: Path
) -> None:
    feed = vendor(csv_file(tmp_path / "v.csv", vendor_rows(3)))
    sim.faults = [
        {"method": "POST", "path": "/instruments", "contains": "co0001", "action": "status",
         "status": 413}
    ]  # fmt: skip
    with open_client(sim) as ptolemy:
        outcomes = apply_all(ptolemy, judged(ptolemy, feed))
    assert [outcome.fate for outcome in outcomes] == ["applied", "rejected", "applied"]
    assert outcomes[1].status == 413


def test_a26_the_token_does_not_follow_a_redirect(full: Simulator, feed: FileDefinition) -> None:
    with Simulator() as elsewhere:
        full.faults = fault("redirect", location=f"{elsewhere.url}/v1/workspaces/demo/instruments")
        with pytest.raises(UnexpectedAnswer):
            plan_of(full, feed)
        assert elsewhere.calls() == {}


@pytest.mark.parametrize("action", ["same_cursor", "repeat_page", "null_cursor_with_more"])
def test_a27_pages_that_lead_nowhere_are_read_again_then_not_trusted(
    full: Simulator, feed: FileDefinition, action: str
) -> None:
    full.faults = fault(action, after=1)
    assert plan_of(full, feed).plan.counts == CLEAN
    full.faults = fault(action, times=None, after=1)
    found = plan_of(full, feed)
    assert not found.plan.trusted
    assert [entry.kind for entry in found.withheld] == ["archive"]
    assert found.plan.count("create") == 3


def test_a28_a_list_that_ends_too_early_is_read_again(
    full: Simulator, feed: FileDefinition
) -> None:
    full.faults = fault("early_last_page", after=1)
    found = plan_of(full, feed)
    assert (found.plan.counts, found.plan.trusted) == (CLEAN, True)


def test_a28_a_list_that_always_ends_too_early_archives_and_duplicates_nothing(
    full: Simulator, feed: FileDefinition
) -> None:
    full.faults = fault("early_last_page", times=None)
    found = plan_of(full, feed)
    [withheld] = found.withheld
    assert withheld.kind == "archive"
    assert "200 instruments were read, but the workspace counts 450 to 450" in withheld.reason
    assert found.plan.count("create") == 3, "what was not read is looked up before it is created"
    assert found.plan.count("update") == 1


def test_a30_records_that_come_and_go_while_pages_are_read(
    full: Simulator, feed: FileDefinition
) -> None:
    [extra] = seeded([ROWS[449] | {"id": "late.ax"}])
    full.faults = fault(
        "change_between_pages",
        changes=[
            {"method": "POST", "path": "/instruments", "json": extra},
            {"method": "DELETE", "path": f"/instruments/{ROWS[449]['id']}"},
        ],
    )
    found = plan_of(full, feed)
    archived = {
        row["identifier"] for row in found.plan.changes.to_dicts() if row["kind"] == "archive"
    }
    assert found.plan.trusted
    assert archived <= {row["id"] for row in [*ROWS[:3], *ROWS[440:]]} | {"late.ax"}
    assert found.plan.count("create") == 3


def test_a31_a_clamped_or_refused_page_size_is_no_short_list(
    make_simulator: MakeSimulator, feed: FileDefinition
) -> None:
    for switches in ({"page_limit_max": 50, "large_limit": "clamp"}, {"page_limit_max": 50}):
        sim = make_simulator(**switches)
        sim.seed(seeded(ROWS))
        assert plan_of(sim, feed).plan.counts == CLEAN


def archives(found: JudgedPlan) -> list[Change]:
    return [change for change in iter_changes(found.plan.changes) if change.kind == "archive"]


@pytest.mark.parametrize(
    ("switch", "value"),
    [("text_case", "upper"), ("number_text", "rounded6"), ("date_text", "datetime"),
     ("text_trim", True), ("number_text", "normalised"), ("patch_null", "ignored")],
)  # fmt: skip
def test_a33_what_a_server_makes_of_values_causes_no_second_update(
    make_simulator: MakeSimulator, tmp_path: Path, switch: str, value: Any
) -> None:
    sim = make_simulator(**{switch: value})
    rows = [row | {"lot": "1.123456789"} for row in vendor_rows(3)]
    changes: dict[str, Any] = {"scope": "all", "missing": "keep", "blank": "clear"}
    feed = vendor(csv_file(tmp_path / "v.csv", rows), **changes)
    memory = FeedMemory()
    with open_client(sim) as ptolemy:
        memory = remembered(memory, apply_all(ptolemy, judged(ptolemy, feed)))
        csv_file(
            tmp_path / "v.csv", [row | {"isin": "", "name": f"{row['name']} Ltd"} for row in rows]
        )
        memory = remembered(memory, apply_all(ptolemy, judged(ptolemy, feed, memory=memory)))
        third = judged(ptolemy, feed, memory=memory)
    assert sum(third.plan.counts.values()) == 0
    assert third.plan.unchanged == 3


def remembered(memory: FeedMemory, outcomes: Any) -> FeedMemory:
    echoes = [
        EchoEntry(outcome.identifier, echo.field, echo.wanted, echo.stored)
        for outcome in outcomes
        for echo in outcome.echoes
    ]
    return memory.after(echoes=[*memory.echoes, *echoes])


@pytest.mark.parametrize("header", ["absent", "garbage"])
def test_a36_without_a_usable_quota_header_the_run_counts_by_itself(
    make_simulator: MakeSimulator, feed: FileDefinition, header: str
) -> None:
    sim = make_simulator(remaining_header=header)
    sim.seed(seeded(ROWS))
    found = plan_of(sim, feed)
    assert found.shortage == ""
    assert found.cost.calls == sum(sim.calls().values()) + sum(CLEAN.values())


@pytest.mark.parametrize(
    ("reading", "error"),
    [(404, ConfigurationError), (403, AccessDenied), ("empty", ConfigurationError)],
)
def test_a37_a_token_of_another_workspace_is_noticed_before_anything_is_read(
    make_simulator: MakeSimulator, feed: FileDefinition, reading: Any, error: type[Exception]
) -> None:
    workspaces = [{"slug": "demo"}, {"slug": "other"}]
    sim = make_simulator(wrong_workspace=reading, workspaces=workspaces)
    with pytest.raises(error):
        plan_of(sim, feed, token=sim.token_for("member", workspace="other"))
    assert not any("/instruments" in call for call in sim.calls())


def test_a37_an_empty_workspace_that_had_records_is_refused(
    sim: Simulator, feed: FileDefinition
) -> None:
    with open_client(sim) as ptolemy, pytest.raises(PlanRefused, match="450 were there"):
        judged(ptolemy, feed, memory=FeedMemory(workspace_records=450))


def test_reading_leaves_no_thread_behind(full: Simulator, feed: FileDefinition) -> None:
    before = threading.active_count()
    plan_of(full, feed)
    assert threading.active_count() == before
