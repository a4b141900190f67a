"""A workspace backed up and restored into an empty one: the same state, and what it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from armillary.backup.bucket import Bucket
from armillary.restore.outcome import State
from simulator import Config, Simulator
from tests.backup.by_hand import back_up
from tests.backup.workspace import seed
from tests.restore.by_hand import restore


@pytest.fixture
def source() -> Iterator[Simulator]:
    with Simulator(Config()) as sim:
        yield sim


@pytest.fixture
def target() -> Iterator[Simulator]:
    with Simulator(Config(seed=2)) as sim:
        yield sim


def test_a_whole_workspace_comes_back(source: Simulator, target: Simulator, bucket: Bucket) -> None:
    rows = seed(source)
    assert back_up(source, bucket).state == "COMPLETE"
    done = restore(target, bucket)
    assert done.result.state is State.COMPLETED, done.result
    assert done.counts("imported") == rows
    assert target.digest() == source.digest()
