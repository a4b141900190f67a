"""The pages about backups and the code say the same."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from armillary.backup import outcome, verified
from armillary.backup.catalogue import Backup, UnfinishedBackup
from armillary.backup.completeness import MAX_SHRINK_SHARE
from armillary.backup.journal import CONTINUE_HOURS, Coverage, JobNote, Journal
from armillary.backup.listing import FRESH, as_dict, unfinished_as_dict
from armillary.backup.manifest import VERSION, FileEntry, Manifest, SchemasEntry, encode
from armillary.backup.prune import SWEEP_AFTER, Pruned, PrunePlan
from armillary.backup.resources import NOT_COVERED, RESOURCE_TYPES
from armillary.backup.retention import Retention
from armillary.backup.schemas import COLLECTIONS, Schemas
from armillary.backup.store_faults import PERMISSIONS
from armillary.restore import compared
from armillary.restore.history import History, Step
from blocks import BackupStore
from cli.backups import PRUNE_EXIT_CODES
from tasks import report_backup
from tests.backup.made import manifest_of
from tests.docs.pages import reference, section, table_rows, text_of

GUIDE = text_of(Path("docs/guides/backup.md"))
AT_NIGHT = text_of(Path("docs/guides/when-a-backup-says.md"))
FORMAT = reference("backup-format.md")
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)

EXIT_CODES = {
    "backup-workspace": {str(state): code for state, code in outcome.EXIT_CODES.items()},
    "verify-backup": verified.EXIT_CODES,
    "compare-backups": compared.EXIT_CODES,
    "prune-backups": {**PRUNE_EXIT_CODES, "AlreadyRunning": 0, "Failed": 1},
}


def told_of(flow: str) -> dict[str, list[list[str]]]:
    """The states of one flow."""
    page = section(reference("states-and-exit-codes.md"), "Of backups")
    return table_rows(page.partition(f"Of `{flow}`:")[2].partition("\nOf `")[0])


# States and results


@pytest.mark.parametrize("flow", EXIT_CODES)
def test_every_state_is_described_with_type_and_exit_code(flow: str) -> None:
    rows = told_of(flow)
    assert set(rows) >= set(EXIT_CODES[flow])
    for state, code in EXIT_CODES[flow].items():
        [[_, prefect_type, told, _]] = rows[state]
        assert told == str(code), state
        assert prefect_type == ("failed" if state in {"Partial", "Failed"} else "completed"), state


@pytest.mark.parametrize(
    ("flow", "heading"),
    [
        ("backup-workspace", "### Of a backup"),
        ("verify-backup", "### Of a verification"),
        ("compare-backups", "### Of a comparison"),
        ("prune-backups", "### Of a pruning"),
    ],
)
def test_every_state_has_its_line_at_three_in_the_morning(flow: str, heading: str) -> None:
    told = section(AT_NIGHT, "The state").partition(f"{heading}\n")[2].partition("###")[0]
    rows = table_rows(told)
    for state, code in EXIT_CODES[flow].items():
        assert str(code) in rows[state][0][1].split(", "), state


def test_the_headlines_are_told_as_they_are_printed() -> None:
    for state in (outcome.State.COMPLETED, outcome.State.FAILED):
        assert outcome.HEADLINES[state].rstrip(".") in AT_NIGHT


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        (
            "Of a backup",
            [
                field.name
                for kind in (outcome.BackupResult, outcome.StoredFile)
                for field in fields(kind)
            ],
        ),
        ("Of a verification", [field.name for field in fields(verified.Verified)]),
        ("Of a comparison", [field.name for field in fields(compared.Compared)]),
        ("Of `armillary history`", [field.name for field in fields(History)]),
    ],
)
def test_every_key_of_a_result_is_described_and_no_other(heading: str, keys: list[str]) -> None:
    assert set(table_rows(section(reference("result.md"), heading))) == set(keys)


def test_every_key_of_a_problem_and_a_policy_is_described() -> None:
    page = reference("result.md")
    for kind in (verified.Problem, Retention, compared.TypeChanges, compared.Change, Step):
        assert [field.name for field in fields(kind) if f"`{field.name}`" not in page] == []


def test_every_key_of_a_pruning_is_described_and_no_other() -> None:
    made = PrunePlan("s3://b", Retention(keep_last=1), NOW, (), (), (), (), (), "", ())
    rows = table_rows(section(reference("result.md"), "Of a pruning"))
    assert set(rows) == {*made.as_dict(), *Pruned().as_dict()}


def test_every_key_of_a_listed_backup_is_described_and_no_other() -> None:
    age = timedelta(hours=7)
    listed = Backup("2026-11-20T02-00-00Z", "demo/x", NOW, None, "why", None, "", age)
    told = section(reference("result.md"), "Of `armillary backups`")
    assert set(table_rows(told)) == set(as_dict(listed))
    for key in unfinished_as_dict(UnfinishedBackup("id", "demo/id", NOW, "")):
        assert f"`{key}`" in told.partition("Of `unfinished`")[2]


# Events


def test_every_event_is_described() -> None:
    rows = table_rows(reference("states-and-exit-codes.md"))
    source = Path(report_backup.__file__).read_text()
    operations = set(re.findall(r'emit\("([a-z]+)"', source))
    assert operations == {"backup", "verify", "prune"}
    ends = [(of, end) for of in operations for end in ("completed", "failed")]
    events = [f"armillary.{of}.{end}" for of, end in [*ends, ("prune", "withheld")]]
    assert [event for event in events if event not in rows] == []
    for state, end in report_backup.EVENTS.items():
        assert f"`{state}`" in rows[f"armillary.backup.{end}"][0][1]


# Format


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [
        ("manifest.json", [Manifest, FileEntry, SchemasEntry]),
        ("schemas.json", [Schemas]),
        ("_run.json", [Journal]),
    ],
)
def test_every_key_of_the_format_is_described_and_no_other(
    heading: str, kinds: list[type[msgspec.Struct]]
) -> None:
    rows = table_rows(section(FORMAT, heading))
    assert set(rows) == {name for kind in kinds for name in kind.__struct_fields__}


def test_what_lies_inside_those_keys_is_described() -> None:
    told = section(FORMAT, "_run.json")
    for kind in (Coverage, JobNote):
        assert [name for name in kind.__struct_fields__ if f"`{name}`" not in told] == []
    resources = section(FORMAT, "schemas.json")
    assert [name for name in COLLECTIONS if f"`{name}`" not in resources] == []
    assert table_rows(FORMAT)["manifest_version"][0][1] == f"Of this format: `{VERSION}`."


def test_the_line_of_the_guide_believes_a_manifest_and_finds_a_changed_one(tmp_path: Path) -> None:
    [program] = re.findall(r"^python3 -c '(.*)'$", GUIDE, re.MULTILINE)
    content = encode(manifest_of("2026-11-20T02-00-00Z"))
    for page, told in ((content, "True"), (content.replace(b"COMPLETE", b"PARTIAL"), "False")):
        (tmp_path / "manifest.json").write_bytes(page)
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


def test_the_hash_is_made_as_the_page_says() -> None:
    page = json.loads(encode(manifest_of("2026-11-20T02-00-00Z")))
    told = page.pop("sha256")
    text = json.dumps(page, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == told


# Guide


def test_the_fields_of_the_block_are_described_with_their_defaults() -> None:
    rows = table_rows(section(GUIDE, "3. Block or settings"))
    own = {name: field for name, field in BackupStore.model_fields.items() if name[0] != "_"}
    assert set(own) <= set(rows)
    for name in ("checksum", "part_bytes", "upload_threads"):
        assert rows[name][0][1] == f"`{own[name].default}`"


def test_every_right_that_a_message_asks_for_is_on_the_page_of_rights() -> None:
    asked = {right for told in PERMISSIONS.values() for right in re.findall(r"s3:(\w+)", told)}
    assert len(asked) > 5
    rights = text_of(Path("docs/security.md"))
    assert [right for right in sorted(asked) if f"s3:{right}" not in rights] == []


def test_the_figures_that_are_told_are_those_of_the_code() -> None:
    words = {1: "one", 2: "two", 6: "six"}
    assert f"within {words[CONTINUE_HOURS]} hours" in GUIDE
    assert f"After {FRESH.total_seconds() / 3600:.0f} hours" in GUIDE
    assert f"nothing was written for {words[SWEEP_AFTER.days]} days" in GUIDE
    assert f"by more than {MAX_SHRINK_SHARE:.0%}".replace("%", " %") in GUIDE


def test_what_no_export_covers_is_told() -> None:
    covered = section(GUIDE, "4. What lies there")
    for name in NOT_COVERED[:3]:
        assert name in covered
    shown: Any = section(GUIDE, "1. Practise")
    assert f"no export covers: {', '.join(NOT_COVERED)}" in shown
    assert [kind for kind in RESOURCE_TYPES if kind not in shown] == []
