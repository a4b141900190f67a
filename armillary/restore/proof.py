"""The proof of a backup: what a drill showed, as it lies beside the manifest and as it is told."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from armillary import __version__
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import VERIFICATION, Verification
from armillary.backup.verified import Problem, Recovery, Verified
from armillary.restore.clearing import told
from armillary.restore.drill import Drilled
from armillary.restore.outcome import Difference

SHOWN = 50
"""Differences that are kept; the drill counts rows, not these."""


def write_proof(bucket: Bucket, folder: str, drilled: Drilled, manifest_sha256: str) -> None:
    """Write ``verification.json``; that of an earlier drill is replaced.

    Raises:
        StoreFailed, ConfigurationError: it is not there.
    """
    recovery = recovery_of(drilled)
    page = Verification(
        manifest_sha256=manifest_sha256,
        proven=drilled.proven,
        verified_at=drilled.verified_at,
        sample=drilled.sample,
        rows=recovery.rows,
        seconds=recovery.seconds,
        calls=drilled.calls,
        differences=list(recovery.differences),
        left_over=list(recovery.left_over),
        scratch_workspace=recovery.workspace,
        tool_version=__version__,
        run_id=drilled.result.run_id,
    )
    content = msgspec.json.format(msgspec.json.encode(page), indent=2)
    bucket.write(f"{folder}/{VERIFICATION}", content, locked=False)


def recovery_of(drilled: Drilled) -> Recovery:
    """What a drill showed, as it is told."""
    types = drilled.result.types
    unlike = [_words(found) for found in drilled.differences]
    unlike += [f"{row.resource_type} {row.row}: {row.reason}" for row in drilled.result.failures]
    return Recovery(
        sample=drilled.sample,
        workspace=drilled.result.workspace,
        rows={kind.resource_type: kind.imported for kind in types},
        wanted={kind.resource_type: kind.rows for kind in types},
        seconds={kind.resource_type: kind.seconds for kind in types},
        calls=drilled.calls,
        differences=tuple(unlike[:SHOWN]),
        left_over=tuple(told(drilled.left)),
    )


def with_drill(found: Verified, drilled: Drilled, notes: list[str]) -> Verified:
    """The finding of a verification that went on with a drill.

    Args:
        found: at depth ``content``.
        drilled: what the drill showed.
        notes: what it does not prove.
    """
    recovery = recovery_of(drilled)
    problems = [
        Problem(
            kind,
            "",
            f"{count - recovery.rows[kind]:,} of {count:,} rows did not come out as they are in "
            "the backup.",
        )
        for kind, count in recovery.wanted.items()
        if recovery.rows[kind] != count
    ]
    if not drilled.proven and not problems:
        problems = [Problem("restore", "", "no row was restored, or rows came out twice.")]
    state = "Failed" if problems else found.state
    return replace(
        found,
        depth="restore",
        state=state,
        proven=drilled.proven,
        problems=(*found.problems, *problems),
        notes=(*found.notes, *notes, *drilled.result.notes),
        recovery=recovery,
    )


def _words(found: Difference) -> str:
    return (
        f"{found.resource_type} {found.row}: {found.field} is {found.backup!r} in the backup and "
        f"came out as {found.workspace!r}"
    )
