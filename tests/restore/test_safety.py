"""What keeps a restore from doing harm: nothing is imported, and the message says what to do."""

from __future__ import annotations

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from armillary.errors import ConfigurationError
from armillary.restore.outcome import State
from flows.restore_workspace import named
from simulator import Config, Simulator
from simulator.config import FieldConfig, TypeConfig, WorkspaceConfig
from tests.backup.by_hand import back_up
from tests.backup.workspace import seed
from tests.restore.by_hand import refusal, restore
from tests.restore.small import DAYS, INSTRUMENTS, Small, backed_up, bucket, filled, target, written
from tests.sync.chain import open_client

__all__ = ["backed_up", "bucket", "filled", "target"]


@pytest.mark.parametrize("into", ["production", "", " ", "dem"])
def test_j24_into_is_not_the_target(into: str, target: Simulator) -> None:
    with open_client(target) as ptolemy, pytest.raises(ConfigurationError) as caught:
        named(ptolemy, into)
    said = str(caught.value)
    assert f"into is {into!r}, and the target is workspace demo (" in said
    assert "Nothing was read or written." in said
    assert sum(target.calls().values()) == 1, "only who it is was asked"


def test_j24_into_is_the_slug_or_the_uuid(target: Simulator) -> None:
    with open_client(target) as ptolemy:
        found = named(ptolemy, " demo ")
        assert named(ptolemy, found.id) == found


def test_j24_the_source_is_refused_until_it_is_allowed(backed_up: Small, bucket: Bucket) -> None:
    with Simulator(Config()) as source:
        said = refusal(source, bucket)
        assert (
            "Workspace demo is the one that the backup is of. Restoring into it needs "
            "allow_source (`--allow-source`)." in said
        )
        planned = restore(source, bucket, mode="plan").result
        assert planned.state is State.PLANNED_WITHHELD
        assert planned.refusals[0] in said
        assert written(source) == []
        assert restore(source, bucket, allow_source=True).result.state is State.COMPLETED
        assert source.state() == backed_up.state


def test_a_workspace_that_is_not_empty(backed_up: Small, filled: Simulator, bucket: Bucket) -> None:
    """Also when all that it holds is as the backup has it."""
    said = refusal(filled, bucket)
    assert "Workspace demo is not empty: it holds instruments, markets, market_listings" in said
    assert "Choose what becomes of rows that are there and differ, on_existing" in said
    assert "skip leaves them, update brings them to the backup's content, fail imports" in said
    assert written(filled) == []
    assert restore(filled, bucket, on_existing="fail").result.state is State.COMPLETED


def test_only_archived_records_are_not_empty_either(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    target.seed([{"identifier": "old.xasx", "name": "Old", "type_id": "bond", "archived": True}])
    assert "is not empty: it holds instruments. Choose" in refusal(target, bucket)


def other_types() -> WorkspaceConfig:
    """No exchange, no daily bars; of equities no ``isin``, and ``lot_size`` is text."""
    fields = [FieldConfig(field_key="exchange"), FieldConfig(field_key="lot_size")]
    return WorkspaceConfig(
        instrument_types=[TypeConfig(identifier="equity", fields=fields)],
        market_types=[],
        series_types=[TypeConfig(identifier="close-price")],
    )


def test_j25_types_and_fields_that_are_missing_are_all_listed(
    backed_up: Small, bucket: Bucket
) -> None:
    with Simulator(Config(seed=2, workspaces=[other_types()])) as poor:
        planned = restore(poor, bucket, mode="plan").result
        assert planned.state is State.PLANNED_WITHHELD
        assert planned.missing == (
            "field isin (text) of instrument type equity",
            "field lot_size of instrument type equity is text there and number in the backup",
            "market type exchange (Exchange) with the fields mic (text)",
            "series type ohlcv-daily (Daily bars) with the fields open (number, required), "
            "high (number, required), low (number, required), close (number, required)",
        )
        said = refusal(poor, bucket)
        assert "The workspace lacks what the rows need. Create first: " in said
        assert all(line in said for line in planned.missing)
        assert written(poor) == []
        # What needs none of it may come back alone.
        calendars = restore(poor, bucket, mode="plan", resource_types=["market_calendars"]).result
        assert calendars.missing == ()


def test_a_backup_of_only_some_types(place: BucketPlace, target: Simulator) -> None:
    bucket = Bucket(place)
    with Simulator(Config()) as source:
        seed(source, INSTRUMENTS, days=DAYS)
        made = back_up(source, bucket, resource_types=["instruments"])
        assert made.manifest is not None
        backup = made.manifest.backup_id
    asked = {"backup": backup, "resource_types": ["markets"]}
    assert f"Backup {backup} holds nothing of markets." in refusal(target, bucket, **asked)
    done = restore(target, bucket, backup=backup)
    assert done.counts("imported") == {"instruments": INSTRUMENTS}
    assert any(
        note.startswith("The backup holds nothing of markets, market_listings")
        for note in done.result.notes
    )
