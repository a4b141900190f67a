"""Whether an exported file can be all of it: against the workspace's counts, and earlier backups.

Pure. Each function returns a sentence for the manifest and the report, or a blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from armillary.backup.journal import Coverage
from armillary.backup.manifest import Manifest

MAX_SHRINK_SHARE = 0.3
"""An export smaller than the last one by more than this is doubted once."""

SMALLEST_JUDGED = 20
"""Below so many rows a share says nothing."""


def against_counts(
    resource_type: str, rows: int, active: int | None, counts: tuple[int | None, int | None]
) -> str:
    """Compare with ``/count`` before the job was submitted and after it ended.

    Either all rows or the active ones may be what is counted (contract D15, N11). A side that is
    unknown proves nothing and costs no doubt.

    Args:
        resource_type: of the export.
        rows: in the file.
        active: rows of it that are not archived; None where the file does not tell.
        counts: before and after.
    """
    before, after = counts
    if before is None or after is None:
        return ""
    low, high = sorted((before, after))
    if low <= rows <= high or (active is not None and low <= active <= high):
        return ""
    if active is None and rows > high:
        return ""  # archived rows may make the difference, and nothing tells them apart
    counted = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    of_them = f", {active:,} of them active," if active not in (None, rows) else ""
    return (
        f"{resource_type}: the export holds {rows:,} rows{of_them} but the workspace counts "
        f"{counted}."
    )


def shrunk(
    rows: Mapping[str, int],
    coverage: Coverage,
    earlier: Iterable[Manifest],
    max_shrink_share: float = MAX_SHRINK_SHARE,
) -> list[str]:
    """Types that hold far fewer rows than in the newest earlier backup of equal coverage.

    That backup may itself be PARTIAL: so a smaller size is doubted once, and accepted when the
    next backup finds it again.

    Args:
        rows: by resource type, of this backup.
        coverage: of this backup.
        earlier: other backups, newest first; read only as far as needed.
        max_shrink_share: how much smaller is still normal.
    """
    wanted = dict(rows)
    found: list[str] = []
    for manifest in earlier:
        if not _comparable(manifest, coverage):
            continue
        for entry in manifest.files:
            now = wanted.pop(entry.resource_type, None)
            if now is None or entry.rows < SMALLEST_JUDGED:
                continue
            if now < entry.rows * (1 - max_shrink_share):
                found.append(
                    f"{entry.resource_type}: {now:,} rows, where backup {manifest.backup_id} has "
                    f"{entry.rows:,}. If that is right, the next backup of this size counts as "
                    "complete, or start one with accept_shrink."
                )
        if not wanted:
            break
    return found


def _comparable(manifest: Manifest, coverage: Coverage) -> bool:
    return manifest.include_archived == coverage.include_archived and (manifest.filter or None) == (
        coverage.filter or None
    )
