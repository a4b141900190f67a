"""Restore drills: what they prove, what they refuse, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.errors import ConfigurationError, PlanRefused
from simulator import Config, Simulator
from simulator.config import WorkspaceConfig
from tests.backup.by_hand import back_up
from tests.backup.workspace import seed
from tests.restore.drills import drill


def scratch(**switches: Any) -> Simulator:
    return Simulator(Config(seed=3, workspaces=[WorkspaceConfig(slug="scratch")], **switches))


@pytest.fixture
def source(bucket: Bucket) -> Iterator[Simulator]:
    """A workspace of 30 instruments that has a backup."""
    with Simulator(Config()) as sim:
        seed(sim)
        back_up(sim, bucket)
        yield sim


def active(sim: Simulator) -> int:
    return sum(not row["archived"] for rows in sim.state().values() for row in rows)


def test_a_sample_is_proven_and_removed_and_proven_again(source: Simulator, bucket: Bucket) -> None:
    with scratch() as sim:
        for _ in range(2):
            found = drill(sim, bucket, 5)
            assert found.proven, found
            rows = {kind.resource_type: kind.imported for kind in found.result.types}
            assert rows["instruments"] == 5
            assert rows["time_series_values"] == 20
            assert rows["composite_time_series_values"] == 10
            assert rows["markets"] == 1
            assert "market_calendars" not in rows
            assert active(sim) == 0
            assert found.left.erased == 6
            assert not found.left.active
            assert not found.differences


def test_all_of_it_is_proven(source: Simulator, bucket: Bucket) -> None:
    with scratch() as sim:
        found = drill(sim, bucket, "all")
        assert found.proven, found
        assert found.rows == found.result.rows == 243
        assert active(sim) == 0


def test_where_nothing_may_be_erased_it_is_archived(source: Simulator, bucket: Bucket) -> None:
    with scratch(hard_delete_role="admin") as sim:
        for round_ in (1, 2):
            found = drill(sim, bucket, 3)
            assert found.proven, found
            assert active(sim) == 0
            assert found.left.erased == 0
            assert found.left.archived["instruments"] == 3, round_
            assert "archived and not erased" in found.left.reasons[0]


def test_it_writes_only_into_a_workspace_for_drills(source: Simulator, bucket: Bucket) -> None:
    with scratch() as sim:
        with pytest.raises(ConfigurationError, match="is not named as one for that"):
            drill(sim, bucket, pattern="*drill*")
        sim.seed([{"identifier": "mine", "name": "Mine", "type_id": "equity"}])
        with pytest.raises(PlanRefused, match="holds active instruments: a drill needs one"):
            drill(sim, bucket)
        assert not any(
            entry["method"] == "POST" and "imports" in entry["path"] for entry in sim.log()
        )


def test_an_item_quota_that_is_too_small_is_told_before(source: Simulator, bucket: Bucket) -> None:
    with scratch(items=10) as sim, pytest.raises(PlanRefused, match="database items, of which 10"):
        drill(sim, bucket)
