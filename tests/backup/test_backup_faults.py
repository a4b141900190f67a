"""What can go wrong on a night: what is kept, what is said. Step by step, without Prefect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue, UnfinishedBackup
from armillary.backup.resources import RESOURCE_TYPES
from armillary.errors import ConfigurationError, QuotaExhausted
from simulator import Simulator
from tests.backup.by_hand import back_up
from tests.backup.conftest import NAME
from tests.backup.made import Shelf
from tests.backup.running import jobs_of
from tests.backup.workspace import seed
from tests.conftest import MakeSimulator
from tests.runs.s3 import LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def submits(sim: Simulator) -> int:
    return sim.calls()["POST /exports"]


def fault(sim: Simulator, **rule: Any) -> None:
    sim.faults = [rule]


# Jobs


def test_a_failed_export_is_submitted_once_more(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    fault(sim, method="POST", path="/exports", action="job", job={"status": "failed"})
    assert back_up(sim, bucket).state == "COMPLETE"
    assert submits(sim) == 8


@pytest.mark.parametrize("status", ["failed", "cancelled", "exploded"])
def test_j04_an_export_that_ends_badly_twice_is_a_missing_part(
    status: str, sim: Simulator, bucket: Bucket
) -> None:
    seed(sim)
    job = {"status": status, "errors": [{"message": "the disk is full"}]}
    fault(
        sim,
        method="POST", path="/exports", contains='"markets"', action="job", job=job, times=None,
    )  # fmt: skip
    made = back_up(sim, bucket)
    assert made.state == "PARTIAL"
    [problem] = made.problems
    assert problem.startswith("markets is missing: The export of markets (job ")
    assert problem.endswith(f"ended {status}: the disk is full. It was tried 2 times.")
    assert submits(sim) == 8
    [backup] = Catalogue(bucket, "demo").list()
    assert (backup.state, len(backup.manifest.files if backup.manifest else ())) == ("PARTIAL", 6)


def test_j01_an_export_that_hangs_does_not_hold_up_the_others(
    sim: Simulator, bucket: Bucket
) -> None:
    seed(sim)
    fault(
        sim,
        method="POST", path="/exports", contains="calendars", action="job",
        job={"status": "processing"},
    )  # fmt: skip
    made = back_up(sim, bucket, job_seconds=3)
    assert made.state == "PARTIAL"
    [problem] = made.problems
    assert "is still processing after 3 seconds" in problem
    assert "it may still end, unused. ARMILLARY_JOB_SECONDS allows more time." in problem
    assert len(made.rows) == 6


def test_a10_a_lost_answer_to_a_submit_makes_no_second_job(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    sim.faults = [{"method": "POST", "path": "/exports", "action": "drop_after", "times": 3}]
    assert back_up(sim, bucket).state == "COMPLETE"
    assert submits(sim) == 7


def test_a_quota_used_up_in_the_middle_ends_the_run_and_the_next_one_goes_on(
    sim: Simulator, bucket: Bucket
) -> None:
    seed(sim)
    sim.configure(api_calls=14)
    made = back_up(sim, bucket)
    assert made.manifest is None
    assert isinstance(made.error, QuotaExhausted)
    assert "no API calls are left in the billing period" in str(made.error)
    [entry] = Catalogue(bucket, "demo").entries()
    assert isinstance(entry, UnfinishedBackup)
    sim.configure(api_calls=1_000_000)
    made_before = sum(jobs_of(sim).values())
    again = back_up(sim, bucket)
    assert again.state == "COMPLETE"
    assert again.continued
    assert 0 < made_before < sum(jobs_of(sim).values()) == 7


def test_a19_a_token_revoked_in_the_middle_is_told(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    fault(sim, method="GET", path="/exports/{id}", action="status", status=401, times=None)
    made = back_up(sim, bucket)
    assert made.manifest is None
    assert "401: the token is missing, revoked or expired" in str(made.error)
    assert "put it in the connection, start the run again" in str(made.error)
    assert submits(sim) == 1, "no type after the first is tried"


# Links and downloads


def test_j06_a_link_that_expired_is_asked_anew(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    sim.faults = [
        {"path": "/downloads/{id}", "action": "status", "status": 403, "times": 3},
    ]
    assert back_up(sim, bucket).state == "COMPLETE"


def test_j06_a_link_that_is_always_expired_is_a_missing_part(
    sim: Simulator, bucket: Bucket, s3: S3Client
) -> None:
    seed(sim)
    sim.configure(link_seconds=1e-9)
    made = back_up(sim, bucket, resource_types=["markets"])
    assert made.state == "PARTIAL"
    [problem] = made.problems
    assert problem.startswith("markets is missing: The download from 127.0.0.1 broke 5 times")
    assert "its link was refused (403 AccessDenied)" in problem
    assert s3.list_multipart_uploads(Bucket=NAME).get("Uploads", []) == []


@pytest.mark.parametrize("ranges", ["answers", "ignored"])
def test_j07_j08_a_download_that_breaks_off_comes_whole_in_the_end(
    ranges: str, sim: Simulator, bucket: Bucket
) -> None:
    rows = seed(sim)
    sim.configure(link_ranges=ranges)
    sim.faults = [
        {"path": "/downloads/{id}", "action": "truncate", "bytes": 300, "times": 2},
    ]
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    assert made.rows == rows


def test_j09_an_export_that_is_cut_off_at_the_source_is_a_missing_part(
    sim: Simulator, bucket: Bucket, shelf: Shelf
) -> None:
    seed(sim)
    half = '[{"id": "1"}, {"id"'
    sim.faults = [{"path": "/downloads/{id}", "action": "html", "body": half, "times": None}]
    made = back_up(sim, bucket, resource_types=["markets"])
    assert made.state == "PARTIAL"
    [problem] = made.problems
    assert "was read 3 times from its first byte and never came whole" in problem
    assert "The export is cut off or damaged" in problem
    left = shelf.keys()
    assert not [key for key in left if "markets" in key]


# Completeness


def test_an_empty_export_of_parents_is_made_anew(sim: Simulator, bucket: Bucket) -> None:
    rows = seed(sim)
    fault(
        sim,
        method="POST", path="/exports", contains='"instruments"', action="job",
        job={"empty_file": True},
    )  # fmt: skip
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    assert made.rows == rows
    assert submits(sim) == 8


def test_j16_references_that_dangle_after_two_rounds_are_told(
    sim: Simulator, bucket: Bucket
) -> None:
    seed(sim)
    fault(
        sim,
        method="POST", path="/exports", contains='"markets"', action="job",
        job={"empty_file": True}, times=None,
    )  # fmt: skip
    made = back_up(sim, bucket)
    assert made.state == "PARTIAL"
    told = made.problems
    assert "markets: the export holds 0 rows but the workspace counts 2." in told
    assert (
        "market_listings: its market_id has 1 name that markets of this backup does not have: xasx."
        in told
    )
    assert submits(sim) == 9, "two rounds, no more"


def test_an_export_that_holds_less_than_is_counted_is_told(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    fault(
        sim,
        method="POST", path="/exports", contains='"time_series_values"', action="job",
        job={"empty_file": True},
    )  # fmt: skip
    made = back_up(sim, bucket)
    assert made.problems == [
        "time_series_values: the export holds 0 rows but the workspace counts 120."
    ]


def test_without_counts_nothing_is_doubted_and_nothing_paged(
    sim: Simulator, bucket: Bucket, shelf: Shelf
) -> None:
    seed(sim)
    sim.configure(count_body="refused")
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    manifest = made.manifest
    assert manifest
    assert {entry.expected_rows for entry in manifest.files} == {None}
    assert not [call for call in sim.calls() if call.endswith("/filter")]


def test_j15_a_sharp_fall_is_doubted_once_and_accepted_when_it_comes_again(
    make_simulator: MakeSimulator, bucket: Bucket
) -> None:
    before, after = make_simulator(), make_simulator()
    seed(before, 100)
    seed(after, 30)
    assert back_up(before, bucket).state == "COMPLETE"
    doubted = back_up(after, bucket)
    assert doubted.state == "PARTIAL"
    assert any(
        problem.startswith("instruments: 30 rows, where backup ") and "accept_shrink" in problem
        for problem in doubted.problems
    )
    assert back_up(after, bucket).state == "COMPLETE"


def test_a_sharp_fall_can_be_accepted_at_once(
    make_simulator: MakeSimulator, bucket: Bucket
) -> None:
    before, after = make_simulator(), make_simulator()
    seed(before, 100)
    seed(after, 30)
    assert back_up(before, bucket).state == "COMPLETE"
    assert back_up(after, bucket, accept_shrink=True).state == "COMPLETE"


def test_d13_a_service_without_calendar_exports_is_no_fault_of_the_backup(
    sim: Simulator, bucket: Bucket
) -> None:
    seed(sim)
    sim.configure(calendar_export="refused")
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    result = made.manifest
    assert result
    assert result.coverage == "full"
    assert list(made.rows) == [kind for kind in RESOURCE_TYPES if kind != "market_calendars"]
    assert any("market_calendars (not exported here" in told for told in result.not_covered)


# The bucket


def test_s01_a_bucket_that_is_busy_for_a_moment_is_waited_for(
    sim: Simulator, bucket: Bucket, s3_server: LoopbackS3
) -> None:
    seed(sim)
    s3_server.lose_answers = 3
    assert back_up(sim, bucket).state == "COMPLETE"


def test_s09_a_bucket_that_takes_nothing_is_found_out_before_a_job_is_made(
    sim: Simulator, bucket: Bucket, s3_server: LoopbackS3
) -> None:
    seed(sim)
    s3_server.refuse_puts = "403 AccessDenied"
    with pytest.raises(ConfigurationError) as caught:
        back_up(sim, bucket)
    assert "s3://backups/desk: writing demo/_probe is denied (AccessDenied" in str(caught.value)
    assert "The credentials need s3:PutObject" in str(caught.value)
    assert "POST /exports" not in sim.calls()


def test_s10_a_bucket_that_is_not_there_is_told_before_a_job_is_made(
    sim: Simulator, bucket: Bucket, s3: S3Client
) -> None:
    seed(sim)
    s3.delete_bucket(Bucket=NAME)
    try:
        with pytest.raises(ConfigurationError, match="desk: there is no such bucket"):
            back_up(sim, bucket)
    finally:
        s3.create_bucket(Bucket=NAME)
    assert "POST /exports" not in sim.calls()


# Readings of the service


@pytest.mark.parametrize("preset", ["guide", "hostile"])
def test_other_readings_of_the_service_give_the_same_backup(
    preset: str, make_simulator: MakeSimulator, bucket: Bucket
) -> None:
    sim = make_simulator(preset)
    rows = seed(sim)
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    held = made.rows
    assert held == {kind: rows[kind] for kind in held}
    assert len(held) >= 6


@pytest.mark.parametrize(
    "switches",
    [
        {"export_shape": "wrapped"},
        {"export_ids": "absent", "export_archived_at": "absent"},
        {"export_references": "uuid"},
        {"export_fields": "flat"},
        {"export_key": "resource_type"},
        {"jobs_at_once": 1},
        {"single_object": "bare"},
        {"single_object": "mixed"},
    ],
    ids=str,
)
def test_n12_each_shape_of_exports_gives_a_complete_backup(
    switches: dict[str, Any], make_simulator: MakeSimulator, bucket: Bucket
) -> None:
    sim = make_simulator("reference", **switches)
    rows = seed(sim)
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    assert made.rows == rows


# Parts


def test_a_part_of_a_workspace_is_a_subset_and_never_the_latest(
    sim: Simulator, bucket: Bucket
) -> None:
    seed(sim)
    whole = back_up(sim, bucket).manifest
    part = back_up(sim, bucket, resource_types=["markets", "instruments"], include_archived=False)
    assert whole
    assert part.manifest
    assert part.state == "COMPLETE"
    assert part.manifest.coverage == "subset"
    assert part.rows == {"instruments": 27, "markets": 2}, "in the order of export, active ones"
    assert Catalogue(bucket, "demo").latest().backup_id == whole.backup_id


def test_a_filter_goes_to_the_service(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    wanted = {"field": "identifier", "op": "eq", "value": "co000001.xasx"}
    made = back_up(sim, bucket, resource_types=["instruments"], filter={"and": [wanted]})
    assert made.state == "COMPLETE"
    assert made.rows == {"instruments": 1}
    assert made.manifest
    assert made.manifest.coverage == "subset"


def test_csv_with_quoted_line_ends_is_counted_right(sim: Simulator, bucket: Bucket) -> None:
    rows = seed(sim)
    made = back_up(sim, bucket, format="csv")
    assert made.state == "COMPLETE"
    assert made.rows == rows


def test_an_empty_workspace_has_a_complete_backup(sim: Simulator, bucket: Bucket) -> None:
    made = back_up(sim, bucket)
    assert made.state == "COMPLETE"
    [backup] = Catalogue(bucket, "demo").list()
    assert backup.full_and_complete
    assert made.rows == dict.fromkeys(RESOURCE_TYPES, 0)


def test_an_empty_list_from_a_form_means_everything(sim: Simulator, bucket: Bucket) -> None:
    seed(sim)
    made = back_up(sim, bucket, resource_types=[], filter={})
    assert made.manifest
    assert made.manifest.coverage == "full"
