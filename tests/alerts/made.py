"""Results as flows report them."""

from __future__ import annotations

from armillary.backup.outcome import BackupResult, State
from armillary.backup.verified import Depth, Verified

BACKUP_ID = "2026-11-20T02-00-00Z"


def a_backup(workspace: str, coverage: str) -> BackupResult:
    return BackupResult(
        state=State.COMPLETED,
        backup_id=BACKUP_ID,
        coverage=coverage,
        workspace=workspace,
        place="s3://firm/ptolemy",
        files=(),
        problems=(),
        not_covered=(),
        calls_used=1,
        calls_remaining=None,
        seconds=1.0,
        continued=False,
        run_id="0192",
    )


def a_verification(depth: Depth) -> Verified:
    return Verified(
        backup_id=BACKUP_ID,
        place="s3://firm/ptolemy",
        depth=depth,
        state="Completed",
        proven=depth == "restore",
        files=1,
        files_read=1,
        bytes_read=1,
        problems=(),
        notes=(),
    )
