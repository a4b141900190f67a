"""A restore that is interrupted and started again: nothing is sent twice, the end is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.errors import JobOverdue
from armillary.restore.outcome import State
from simulator import Simulator
from tests.restore.by_hand import restore
from tests.restore.small import Small, backed_up, bucket, filled, imported, imports, target
from tests.sync.chain import open_client

__all__ = ["backed_up", "bucket", "filled", "target"]


class Killed(BaseException):
    """Nothing is tidied up after it that a SIGKILL would not tidy up either."""


NO_CANCEL = {
    "method": "POST",
    "path": "/imports/{id}/cancel",
    "action": "drop_before",
    "times": None,
}
"""A run that is killed cancels nothing."""


def kill_before(step: str) -> Callable[[str], None]:
    def between(name: str) -> None:
        if name == step:
            raise Killed

    return between


STEPS = (
    "begin",
    "import instruments",
    "import market_calendars",
    "import composite_time_series_values",
    "archive instruments",
)


@pytest.mark.parametrize("step", STEPS)
def test_p01_killed_before_a_step(
    step: str, backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    with pytest.raises(Killed):
        restore(target, bucket, between=kill_before(step), run_id="first")
    done = restore(target, bucket, run_id="second")
    assert done.result.state is State.COMPLETED, done.result
    assert done.result.continued == (step != "begin"), "before it nothing was written"
    assert done.counts("imported") == backed_up.rows, "of both runs"
    assert target.state() == backed_up.state
    once = {kind for kind in backed_up.rows if kind != "market_calendars"}
    assert imports(target) == dict.fromkeys(once, 1), "nothing was sent twice"


def test_p01_killed_again_and_again(backed_up: Small, target: Simulator, bucket: Bucket) -> None:
    """At whatever request: each start comes a little further."""
    target.faults = [NO_CANCEL]
    starts = 0
    lives = 20
    while True:
        starts += 1
        left = lives

        def go_on() -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        try:
            done = restore(target, bucket, go_on=go_on, run_id=f"run{starts}")
        except Killed:
            lives += 9
            continue
        break
    assert starts > 3, starts
    assert done.result.state is State.COMPLETED, done.result
    assert target.state() == backed_up.state
    assert max(imports(target).values()) == 1, "nothing was sent twice"


def test_p01_killed_while_an_import_is_under_way(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    """The next start lets it end, and sends nothing of it again."""
    target.configure(job_polls=1000)
    target.faults = [NO_CANCEL]

    def kill() -> None:
        if imported(target):
            raise Killed

    with pytest.raises(Killed):
        restore(target, bucket, go_on=kill, run_id="first")
    assert target.state()["instruments"] == []
    target.configure(job_polls=2)
    done = restore(target, bucket, run_id="second")
    assert done.result.state is State.COMPLETED
    assert imports(target)["instruments"] == 1
    assert target.state() == backed_up.state


def test_j01_an_import_of_before_that_does_not_end(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.configure(job_polls=1000)
    with open_client(target) as ptolemy:
        job = ptolemy.imports.create(b"[]", resource_type="markets")
    with pytest.raises(JobOverdue) as caught:
        restore(target, bucket, job_seconds=60)
    assert str(caught.value) == (
        f"The import of markets (job {job.id}) was under way before this restore and has not ended "
        "within 60 seconds. Nothing was imported. Cancel it in Ptolemy or let it end, then start "
        "the restore again."
    )
    assert imported(target) == 1, "somebody's"


def test_rows_of_others_are_no_ones_own_after_an_interruption(
    backed_up: Small, filled: Simulator, bucket: Bucket
) -> None:
    """What differed before the first start was somebody's: the second leaves it too."""
    with open_client(filled) as ptolemy:
        ptolemy.instruments.patch("co000000.xasx", {"name": "Renamed"})
        [listing] = [row for row in ptolemy.listings.list() if row["local_code"] == "C1"]
        ptolemy.listings.archive(listing["id"])
        day = ptolemy.calendars.list()[0]
        ptolemy.calendars.archive(day["id"])
    before = filled.state()
    with pytest.raises(Killed):
        restore(
            filled,
            bucket,
            on_existing="skip",
            between=kill_before("archive instruments"),
            run_id="first",
        )
    done = restore(filled, bucket, run_id="second")
    assert done.result.continued
    assert done.result.on_existing == "skip", "what the first start was told"
    assert done.result.state is State.PARTIAL
    assert done.counts("skipped") == {"instruments": 1, "market_listings": 1}
    assert done.counts("imported") == {"market_calendars": 1}
    assert filled.state() == before | {"market_calendars": backed_up.state["market_calendars"]}


def test_the_next_start_may_be_told_otherwise(
    backed_up: Small, filled: Simulator, bucket: Bucket
) -> None:
    """What a person chooses now counts, not what was chosen for the start that was killed."""
    with open_client(filled) as ptolemy:
        ptolemy.instruments.patch("co000000.xasx", {"name": "Renamed"})
    asked: dict[str, Any] = {"resource_types": ["instruments"]}
    step = kill_before("import instruments")
    with pytest.raises(Killed):
        restore(filled, bucket, on_existing="skip", between=step, run_id="first", **asked)
    done = restore(filled, bucket, on_existing="update", run_id="second", **asked)
    assert done.result.state is State.COMPLETED, done.result
    assert done.result.on_existing == "update"
    assert filled.state() == backed_up.state
