"""Imports that go wrong: what is told of them, and that the rest comes back all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.errors import AccessDenied, QuotaExhausted, RunStopped
from armillary.restore import importing
from armillary.restore.outcome import State
from simulator import Simulator
from tests.restore.by_hand import refusal, restore
from tests.restore.small import Small, backed_up, bucket, imported, imports, target
from tests.sync.chain import open_client

__all__ = ["backed_up", "bucket", "target"]

INSTRUMENTS = ("instruments",)
"""What most of these need of a backup."""


def job(**script: Any) -> dict[str, Any]:
    """The next import of instruments goes wrong so."""
    return {
        "method": "POST",
        "path": "/imports",
        "contains": "armillary-run-instruments",
        "action": "job",
        "job": script,
    }


def test_j19_counters_that_do_not_add_up(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.faults = [job(rows_imported=3)]
    result = restore(target, bucket, resource_types=INSTRUMENTS).result
    assert result.state is State.COMPLETED
    [note] = result.notes
    assert "was sent 10 rows and counts 3 imported, 0 failed" in note
    assert "its counters say nothing, the workspace was read back" in note
    assert result.types[0].imported == 10
    assert imported(target) == 1


def test_j19_counters_and_errors_that_are_absent(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.configure(job_counters="absent", job_errors="absent")
    result = restore(target, bucket, resource_types=INSTRUMENTS).result
    assert result.state is State.COMPLETED
    assert "counts nothing: its counters say nothing" in result.notes[0]


@pytest.mark.parametrize("status", ["failed", "expired"])
def test_j04_a_job_that_fails_after_it_stored_everything(
    status: str, backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    """Whatever it is called that is not "completed" (D12)."""
    target.faults = [job(status=status, errors=[{"message": "disk full"}])]
    result = restore(target, bucket, resource_types=INSTRUMENTS).result
    assert result.state is State.COMPLETED
    assert imported(target) == 1, "nothing was missing, so nothing was sent again"
    assert any(f"ended {status}: disk full" in note for note in result.notes)


class Once:
    """Does something when an import is first waited for."""

    def __init__(self, sim: Simulator, act: Callable[[], None], posts: int = 1) -> None:
        self._sim, self._posts = sim, posts
        self._act: Callable[[], None] | None = act

    def __call__(self) -> None:
        act = self._act
        if act is not None and imported(self._sim) >= self._posts:
            self._act = None
            act()


def test_j04_a_job_that_fails_half_way(backed_up: Small, target: Simulator, bucket: Bucket) -> None:
    """The second round sends only what is missing."""
    imports_there = target.store.imports

    def fail_half_way() -> None:
        [made] = imports_there.table.rows
        for number, row in zip(range(4), made.rows, strict=False):
            assert imports_there._store(target.store.instruments, made, row, number, [])
        imports_there.finish(made, "failed")
        target.configure(job_polls=2)

    target.configure(job_polls=1000)
    done = restore(target, bucket, resource_types=INSTRUMENTS, go_on=Once(target, fail_half_way))
    assert done.result.state is State.COMPLETED, done.result
    assert target.state()["instruments"] == backed_up.state["instruments"]
    first, second = target.store.imports.table.rows
    assert (first.status, first.rows_imported) == ("failed", 4)
    assert second.row_count == 6


def test_j03_a_job_that_is_lost(backed_up: Small, target: Simulator, bucket: Bucket) -> None:
    target.faults = [job(lost=True)]
    result = restore(target, bucket, resource_types=INSTRUMENTS).result
    assert result.state is State.COMPLETED
    assert imported(target) == 2
    assert any("is lost" in note for note in result.notes)


def test_j21_a_job_that_a_person_cancels(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    def cancel() -> None:
        with open_client(target) as ptolemy:
            [made] = ptolemy.imports.list()
            ptolemy.imports.cancel(made.id)

    target.configure(job_polls=1000)
    with pytest.raises(RunStopped) as caught:
        restore(target, bucket, go_on=Once(target, cancel))
    said = str(caught.value)
    assert "The import of instruments (job " in said
    assert "was cancelled by somebody, so the restore stops here. What it stored" in said
    assert "until then (0 of 10 rows) stays." in said
    assert said.endswith("Start the restore again: it goes on with what is missing.")
    assert imported(target) == 1, "no other type is begun"
    target.configure(job_polls=2)
    again = restore(target, bucket, run_id="again")
    assert again.result.state is State.COMPLETED
    assert again.result.continued
    assert target.state() == backed_up.state


def test_j01_a_job_that_never_ends(backed_up: Small, target: Simulator, bucket: Bucket) -> None:
    """It is cancelled and told, others go on; what hangs on its rows is told as such."""
    target.faults = [job(status="processing") | {"times": None}]
    result = restore(target, bucket, job_seconds=60).result
    assert result.state is State.PARTIAL
    assert target.calls()["POST /imports/{id}/cancel"] >= 1
    failed = {kind.resource_type: kind.failed for kind in result.types}
    assert failed["instruments"] == 10
    assert failed["markets"] == failed["market_calendars"] == 0
    assert failed["market_listings"] == 9
    assert len(target.state()["markets"]) == 2
    reasons = {row.resource_type: row.reason for row in result.failures}
    assert "is still processing after 60 seconds. It was asked to stop" in reasons["instruments"]
    assert "which is not among the instruments of the workspace" in reasons["market_listings"]
    assert imports(target) == {"instruments": 1, "markets": 1}, "the first may still end"


def test_a25_a_file_that_is_too_large_is_sent_in_smaller_ones(
    backed_up: Small, target: Simulator, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "LEAST_PART_BYTES", 200)
    target.configure(import_max_bytes=700)
    done = restore(target, bucket, resource_types=INSTRUMENTS)
    assert done.result.state is State.COMPLETED
    assert target.state()["instruments"] == backed_up.state["instruments"]
    jobs = target.store.imports.table.rows
    assert len(jobs) == done.result.types[0].parts > 1
    assert sum(made.row_count or 0 for made in jobs) == 10


@pytest.mark.parametrize("action", ["drop_after", "drop_before"])
def test_a11_a_submit_whose_answer_is_lost(
    action: str, backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    """The job is adopted; where there is none, its rows are sent when none of them is there."""
    target.faults = [job() | {"action": action}]
    result = restore(target, bucket, resource_types=["instruments", "markets"]).result
    assert result.state is State.COMPLETED
    assert imports(target) == {"instruments": 1, "markets": 1}
    assert target.state()["instruments"] == backed_up.state["instruments"]


def test_a11_the_job_of_an_earlier_round_is_not_adopted(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    """Both rounds lose their job: the second submit's, which never came to be, is not the first."""
    target.faults = [job(lost=True), job() | {"action": "drop_before"}]
    result = restore(target, bucket, resource_types=INSTRUMENTS).result
    assert result.types[0].failed == 10
    assert any("no answer came" in note for note in result.notes), result.notes


