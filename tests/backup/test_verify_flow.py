"""Verifying through the flow: its states, and what it leaves on the run's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from armillary.backup.place import BucketPlace
from armillary.backup.verified import VerificationFailed, Verified
from armillary.errors import ConfigurationError
from tests.backup.made import Shelf
from tests.flows.test_traces import artifacts_of

pytestmark = pytest.mark.flow

FOLDER = "demo/2026-11-20T02-00-00Z"

RunVerify = Callable[..., Any]


@pytest.fixture
def run_verify(prefect_server: None, place: BucketPlace) -> RunVerify:
    """``run_verify(depth="present")`` returns the final state of a flow run."""
    from blocks import BackupStore  # noqa: PLC0415 - after the server's settings
    from flows.verify_backup import verify_backup  # noqa: PLC0415

    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)

    def run(**asked: Any) -> Any:
        return verify_backup(store, **asked, return_state=True)

    return run


def finding(state: Any) -> Verified:
    answer = state.result(raise_on_failure=False)
    return answer.result if isinstance(answer, VerificationFailed) else answer


def test_a_whole_backup(run_verify: RunVerify, shelf: Shelf) -> None:
    shelf.backup("2026-11-19T02-00-00Z")
    shelf.backup()
    state = run_verify(backup="2026-11-20T02-00-00Z")
    assert (state.name, state.is_completed()) == ("Completed", True)
    assert finding(state).files_read == 7
    assert state.message.startswith(
        "Backup 2026-11-20T02-00-00Z is what was written (7 of 7 files read back, "
    )
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        found = artifacts_of(client, state)
    assert run.name == "verify 2026-11-20T02-00-00Z (content)"
    told = str(found["verify-demo"].data)
    assert told.startswith("# Backup 2026-11-20T02-00-00Z: Completed")
    assert f"Place: `s3://backups/desk/{FOLDER}`" in told
    assert found["progress"].data == 100.0


def test_s08_a_damaged_backup_fails_the_run_and_says_what_is_wrong(
    run_verify: RunVerify, shelf: Shelf
) -> None:
    shelf.backup()
    shelf.change(f"{FOLDER}/markets.json.zst")
    state = run_verify(backup="2026-11-20T02-00-00Z")
    assert (state.name, state.is_failed()) == ("Failed", True)
    assert "is not what was written" in state.message
    assert f"{FOLDER}/markets.json.zst: it is as long as it was stored" in state.message
    assert [problem.resource_type for problem in finding(state).problems] == ["markets"]
    with get_client(sync_client=True) as client:
        told = str(artifacts_of(client, state)["verify-demo"].data)
    assert f"| `{FOLDER}/markets.json.zst` | it is as long as" in told


def test_a_partial_backup_is_no_success(run_verify: RunVerify, shelf: Shelf) -> None:
    shelf.backup(state="PARTIAL", problems=["markets is missing."])
    state = run_verify(backup="2026-11-20T02-00-00Z", depth="present")
    assert (state.name, state.is_failed()) == ("Partial", True)
    assert "is what was written, but was never complete" in state.message


def test_a_slice_reads_one_type(run_verify: RunVerify, shelf: Shelf) -> None:
    shelf.backup()
    state = run_verify(backup="2026-11-20T02-00-00Z", slice="2/7")
    assert finding(state).files_read == 1
    assert "Slice 2/7 read composite_time_series_values.json.zst;" in finding(state).notes[0]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"slice": "9/7"}, "'9/7' is no slice. Write it as 2/7"),
        ({"slice": "2/7", "depth": "present"}, "depth present reads none"),
        ({"backup": "2026-11-21T02-00-00Z"}, "There is no backup '2026-11-21T02-00-00Z'"),
        ({"workspace": "dmeo"}, "No backup of workspace 'dmeo' lies in s3://backups/desk"),
    ],
)
def test_what_cannot_be_verified_is_refused_with_words(
    run_verify: RunVerify, shelf: Shelf, asked: dict[str, str], words: str
) -> None:
    shelf.backup()
    state = run_verify(**asked)
    assert state.is_failed()
    assert words in state.message
    assert isinstance(state.result(raise_on_failure=False), ConfigurationError)
    with get_client(sync_client=True) as client:
        subject = asked.get("workspace", "desk")
        assert words in str(artifacts_of(client, state)[f"verify-{subject}"].data)


def test_latest_without_a_complete_one(run_verify: RunVerify, shelf: Shelf) -> None:
    shelf.manifest("2020-01-01T02-00-00Z", state="PARTIAL")
    state = run_verify()
    assert state.is_failed()
    assert "the newest being 2020-01-01T02-00-00Z: PARTIAL." in state.message


def test_the_flow_repeats_nothing() -> None:
    from flows.verify_backup import verify_backup  # noqa: PLC0415

    assert (verify_backup.retries, verify_backup.name) == (0, "verify-backup")
