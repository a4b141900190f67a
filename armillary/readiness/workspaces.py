"""Is a workspace of Ptolemy ready: token, role, quota, and what a feed or a drill asks of it?

Costs three API calls, four more per feed (one more for each active webhook), and three per scratch
workspace.
"""

from __future__ import annotations

import fnmatch
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from armillary.api.ptolemy import Ptolemy
from armillary.errors import AccessDenied, ApiError, ArmillaryError, RequestRejected
from armillary.feeds.definition import FeedDefinition
from armillary.readiness.finding import Finding, Level, failed
from armillary.restore.clearing import ERASABLE
from armillary.restore.records import records_of
from armillary.sync.ground import open_workspace, survey
from armillary.sync.trading_days import expected_date


def check_workspace(ptolemy: Ptolemy, workspace: str, block: str = "") -> Iterator[Finding]:
    """Token, workspace, role and quota. Ends early when the token does not work at all.

    Args:
        ptolemy: opens it.
        workspace: slug or UUID.
        block: that holds the token, as in ``ptolemy-workspace/main``; blank for the environment.
    """
    subject = block or "token and workspace"
    try:
        found = open_workspace(ptolemy, workspace)
    except ArmillaryError as error:
        yield failed(subject, error)
        return
    yield Finding(subject, Level.OK, f"the token opens {found.slug or found.id}")
    yield _role(ptolemy, f"{block}, role" if block else "role")
    yield _quota(ptolemy, f"{block}, API call quota" if block else "API call quota")


def _role(ptolemy: Ptolemy, subject: str) -> Finding:
    """Whether the token may write: a PATCH of an instrument that cannot exist tells, harmlessly."""
    try:
        ptolemy.instruments.patch(str(uuid.uuid4()), {"field_values": {}})
    except AccessDenied:
        return Finding(
            subject,
            Level.WARNING,
            "Viewer: plans work, applying does not",
            "To apply, have an Admin give the robot the role Member.",
        )
    except RequestRejected:
        return Finding(subject, Level.OK, "may write (Member)")
    except ApiError as error:
        return failed(subject, error)
    return Finding(subject, Level.OK, "may write (Member)")


def _quota(ptolemy: Ptolemy, subject: str) -> Finding:
    remaining = ptolemy.meter.remaining
    if remaining is None:
        return Finding(
            subject,
            Level.WARNING,
            "Ptolemy does not tell how many calls are left",
            "Plans cannot be checked against the quota.",
        )
    if remaining == 0:
        return Finding(
            subject,
            Level.FAILED,
            "no calls are left in the billing period",
            "Raise the plan or switch overage on in Ptolemy.",
        )
    return Finding(subject, Level.OK, f"{remaining:,} calls left in the billing period")


def check_feed(
    ptolemy: Ptolemy, workspace: str, definition: FeedDefinition, block: str = ""
) -> Finding:
    """Whether the type and every field a feed needs are there, and its trading calendar.

    Args:
        ptolemy: opens the workspace that the feed is synced into.
        workspace: slug or UUID.
        definition: what the feed is.
        block: that it is stored in, as in ``file-feed/vendor``; blank for a file.
    """
    subject = block or f"feed {definition.name}"
    try:
        ground = survey(ptolemy, workspace=workspace, instrument_type=definition.instrument_type)
        if definition.sanity.calendar is not None:
            expected_date(definition.sanity.calendar, datetime.now(UTC), lag_days=1)
    except ArmillaryError as error:
        return failed(subject, error)
    scope = definition.scope if isinstance(definition.scope, dict) else {}
    needed = {*definition.fields, *scope, *definition.stable_keys}
    missing = sorted(needed - set(ground.data_types))
    if missing:
        return Finding(
            subject,
            Level.FAILED,
            f"type {definition.instrument_type} has no field {', '.join(missing)}",
            "Have an Editor add the fields in Ptolemy's dashboard, or correct the feed.",
        )
    unmapped = sorted(ground.required_fields - set(definition.fields))
    if unmapped:
        return Finding(
            subject,
            Level.WARNING,
            f"required field {', '.join(unmapped)} is not mapped: creates will be rejected",
            "Map it in the feed, or have an Editor give it a default.",
        )
    return Finding(
        subject, Level.OK, f"type {ground.type_identifier} has all {len(needed)} fields it needs"
    )


def check_scratch(ptolemy: Ptolemy, workspace: str, pattern: str, block: str) -> Finding:
    """Whether a restore drill may write there: its name says so, and no active row is in it.

    Args:
        ptolemy: opens it.
        workspace: slug or UUID.
        pattern: what the slug of a scratch workspace looks like.
        block: that names it.
    """
    subject = f"{block}, for drills"
    try:
        found = open_workspace(ptolemy, workspace)
        active = [kind for kind in ERASABLE if _holds_active(ptolemy, kind)]
    except ArmillaryError as error:
        return failed(subject, error)
    name = found.slug or found.id
    if not fnmatch.fnmatchcase(name.lower(), pattern.lower()):
        return Finding(
            subject,
            Level.FAILED,
            f"workspace {name} is not named as one that a drill may write into ({pattern})",
            "Name a workspace that is for drills alone in the block, or the pattern in "
            "ARMILLARY_SCRATCH_PATTERN of the workers.",
        )
    if active:
        return Finding(
            subject,
            Level.FAILED,
            f"{name} holds active {' and '.join(active)}: a drill refuses to begin",
            "Archive or remove them, or wait for the drill that is under way.",
        )
    return Finding(subject, Level.OK, f"{name} matches {pattern} and holds no active row")


def _holds_active(ptolemy: Ptolemy, kind: str) -> bool:
    """By the first page: a service that shows archived rows as well is not read through here."""
    first = next(iter(records_of(ptolemy, kind).list_pages()), None)
    return first is not None and any(row.get("archived_at") is None for row in first.rows)
