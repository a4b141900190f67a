"""The result of a backup: its state, its keys, its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from armillary.backup.outcome import (
    EXIT_CODES,
    HEADLINES,
    BackupFailed,
    BackupResult,
    State,
    failed_message,
    result_of,
    size,
    summary,
)
from tests.backup.made import entry_of, manifest_of, rows_of


def result(**changed: Any) -> BackupResult:
    return result_of(
        manifest_of(**changed),
        place="s3://backups/desk/demo/2026-11-20T02-00-00Z",
        folder="demo/2026-11-20T02-00-00Z",
        calls_used=1234,
        calls_remaining=98765,
        seconds=61.4,
        continued=False,
    )


PARTIAL = {"state": "PARTIAL", "problems": ["markets is missing: the job failed.", "Second."]}


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3 * 1024**4, "3.0 TiB"),
        (3000 * 1024**4, "3,000.0 TiB"),
    ],
)
def test_bytes_in_words(count: int, words: str) -> None:
    assert size(count) == words


def test_every_state_has_a_code_and_words() -> None:
    assert set(EXIT_CODES) == set(HEADLINES) == set(State)
    assert [str(state) for state in State] == ["Completed", "AlreadyRunning", "Partial", "Failed"]
    assert [EXIT_CODES[state] for state in State] == [0, 0, 1, 1]


def test_the_state_is_that_of_the_manifest() -> None:
    assert (result().state, result().exit_code) == (State.COMPLETED, 0)
    partial = result(**PARTIAL)
    assert (partial.state, partial.exit_code) == (State.PARTIAL, 1)
    assert partial.problems == tuple(PARTIAL["problems"])


def test_the_keys_that_scripts_use() -> None:
    told = json.loads(json.dumps(result().as_dict()))
    assert list(told) == [
        *("state", "backup_id", "coverage", "workspace", "place", "files", "problems"),
        *("not_covered", "calls_used", "calls_remaining", "seconds", "continued", "run_id"),
    ]
    assert told["state"] == "Completed"
    assert told["files"][-1] == {
        "resource_type": "markets",
        "key": "demo/2026-11-20T02-00-00Z/markets.json.zst",
        "rows": 1,
        "bytes": (entry := entry_of("markets", rows_of()["markets"])[0]).bytes,
        "stored_bytes": entry.stored_bytes,
        "sha256": entry.sha256,
    }
    assert result().rows == sum(file["rows"] for file in told["files"]) == 15


def test_the_summary_of_a_complete_one() -> None:
    told = summary(result())
    assert told.startswith("# Backup 2026-11-20T02-00-00Z: Completed\n\n**Complete: every type is")
    assert "Workspace `demo`, coverage full, run `3f1e0000-0000-4000-8000-000000000002`." in told
    assert "| instruments | 3 |" in told
    assert "Calls: 1,234 used, 98,765 left. Time: 61 s." in told
    assert "No export covers: tags, webhooks, members, types and fields (described in" in told
    assert told.endswith("Place: `s3://backups/desk/demo/2026-11-20T02-00-00Z`")
    assert "Why it is not complete" not in told
    assert "interrupted" not in told


def test_the_summary_of_a_partial_one_begins_with_what_is_wrong() -> None:
    told = summary(result(**PARTIAL))
    assert "**Partial: this is not last night's backup; the reasons are below.**" in told
    assert "## Why it is not complete\n\n- markets is missing: the job failed.\n- Second." in told
    assert told.index("markets is missing") < told.index("| type |")


def test_the_line_for_a_log_and_a_state() -> None:
    assert failed_message(result(**PARTIAL)) == (
        "Backup 2026-11-20T02-00-00Z. Partial: this is not last night's backup; the reasons are "
        "below. markets is missing: the job failed. Second."
    )
    failure = BackupFailed("said", result(**PARTIAL))
    assert str(failure) == "said"
    assert failure.result.state is State.PARTIAL
