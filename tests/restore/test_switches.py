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
    "d11_upsert_n12_array_field_values_state_lost_ids_new": {},
    "d11_conflict_n12_wrapped_snapshot_references_by_uuid_state_and_ids_kept": {
        "import_duplicates": "conflict",
        "export_shape": "wrapped",
        "export_fields": "extra_fields_snapshot",
        "export_references": "uuid",
        "import_keeps_ids": True,
        "import_keeps_archived": True,
    },
    "d11_conflict_n12_flat_ids_kept_unknown_keys_refused_n13_errors_as_strings": {
        "import_duplicates": "conflict",
        "export_fields": "flat",
        "import_keeps_ids": True,
        "import_unknown_keys": "refused",
        "job_errors": "strings",
    },
    "d12_failed_for_cancelled_n12_wrapped_state_kept_n13_no_counters_one_job_at_once": {
        "cancel_status": "failed",
        "export_shape": "wrapped",
        "import_keeps_archived": True,
        "job_errors": "absent",
        "job_counters": "absent",
        "jobs_at_once": 1,
    },
    "n4_patch_of_archived_refused_d2_objects_d16_strings_n6_normalised": {
        "patch_archived": 409,
        "references": "embedded",
        "series_value": "string",
        "number_text": "normalised",
    },
    "guide": {"preset": "guide"},
    "hostile": {"preset": "hostile", "burst_per_second": 2000.0, "burst_size": 2000},
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
    seed(sim, 10, days=2)


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
