"""Export jobs against the simulator: triggered, waited for, adopted, given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from armillary.api.models import Job
from armillary.api.ptolemy import Ptolemy
from armillary.backup.job_runner import JobRunner, Patience
from armillary.backup.jobs import ExportJobs, ExportRequest
from armillary.errors import JobFailed, JobOverdue, RequestRejected
from simulator import Simulator
from tests.api.clocks import TodaysClock
from tests.sync.chain import open_client

MARKETS = ExportRequest("markets")

MakeJobs = Callable[..., ExportJobs]


@pytest.fixture
def jobs(sim: Simulator) -> Iterator[MakeJobs]:
    with ExitStack() as stack:

        def make(**changed: Any) -> ExportJobs:
            clock = TodaysClock()
            ptolemy = stack.enter_context(open_client(sim, clock=clock))
            return ExportJobs(ptolemy.exports, clock=clock, **changed)

        yield make


def fault(sim: Simulator, **rule: Any) -> None:
    sim.faults = [rule]


def submits(sim: Simulator) -> int:
    return sum(
        entry["method"] == "POST" and entry["path"].endswith("/exports") for entry in sim.log()
    )


def test_a_job_is_triggered_waited_for_and_its_link_fetched(jobs: MakeJobs) -> None:
    heard: list[str] = []
    runner = jobs(changed=lambda job: heard.append(job.status))
    job = runner.wait(runner.trigger(MARKETS))
    assert heard == ["queued", "processing", "completed"]
    first, second = runner.fresh_link(job.id), runner.fresh_link(job.id)
    assert first.get_secret_value().startswith("http://127.0.0.1")
    assert second.get_secret_value() != first.get_secret_value() or first == second
    assert "signature" not in repr(job)


def test_polls_grow_apart(sim: Simulator, jobs: MakeJobs) -> None:
    fault(sim, method="POST", path="/exports", action="job", job={"polls": 12})
    runner = jobs()
    runner.wait(runner.trigger(MARKETS))
    waited = runner.clock.passed  # type: ignore[attr-defined]
    pauses = [Patience(first_poll_seconds=1.0).pause(poll) for poll in range(12)]
    assert pauses[0] < 1.2
    assert pauses[5] > 5
    assert max(pauses) <= 33
    assert waited == pytest.approx(sum(pauses), rel=0.2)


def test_whoever_wants_the_run_to_end_is_heard_within_a_second(
    sim: Simulator, jobs: MakeJobs
) -> None:
    fault(sim, method="POST", path="/exports", action="job", job={"polls": 12})
    asked: list[None] = []
    runner = jobs(go_on=lambda: asked.append(None))
    runner.wait(runner.trigger(MARKETS))
    slept = runner.clock.slept  # type: ignore[attr-defined]
    assert max(slept) <= 1.0
    assert len(asked) >= len(slept)


def test_j01_a_job_that_never_ends_is_given_up_at_the_deadline(
    sim: Simulator, jobs: MakeJobs
) -> None:
    fault(sim, method="POST", path="/exports", action="job", job={"status": "processing"})
    runner = jobs(patience=Patience(deadline_seconds=600))
    with pytest.raises(JobOverdue) as caught:
        runner.wait(runner.trigger(MARKETS))
    assert 600 <= runner.clock.passed < 660  # type: ignore[attr-defined]
    said = str(caught.value)
    assert said.startswith("The export of markets (job ")
    assert "is still processing after 600 seconds" in said
    assert "ARMILLARY_JOB_SECONDS allows more time" in said


def test_j02_polls_that_fail_do_not_fail_the_job(sim: Simulator, jobs: MakeJobs) -> None:
    fault(sim, method="GET", path="/exports/{id}", action="status", status=503, times=9)
    runner = jobs()
    assert runner.wait(runner.trigger(MARKETS)).is_completed
    assert submits(sim) == 1


def test_j03_a_job_that_is_not_found_three_times_is_lost(sim: Simulator, jobs: MakeJobs) -> None:
    fault(sim, method="POST", path="/exports", action="job", job={"lost": True})
    runner = jobs()
    with pytest.raises(JobFailed, match="is lost"):
        runner.wait(runner.trigger(MARKETS))
    polls = [entry for entry in sim.log() if "/exports/" in entry["path"]]
    assert len(polls) == 3


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_j04_d12_any_other_end_is_a_failure_with_its_reasons(
    sim: Simulator, jobs: MakeJobs, status: str
) -> None:
    script = {"status": status, "errors": [{"message": "out of disk"}, "node 7 restarted"]}
    fault(sim, method="POST", path="/exports", action="job", job=script)
    runner = jobs()
    with pytest.raises(JobFailed) as caught:
        runner.wait(runner.trigger(MARKETS))
    assert f"ended {status}: out of disk; node 7 restarted" in str(caught.value)


def test_j05_a_completed_job_without_link(sim: Simulator, jobs: MakeJobs) -> None:
    fault(sim, method="POST", path="/exports", action="job", job={"no_link": True})
    runner = jobs()
    with pytest.raises(JobFailed, match="is completed and has no download link"):
        runner.wait(runner.trigger(MARKETS))


@pytest.mark.parametrize("action", ["drop_after", "html", "empty"])
def test_a10_the_job_of_a_lost_answer_is_adopted(
    sim: Simulator, jobs: MakeJobs, action: str
) -> None:
    fault(sim, method="POST", path="/exports", action=action, work=True)
    runner = jobs()
    assert runner.wait(runner.trigger(MARKETS)).is_completed
    assert submits(sim) == 1


def test_a10_a_submit_that_never_arrived_is_made_again(sim: Simulator, jobs: MakeJobs) -> None:
    fault(sim, method="POST", path="/exports", action="drop_before")
    runner = jobs()
    assert runner.wait(runner.trigger(MARKETS)).is_completed


def test_j17_of_two_jobs_that_could_be_ours_none_is_adopted(sim: Simulator, jobs: MakeJobs) -> None:
    runner = jobs()
    theirs = runner.trigger(MARKETS)
    fault(sim, method="POST", path="/exports", action="drop_after")
    ours = runner.trigger(MARKETS)
    assert ours.id != theirs.id
    assert submits(sim) == 3


def test_j17_a_job_known_to_be_anothers_is_not_adopted(sim: Simulator, jobs: MakeJobs) -> None:
    runner = jobs()
    theirs = runner.trigger(MARKETS)
    fault(sim, method="POST", path="/exports", action="drop_after")
    ours = runner.trigger(MARKETS, known={theirs.id})
    assert ours.id != theirs.id
    assert submits(sim) == 2


def test_an_answer_that_never_comes_is_told_with_what_was_tried(
    sim: Simulator, jobs: MakeJobs
) -> None:
    fault(sim, method="POST", path="/exports", action="drop_before", times=None)
    with pytest.raises(JobFailed) as caught:
        jobs(patience=Patience(deadline_seconds=60)).trigger(MARKETS)
    assert "The export of markets" in str(caught.value)


def test_n13_a_service_with_too_many_jobs_is_waited_for(sim: Simulator, jobs: MakeJobs) -> None:
    sim.configure(jobs_at_once=1, job_polls=1)
    runner = jobs()
    first = runner.trigger(MARKETS)
    busy = [Job.of({"id": first.id, "status": "queued"})]

    def go_on() -> None:
        if busy:
            runner.service.get(busy.pop().id)

    second = ExportJobs(runner.service, clock=runner.clock, go_on=go_on).trigger(MARKETS)
    assert second.id != first.id


def test_a_type_the_service_does_not_export_is_refused_at_once(
    sim: Simulator, jobs: MakeJobs
) -> None:
    sim.configure(calendar_export="refused")
    with pytest.raises(RequestRejected, match="market_calendars"):
        jobs().trigger(ExportRequest("market_calendars"))


# Imports: the same runner, and never a second job


def import_jobs(sim: Simulator, ptolemy: Ptolemy) -> tuple[JobRunner, Callable[[], Job]]:
    rows = b'[{"identifier": "xasx", "name": "ASX", "type_id": "exchange", "field_values": {}}]'
    return JobRunner(ptolemy.imports, clock=TodaysClock()), lambda: ptolemy.imports.create(
        rows, resource_type="markets", identifier_column="identifier"
    )


def test_an_import_is_triggered_and_waited_for(sim: Simulator) -> None:
    with open_client(sim) as ptolemy:
        runner, submit = import_jobs(sim, ptolemy)
        job = runner.wait(runner.trigger_by(submit, "markets"))
    assert (job.status, job.rows_imported) == ("completed", 1)
    assert [row["identifier"] for row in sim.state()["markets"]] == ["xasx"]


def test_a11_an_import_whose_answer_was_lost_is_adopted_and_never_submitted_again(
    sim: Simulator,
) -> None:
    fault(sim, method="POST", path="/imports", action="drop_after")
    with open_client(sim) as ptolemy:
        runner, submit = import_jobs(sim, ptolemy)
        assert runner.wait(runner.trigger_by(submit, "markets")).rows_imported == 1
        assert len(ptolemy.imports.list()) == 1
        sim.faults = [{"method": "POST", "path": "/imports", "action": "drop_before"}]
        known = [job.id for job in ptolemy.imports.list()]
        with pytest.raises(JobFailed) as caught:
            runner.trigger_by(submit, "markets", known)
        assert len(ptolemy.imports.list()) == 1
    assert str(caught.value).startswith(
        "The import of markets was submitted once, no answer came, and the list of jobs shows none"
    )
