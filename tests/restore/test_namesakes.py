"""Records that share an identifier, one active and others archived (contract D5)."""

from __future__ import annotations

from armillary.backup.bucket import Bucket
from armillary.restore.outcome import State
from simulator import Config, Simulator
from tests.backup.by_hand import back_up
from tests.restore.by_hand import restore

NOW = {"identifier": "bhp.ax", "name": "BHP Group", "type_id": "equity"}
FORMER = {"identifier": "bhp.ax", "name": "Broken Hill", "type_id": "equity", "archived": True}
OLDEST = {"identifier": "bhp.ax", "name": "Broken Hill 1885", "type_id": "equity", "archived": True}


def test_all_of_them_come_back_archived_ones_first(bucket: Bucket) -> None:
    with Simulator(Config()) as source, Simulator(Config(seed=2)) as target:
        source.seed([OLDEST, FORMER, NOW])
        back_up(source, bucket)
        done = restore(target, bucket)
        assert done.result.state is State.COMPLETED, done.result
        assert done.counts("parts") == {"instruments": 3}, "a wave each"
        assert target.state() == source.state()


def test_an_archived_one_never_takes_the_place_of_the_active_one(bucket: Bucket) -> None:
    """An import would find the active record by its identifier, and write the old name over it."""
    with Simulator(Config()) as source, Simulator(Config(seed=2)) as target:
        source.seed([FORMER, NOW])
        back_up(source, bucket)
        target.seed([NOW])
        before = target.state()
        done = restore(target, bucket, on_existing="update")
        assert target.state() == before
        assert done.result.state is State.PARTIAL
        assert done.counts("failed") == {"instruments": 1}
        (failure,) = done.result.failures
        assert failure.row == "bhp.ax"
        assert failure.reason.startswith("an active record has its place (D5)")
