"""Backups in a table and as JSON: what a person wants to know in the morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from armillary.backup.catalogue import Backup, UnfinishedBackup, Verification, parsed
from armillary.backup.listing import (
    Overview,
    age_words,
    as_dict,
    row,
    unfinished_as_dict,
    unfinished_words,
)
from tests.backup.made import manifest_of

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)

PROOF = Verification(
    manifest_sha256="0" * 64,
    proven=True,
    verified_at=datetime(2026, 11, 20, 5, tzinfo=UTC),
    sample=200,
)


def backup(
    backup_id: str = "2026-11-20T02-00-00Z",
    *,
    damaged: str = "",
    proven: Verification | None = None,
    not_proven: str = "",
    **changed: Any,
) -> Backup:
    made = parsed(backup_id)
    assert made
    return Backup(
        backup_id=backup_id,
        folder=f"demo/{backup_id}",
        scheduled_at=made[0],
        manifest=None if damaged else manifest_of(backup_id, **changed),
        damaged=damaged,
        proven=proven,
        not_proven=not_proven,
        age=NOW - made[0],
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "0 min"),
        (119, "119 min"),
        (120, "2 h"),
        (36 * 60, "36 h"),
        (48 * 60, "2 days"),
        (-30, "in 30 min"),
        (-3 * 365 * 24 * 60, "in 1,095 days"),
    ],
)
def test_an_age_in_words(minutes: int, words: str) -> None:
    assert age_words(timedelta(minutes=minutes)) == words


def test_a_row_of_the_table() -> None:
    assert row(backup()) == {
        "backup": "2026-11-20T02-00-00Z",
        "age": "7 h",
        "state": "COMPLETE",
        "holds": "everything",
        "rows": "15",
        "stored": f"{manifest_of().stored_bytes} B",
        "proven": "no",
    }
    subset = backup(coverage="subset", resource_types=["markets"], include_archived=False)
    assert row(subset)["holds"] == "only markets; without archived rows"
    unknown = row(backup(damaged="The manifest is an empty file."))
    assert [unknown[name] for name in ("state", "holds", "rows", "stored", "proven")] == [
        *("DAMAGED", "unknown", "unknown", "unknown", "no")
    ]


def test_what_proof_there_is() -> None:
    assert row(backup(proven=PROOF))["proven"] == "2026-11-20, a sample of 200"
    everything = Verification(
        manifest_sha256="0", proven=True, verified_at=PROOF.verified_at, sample="all"
    )
    assert row(backup(proven=everything))["proven"] == "2026-11-20, all of it"
    words = "a restore showed differences"
    assert row(backup(not_proven=words))["proven"] == f"no: {words}"


def test_the_same_for_scripts() -> None:
    told = as_dict(backup(proven=PROOF, state="PARTIAL", problems=["markets is missing."]))
    assert told == {
        "backup_id": "2026-11-20T02-00-00Z",
        "scheduled_at": "2026-11-20T02:00:00+00:00",
        "age_seconds": 7 * 3600,
        "state": "PARTIAL",
        "damaged": "",
        "coverage": "full",
        "resource_types": list(manifest_of().resource_types),
        "rows": 15,
        "stored_bytes": manifest_of().stored_bytes,
        "problems": ["markets is missing."],
        "proven": True,
        "proven_at": "2026-11-20T05:00:00+00:00",
        "not_proven": "",
    }
    damaged = as_dict(backup(damaged="It is empty."))
    assert (damaged["rows"], damaged["stored_bytes"], damaged["coverage"]) == (None, None, None)
    assert damaged["damaged"] == "It is empty."


def test_the_headline_says_how_old_the_newest_complete_one_is() -> None:
    assert Overview([backup(), backup("2026-11-19T02-00-00Z")]).headline == (
        "The newest complete backup of everything is 2026-11-20T02-00-00Z, 7 h old."
    )
    assert Overview([backup("2026-11-19T07-00-00Z")]).headline.endswith("Z, 26 h old.")
    assert Overview([backup("2026-11-19T06-59-00Z")]).headline.endswith(
        "26 h old. Last night's is missing."
    )


def test_the_headline_says_what_it_passed_over() -> None:
    newer = [
        backup("2027-01-01T02-00-00Z"),
        backup("2026-11-20T08-00-00Z", state="PARTIAL"),
        backup("2026-11-20T07-00-00Z", damaged="It is empty."),
        backup("2026-11-20T06-00-00Z", coverage="subset", resource_types=["markets"]),
    ]
    told = (
        "Not counted: 2027-01-01T02-00-00Z (dated in the future), 2026-11-20T08-00-00Z (PARTIAL), "
        "2026-11-20T07-00-00Z (DAMAGED) and 1 more."
    )
    assert Overview([*newer, backup()]).headline == (
        f"The newest complete backup of everything is 2026-11-20T02-00-00Z, 7 h old. {told}"
    )
    assert Overview(newer).headline == f"There is no complete backup of everything. {told}"
    assert "(only markets)." in Overview(newer[3:]).headline
    assert Overview().headline == "There is no complete backup of everything."


def test_the_overview_keeps_order_and_says_why_a_manifest_is_not_believed() -> None:
    begun = UnfinishedBackup("2026-11-20T08-30-00Z", "demo/x", NOW - timedelta(minutes=30), "run-1")
    found = Overview([begun, backup(damaged="It is empty."), backup("2026-11-19T02-00-00Z")])
    assert [line["backup"] for line in found.rows] == [
        *("2026-11-20T02-00-00Z", "2026-11-19T02-00-00Z")
    ]
    assert [told["backup_id"] for told in found.backups] == [line["backup"] for line in found.rows]
    assert found.remarks == ["2026-11-20T02-00-00Z: It is empty."]
    assert found.unfinished == [begun]


def test_an_unfinished_one_is_no_backup() -> None:
    begun = UnfinishedBackup("2026-11-20T08-30-00Z", "demo/x", NOW - timedelta(minutes=30), "run-1")
    assert unfinished_words(begun, NOW) == (
        "2026-11-20T08-30-00Z is no backup: begun 30 min ago by run run-1, it is under way or was "
        "interrupted."
    )
    assert unfinished_as_dict(begun) == {
        "backup_id": "2026-11-20T08-30-00Z",
        "started_at": "2026-11-20T08:30:00+00:00",
        "run_id": "run-1",
    }
