"""Comparing two backups through the flow: its state, and what it leaves on the run's page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from armillary.backup.place import BucketPlace
from armillary.errors import ConfigurationError, FileDamaged
from tests.backup.made import Shelf, rows_of
from tests.flows.test_traces import artifacts_of

pytestmark = pytest.mark.flow

FIRST, SECOND = "2026-11-19T02-00-00Z", "2026-11-20T02-00-00Z"

RunCompare = Callable[..., Any]


@pytest.fixture
def run_compare(prefect_server: None, place: BucketPlace) -> RunCompare:
    """``run_compare(first=…)`` returns the final state of a flow run."""
    from blocks import BackupStore  # noqa: PLC0415 - after the server's settings
    from flows.compare_backups import compare_backups  # noqa: PLC0415

    store = BackupStore(bucket=place.bucket, prefix=place.prefix, endpoint_url=place.endpoint_url)

    def run(**asked: Any) -> Any:
        return compare_backups(store, **asked, return_state=True)

    return run


def put(shelf: Shelf, backup_id: str, *names: str) -> None:
    markets = [{"id": f"m-{name}", "identifier": name, "name": name.upper()} for name in names]
    shelf.backup(backup_id, {"instruments": rows_of()["instruments"], "markets": markets})


def test_two_backups_that_differ_are_no_failure(run_compare: RunCompare, shelf: Shelf) -> None:
    put(shelf, FIRST, "xasx", "xnys")
    put(shelf, SECOND, "xasx", "xlon", "x|x")
    state = run_compare(first=FIRST, second=SECOND)
    assert (state.name, state.is_completed()) == ("Completed", True)
    assert state.message == f"Between backups {FIRST} and {SECOND}: 2 added, 1 removed."
    assert [kind.added for kind in state.result().types] == [0, 2]
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        found = artifacts_of(client, state)
    assert run.name == f"compare {FIRST} with {SECOND}"
    told = str(found["compare-demo"].data)
    assert told.startswith(f"# {FIRST} and {SECOND}\n\n**Between backups")
    assert "| markets | x\\|x | added |" in told
    [instruments, markets] = _rows(found["compare-demo-types"].data)
    assert (instruments["rows"], markets["rows"]) == ("3 → 3", "2 → 3")
    assert {row["row"]: row["what"] for row in _rows(found["compare-demo-changes"].data)} == {
        "xnys": "removed",
        "xlon": "added",
        "x|x": "added",
    }
    assert found["progress"].data == 100.0


def test_the_last_two_are_compared_if_nobody_says_which(
    run_compare: RunCompare, shelf: Shelf
) -> None:
    for day in (1, 2, 3):
        put(shelf, f"2020-01-0{day}T02-00-00Z", "xasx")
    state = run_compare()
    assert state.message.startswith(
        "Backups 2020-01-02T02-00-00Z and 2020-01-03T02-00-00Z hold the same"
    )


@pytest.mark.parametrize(
    ("asked", "harm", "error", "words"),
    [
        ({"first": "yesterday"}, "", ConfigurationError, "There is no backup 'yesterday'"),
        ({"workspace": "dmeo"}, "", ConfigurationError, "No backup of workspace 'dmeo' lies in"),
        ({}, "markets.json.zst", FileDamaged, f"demo/{SECOND}/markets.json.zst: it is as long"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_words(
    run_compare: RunCompare,
    shelf: Shelf,
    asked: dict[str, str],
    harm: str,
    error: type[Exception],
    words: str,
) -> None:
    for backup_id in (FIRST, SECOND):
        put(shelf, backup_id, "xasx")
    if harm:
        shelf.change(f"demo/{SECOND}/{harm}", at=30)
    state = run_compare(**{"first": FIRST, "second": SECOND, **asked})
    assert state.is_failed()
    assert words in state.message
    assert isinstance(state.result(raise_on_failure=False), error)
    with get_client(sync_client=True) as client:
        subject = asked.get("workspace", "desk")
        assert words in str(artifacts_of(client, state)[f"compare-{subject}"].data)


def test_the_flow_repeats_nothing() -> None:
    from flows.compare_backups import compare_backups  # noqa: PLC0415

    assert (compare_backups.retries, compare_backups.name) == (0, "compare-backups")


def _rows(data: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(data) if isinstance(data, str) else data
    return found
