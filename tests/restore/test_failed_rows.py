"""Rows that an import refuses: told with their reasons, and left where they can be mended."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.restore.outcome import State
from simulator import Config, Simulator
from tests.backup.by_hand import back_up
from tests.restore.by_hand import Restored, restore
from tests.sync.chain import open_client

ODD = {"CO 1/x": "has a blank", "CO2.XASX": "is in upper case"}
"""Identifiers that the workspace restored into does not take."""

KINDS = ("instruments", "markets", "market_listings", "time_series_values")


@pytest.fixture
def odd_backup(bucket: Bucket) -> Iterator[Simulator]:
    """Of four instruments, each with a listing and a value; two have odd identifiers."""
    names = ["good.xasx", *ODD, "also-good.xasx"]
    with Simulator(Config()) as sim:
        sim.seed_all(
            {
                "instruments": [
                    {"identifier": name, "name": name.title(), "type_id": "equity"}
                    for name in names
                ],
                "markets": [{"identifier": "xasx", "name": "XASX", "type_id": "exchange"}],
                "market_listings": [
                    {"instrument_id": name, "market_id": "xasx", "local_code": name[:3]}
                    for name in names
                ],
                "time_series_values": [
                    {
                        "instrument_id": name,
                        "type_id": "close-price",
                        "timestamp": "2026-01-05T00:00:00Z",
                        "value": "1.10",
                    }
                    for name in names
                ],
            }
        )
        assert back_up(sim, bucket).state == "COMPLETE"
        yield sim


def restored(bucket: Bucket, target: Simulator, **asked: Any) -> Restored:
    return restore(target, bucket, resource_types=KINDS, **asked)


@pytest.mark.parametrize("style", ["objects", "strings"])
def test_j18_rows_that_fail_are_told_and_can_be_mended(
    style: str, odd_backup: Simulator, bucket: Bucket, runs_folder: Path
) -> None:
    strict = Config(seed=2, identifier_characters="slug", job_errors=style)
    with Simulator(strict) as target:
        done = restored(bucket, target)
        result = done.result
        assert result.state is State.PARTIAL
        assert done.counts("failed") == {
            "instruments": 2,
            "market_listings": 2,
            "time_series_values": 2,
        }
        assert done.counts("imported") == {
            "instruments": 2,
            "markets": 1,
            "market_listings": 2,
            "time_series_values": 2,
        }
        reasons = {row.row: row.reason for row in result.failures}
        for name in ODD:
            assert "identifier" in reasons[name]
            assert reasons[f"{name} xasx"] == (
                f"it belongs to {name}, which is not among the instruments of the workspace."
            )
        [folder] = runs_folder.rglob("failed")
        assert sorted(path.name for path in folder.iterdir()) == [
            "instruments.json",
            "instruments.reasons.csv",
            "market_listings.reasons.csv",
            "time_series_values.reasons.csv",
        ]
        table = list(csv.DictReader(io.StringIO((folder / "instruments.reasons.csv").read_text())))
        assert [row["key"] for row in table] == list(ODD)
        assert [row["row"] for row in table] == ["1", "2"]

        content = (folder / "instruments.json").read_text()
        mended = content.replace("CO 1/x", "co1-x").replace("CO2.XASX", "co2.xasx")
        assert [row["identifier"] for row in json.loads(mended)] == ["co1-x", "co2.xasx"]
        with open_client(target) as ptolemy:
            job = ptolemy.imports.create(
                mended.encode(), resource_type="instruments", identifier_column="identifier"
            )
            while not job.is_final:
                job = ptolemy.imports.get(job.id)
        assert (job.rows_imported, job.rows_failed) == (2, 0)
        assert len(target.state()["instruments"]) == 4


def test_j18_the_next_start_brings_what_failed_once_its_reason_is_gone(
    odd_backup: Simulator, bucket: Bucket, runs_folder: Path
) -> None:
    with Simulator(Config(seed=2, identifier_characters="slug")) as target:
        assert restored(bucket, target).result.state is State.PARTIAL
        target.configure(identifier_characters="any")
        again = restored(bucket, target, run_id="again")
        assert again.result.state is State.COMPLETED, again.result
        assert again.result.continued, "nobody has to say what becomes of its own rows"
        assert again.counts("imported") == {
            "instruments": 4,
            "markets": 1,
            "market_listings": 4,
            "time_series_values": 4,
        }
        assert target.state() == odd_backup.state()
