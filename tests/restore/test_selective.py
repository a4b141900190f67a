"""One instrument by name: it comes back with all that hangs on it, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from armillary.backup.bucket import Bucket
from armillary.restore.outcome import State
from simulator import Config, Simulator
from tests.backup.workspace import seed
from tests.restore.by_hand import refusal, restore
from tests.restore.small import (
    DAYS,
    INSTRUMENTS,
    Small,
    backed_up,
    bucket,
    erase,
    filled,
    imported,
    target,
    written,
)
from tests.sync.chain import open_client

__all__ = ["backed_up", "bucket", "filled", "target"]

LOST = "co000000.xasx"
"""The one with a suspension."""

HANGING = {
    "instruments": 1,
    "market_listings": 1,
    "market_listing_suspensions": 1,
    "time_series_values": 2,
    "composite_time_series_values": 2,
}


@pytest.fixture
def source() -> Iterator[Simulator]:
    """The workspace that the backup is of."""
    with Simulator(Config()) as sim:
        seed(sim, INSTRUMENTS, days=DAYS)
        yield sim


def test_an_instrument_that_was_deleted_for_ever(
    backed_up: Small, source: Simulator, bucket: Bucket
) -> None:
    """Into the workspace that the backup is of, where others have worked on."""
    with open_client(source) as ptolemy:
        ptolemy.instruments.patch("co000001.xasx", {"name": "Renamed since"})
    before = source.state()
    erase(source, LOST)
    assert len(source.state()["time_series_values"]) == backed_up.rows["time_series_values"] - 2
    asked = {"identifiers": [LOST], "on_existing": "skip"}
    said = refusal(source, bucket, **asked)
    assert "Workspace demo is the one that the backup is of." in said
    assert "needs allow_source (`--allow-source`)." in said
    done = restore(source, bucket, identifiers=[LOST], on_existing="skip", allow_source=True)
    assert done.result.state is State.COMPLETED, done.result
    assert done.counts("rows") == done.counts("imported") == HANGING
    assert source.state() == before, "the one that was renamed since is left so"
    assert done.counts("extra") == {}, "of the others nothing is said"


def test_an_instrument_that_was_archived_by_mistake(
    backed_up: Small, source: Simulator, bucket: Bucket
) -> None:
    with open_client(source) as ptolemy:
        ptolemy.instruments.archive(LOST)
    source.reset_calls()
    done = restore(source, bucket, identifiers=[LOST], on_existing="update", allow_source=True)
    assert done.result.state is State.COMPLETED, done.result
    assert source.state() == backed_up.state
    assert imported(source) == 0
    assert set(written(source)) <= {
        "POST /instruments/{id}/restore",
        "POST /market-listings/{id}/restore",
    }


def test_an_instrument_into_another_workspace(
    backed_up: Small, filled: Simulator, bucket: Bucket
) -> None:
    """The parents have other UUIDs there."""
    before = filled.state()
    erase(filled, LOST)
    done = restore(filled, bucket, identifiers=[LOST], on_existing="skip")
    assert done.result.state is State.COMPLETED, done.result
    assert filled.state() == before


def test_an_identifier_that_the_backup_does_not_have(
    backed_up: Small, filled: Simulator, bucket: Bucket
) -> None:
    said = refusal(filled, bucket, identifiers=[LOST, "nobody.xasx"], on_existing="skip")
    assert "has no instrument nobody.xasx." in said
    assert "`armillary history IDENTIFIER` tells which backups have one." in said
    assert written(filled) == []


def test_markets_that_are_missing_are_told(
    backed_up: Small, target: Simulator, bucket: Bucket
) -> None:
    """Markets are nobody's own: they are not brought with an instrument."""
    done = restore(target, bucket, identifiers=[LOST])
    assert done.result.state is State.PARTIAL
    assert done.counts("failed") == {"market_listings": 1, "market_listing_suspensions": 1}
    reasons = {row.resource_type: row.reason for row in done.result.failures}
    assert reasons["market_listings"] == (
        "it belongs to xasx, which is not among the markets of the workspace."
    )
    assert len(target.state()["time_series_values"]) == 2
    restore(target, bucket, resource_types=["markets"], run_id="markets")
    again = restore(target, bucket, identifiers=[LOST], run_id="again")
    assert again.result.state is State.COMPLETED, again.result


def test_an_instrument_whose_rows_were_left_behind(
    backed_up: Small, filled: Simulator, bucket: Bucket
) -> None:
    """Deleting one for ever takes its field values alone (contract section 9).

    What hung on it refers to nothing any more, and cannot be made to refer to the new record: that
    gets listings and values of its own.
    """
    filled.configure(export_references="uuid")
    before = filled.state()
    erase(filled, LOST, with_all=False)
    done = restore(filled, bucket, identifiers=[LOST], on_existing="update")
    assert done.result.state is State.COMPLETED, done.result
    assert done.counts("imported") == HANGING
    after = filled.state()
    for kind, count in HANGING.items():
        left_behind = count if kind != "instruments" else 0
        assert len(after[kind]) == len(before[kind]) + left_behind
    store = filled.store
    instrument = store.instruments.lookup(LOST)
    assert instrument is not None
    [listing] = store.listings.table.group(instrument)
    assert len(store.suspensions.table.group(listing)) == 1
    assert len(store.scalar_values.table.group(instrument)) == 2


def test_values_of_an_instrument(backed_up: Small, filled: Simulator, bucket: Bucket) -> None:
    """What they hang on is found, and not written."""
    before = filled.state()
    with open_client(filled) as ptolemy:
        value = ptolemy.values.list(instrument_id=LOST)[0]
        ptolemy.values.archive(value["id"])
        ptolemy.values.patch(ptolemy.values.list(instrument_id=LOST)[0]["id"], {"value": "7"})
        ptolemy.instruments.patch(LOST, {"name": "Renamed since"})
    done = restore(
        filled,
        bucket,
        identifiers=[LOST],
        resource_types=["time_series_values"],
        on_existing="update",
    )
    assert done.result.state is State.COMPLETED, done.result
    assert done.counts("rows") == done.counts("updated") == {"time_series_values": 2}
    assert filled.state()["time_series_values"] == before["time_series_values"]
    assert "Renamed since" in {row["name"] for row in filled.state()["instruments"]}
