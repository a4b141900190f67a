"""Each reading of the contract that the service may have: the same workspace comes back."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.restore.outcome import State
from simulator import Config, Simulator
from tests.backup.by_hand import back_up
from tests.backup.workspace import seed
from tests.restore.by_hand import restore

READINGS: dict[str, dict[str, Any]] = {
    "d11_conflict": {"import_duplicates": "conflict"},
    "d11_upsert": {"import_duplicates": "upsert"},
    "d12_cancelled_is_failed": {"cancel_status": "failed"},
    "n12_wrapped": {"export_shape": "wrapped"},
    "n12_snapshot": {"export_fields": "extra_fields_snapshot"},
    "n12_flat": {"export_fields": "flat"},
    "n12_references_by_uuid": {"export_references": "uuid"},
    "n12_archived_kept": {"import_keeps_archived": True},
    "n12_ids_kept": {"import_keeps_ids": True},
    "n12_ids_and_archived_kept": {"import_keeps_ids": True, "import_keeps_archived": True},
    "n12_unknown_keys_refused": {"import_unknown_keys": "refused"},
    "n13_errors_as_strings": {"job_errors": "strings"},
    "n13_no_errors_no_counters": {"job_errors": "absent", "job_counters": "absent"},
    "n13_one_job_at_once": {"jobs_at_once": 1},
    "n4_patch_of_archived_refused": {"patch_archived": 409},
    "d16_number": {"series_value": "either"},
    "d16_string": {"series_value": "string"},
    "n6_normalised": {"number_text": "normalised"},
    "d2_objects": {"references": "embedded"},
    "guide": {"preset": "guide"},
}


def config(switches: dict[str, Any], **more: Any) -> Config:
    rest = dict(switches)
    preset = rest.pop("preset", None)
    return Config.preset(preset, **rest, **more) if preset else Config(**rest, **more)


def seed_all(sim: Simulator) -> None:
    """With a record that was archived, and whose identifier another one has now (D5)."""
    first = "01930000-0000-7000-8000-000000000001"
    sim.seed_all(
        {
            "instruments": [
                {
                    "id": first,
                    "identifier": "co000002.xasx",
                    "name": "The first of this name",
                    "type_id": "equity",
                    "field_values": {"isin": "AU0000000OLD"},
                    "extras": {"note": 'é, "quoted"', "weights": [1, 2]},
                    "archived": True,
                }
            ],
            "time_series_values": [
                {
                    "instrument_id": first,
                    "type_id": "close-price",
                    "timestamp": "1999-01-04T00:00:00Z",
                    "value": "0.50",
                }
            ],
        }
    )
    seed(sim)


@pytest.mark.parametrize("reading", READINGS)
def test_the_same_workspace_comes_back(reading: str, bucket: Bucket) -> None:
    switches = READINGS[reading]
    with Simulator(config(switches)) as source, Simulator(config(switches, seed=2)) as target:
        seed_all(source)
        made = back_up(source, bucket)
        assert made.state == "COMPLETE", made
        done = restore(target, bucket)
        assert done.result.state is State.COMPLETED, done.result
        assert target.state() == source.state()
        again = restore(target, bucket, on_existing="update", mode="plan").result
        assert {entry.absent + entry.differs + entry.extra for entry in again.types} == {0}, again