def test_a09_the_quota_ends_in_the_middle(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    def end_quota(step: str) -> None:
        if step == "import market_listings":
            target.configure(api_calls=0)

    with pytest.raises(QuotaExhausted) as caught:
        restore(target, bucket, between=end_quota)
    assert "raise the plan or switch overage on in Ptolemy, then start the run again" in str(
        caught.value
    )
    assert len(target.state()["instruments"]) == 10
    assert target.state()["market_listings"] == []
    target.configure(api_calls=10_000_000)
    again = restore(target, bucket, run_id="again")
    assert again.result.state is State.COMPLETED, again.result
    assert again.result.continued
    assert target.state() == backed_up.state


def test_a_plan_with_too_few_items_is_refused(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.configure(items=30)
    said = refusal(target, bucket)
    assert "database items, of which 30 are left in the plan" in said
    assert said.endswith("Nothing was imported.")
    assert imported(target) == 0


def test_a07_a_refused_import_ends_the_restore(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.faults = [job() | {"action": "status", "status": 403, "times": None}]
    with pytest.raises(AccessDenied) as caught:
        restore(target, bucket)
    assert "POST /imports 403" in str(caught.value)
    assert target.state()["markets"] == []


def test_a_submit_that_is_refused_does_not_keep_others_from_coming_back(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.faults = [job() | {"action": "status", "status": 422, "times": None}]
    result = restore(target, bucket, resource_types=["instruments", "markets"]).result
    assert result.state is State.PARTIAL
    assert [kind.failed for kind in result.types] == [10, 0]
    assert result.failures[0].reason.startswith("The import of instruments was refused: ")
    assert "(422)" in result.failures[0].reason


def test_j02_polls_that_fail(backed_up: Small, target: Simulator, bucket: Bucket) -> None:
    polls = {"method": "GET", "path": "/imports/{id}"}
    target.faults = [
        {**polls, "action": "status", "status": 503, "times": 7},
        {**polls, "action": "drop_before", "times": 7},
        {**polls, "action": "html", "times": 3},
    ]
    result = restore(target, bucket, resource_types=INSTRUMENTS).result
    assert result.state is State.COMPLETED
    assert imported(target) == 1


def test_n13_one_job_at_once(backed_up: Small, target: Simulator, bucket: Bucket) -> None:
    """Somebody else's import is under way: the submit is refused until it has ended."""
    with open_client(target) as ptolemy:

        def begin(step: str) -> None:
            if step == "import instruments":
                ptolemy.imports.create(b"[]", resource_type="markets")

        def end() -> None:
            [other] = ptolemy.imports.list()
            ptolemy.imports.cancel(other.id)

        target.configure(jobs_at_once=1)
        once = Once(target, end, posts=2)
        done = restore(target, bucket, resource_types=INSTRUMENTS, between=begin, go_on=once)
    assert done.result.state is State.COMPLETED
    assert imported(target) == 3, "somebody's, refused, then taken"
    assert imports(target) == {"markets": 1, "instruments": 1}
