"""Is everything ready? One finding for each thing a run needs, with what to do about it.

Costs three API calls, and four more per feed (one more for each active webhook). A backup store is
asked by writing, reading and removing a small page; Cadenza by a login and its list of venues.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import httpx

from armillary.api.cadenza import Cadenza
from armillary.api.ptolemy import Ptolemy
from armillary.api.shared_limit import SharedLimit
from armillary.backup.bucket import Bucket
from armillary.clock import Clock, SystemClock
from armillary.errors import (
    AccessDenied,
    ApiError,
    ArmillaryError,
    ConfigurationError,
    RequestRejected,
)
from armillary.feeds.definition import FeedDefinition
from armillary.runs.store import RunStore
from armillary.sync.ground import open_workspace, survey

SKEW_WARNING_SECONDS = 60
SKEW_FAILURE_SECONDS = 900
"""Signatures of S3 are refused beyond 15 minutes (``reliability.md`` T01)."""


class Level(StrEnum):
    """How a finding stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One line of the check."""

    subject: str
    level: Level
    found: str
    todo: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return asdict(self)


def check_store(bucket: Bucket) -> Finding:
    """Whether the backup store takes, gives and lists (``reliability.md`` S09 to S11)."""
    try:
        bucket.prove()
    except ArmillaryError as error:
        return _failed("backup store", error)
    return Finding("backup store", Level.OK, f"{bucket.place} takes, gives and lists")


def check_workspace(ptolemy: Ptolemy, workspace: str) -> Iterator[Finding]:
    """Token, workspace, role and quota. Ends early when the token does not work at all."""
    try:
        found = open_workspace(ptolemy, workspace)
    except ArmillaryError as error:
        yield _failed("token and workspace", error)
        return
    yield Finding("token and workspace", Level.OK, f"the token opens {found.slug or found.id}")
    yield _role(ptolemy)
    yield _quota(ptolemy)


def _role(ptolemy: Ptolemy) -> Finding:
    """Whether the token may write: a PATCH of an instrument that cannot exist tells, harmlessly."""
    try:
        ptolemy.instruments.patch(str(uuid.uuid4()), {"field_values": {}})
    except AccessDenied:
        return Finding(
            "role",
            Level.WARNING,
            "Viewer: plans work, applying does not",
            "To apply, have an Admin give the robot the role Member.",
        )
    except RequestRejected:
        return Finding("role", Level.OK, "may write (Member)")
    except ApiError as error:
        return _failed("role", error)
    return Finding("role", Level.OK, "may write (Member)")


def _quota(ptolemy: Ptolemy) -> Finding:
    remaining = ptolemy.meter.remaining
    if remaining is None:
        return Finding(
            "API call quota",
            Level.WARNING,
            "Ptolemy does not tell how many calls are left",
            "Plans cannot be checked against the quota.",
        )
    if remaining == 0:
        return Finding(
            "API call quota",
            Level.FAILED,
            "no calls are left in the billing period",
            "Raise the plan or switch overage on in Ptolemy.",
        )
    return Finding("API call quota", Level.OK, f"{remaining:,} calls left in the billing period")


def check_feed(ptolemy: Ptolemy, workspace: str, definition: FeedDefinition) -> Finding:
    """Whether the type and every field a feed needs are there."""
    subject = f"feed {definition.name}"
    try:
        ground = survey(ptolemy, workspace=workspace, instrument_type=definition.instrument_type)
    except ArmillaryError as error:
        return _failed(subject, error)
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


def check_cadenza(cadenza: Cadenza) -> Finding:
    """Whether Cadenza is well, lets the account in, and has venues online.

    Args:
        cadenza: a client of the account; its health is asked without a token (contract section 4).
    """
    subject = f"Cadenza {cadenza.connection.environment}"
    try:
        health = cadenza.health()
        venues = cadenza.venues()
    except ArmillaryError as error:
        return _failed(subject, error)
    online = sum(venue.online for venue in venues)
    found = f"{online} of {len(venues)} venues online"
    if health.status != "healthy":
        ill = sorted(part for part, status in health.checks.items() if status != "healthy")
        parts = f" ({', '.join(ill)})" if ill else ""
        level = Level.WARNING if health.up else Level.FAILED
        advice = "Refreshes may fail; look again later, or ask Cadenza's support."
        return Finding(subject, level, f"says it is {health.status}{parts}; {found}", advice)
    if not online:
        return Finding(
            subject,
            Level.WARNING,
            f"the account works; {found}",
            "No venue can be refreshed or published now; look again later.",
        )
    return Finding(subject, Level.OK, f"healthy, the account works; {found}")


def check_limit(limit: SharedLimit) -> Finding:
    """Whether the limit that several processes share is there, and leaves room."""
    subject = "shared limit"
    try:
        with limit.open() as lender:
            found = lender.look()
    except ArmillaryError as error:
        return _failed(subject, error)
    if not found.enforced:
        return Finding(
            subject,
            Level.WARNING,
            f"{limit.name!r} is switched off: nothing holds the processes back",
            f"Switch it on: prefect gcl enable {limit.name}",
        )
    taken = f"{found.taken} of {found.slots} slots of {limit.name!r} are taken"
    if found.has_room:
        return Finding(subject, Level.OK, taken)
    return Finding(subject, Level.WARNING, taken, f"Usual while runs are under way. {limit.advice}")


def check_runs(store: RunStore) -> Finding:
    """Whether run records can be written and read, and whether other workers see them."""
    try:
        store.write("check", b"ok")
        if store.read("check") != b"ok":
            raise ConfigurationError(f"{store.place} does not return what was written to it.")
    except ArmillaryError as error:
        return _failed("run records", error)
    if store.place.startswith("s3://"):
        return Finding("run records", Level.OK, f"{store.place}, shared by all workers")
    return Finding(
        "run records",
        Level.WARNING,
        f"{store.place} belongs to this machine alone",
        "For workers in containers or on several machines set ARMILLARY_RUNS to s3://bucket/prefix.",
    )


def check_clock(url: str, clock: Clock | None = None) -> Finding:
    """How far this machine's clock is from Ptolemy's, by the Date header of any answer."""
    clock = clock or SystemClock()
    try:
        answer = httpx.get(url, timeout=10, follow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        return Finding("clock", Level.WARNING, f"could not be compared: {type(error).__name__}")
    skew = abs((clock.now() - theirs).total_seconds())
    return _skew(skew, theirs)


def _skew(seconds: float, theirs: datetime) -> Finding:
    if seconds <= SKEW_WARNING_SECONDS:
        return Finding("clock", Level.OK, f"within {SKEW_WARNING_SECONDS} seconds of Ptolemy's")
    level = Level.FAILED if seconds > SKEW_FAILURE_SECONDS else Level.WARNING
    return Finding(
        "clock",
        level,
        f"{seconds:,.0f} seconds away from Ptolemy's ({theirs:%Y-%m-%d %H:%M:%S} UTC)",
        "Set the machine's clock (NTP): schedules and S3 signatures depend on it.",
    )


def _failed(subject: str, error: ArmillaryError) -> Finding:
    if isinstance(error, ApiError):
        asked = f"{error.method} {error.path}"
        answer = f" answered {error.status}" if error.status else ""
        return Finding(subject, Level.FAILED, f"{asked}{answer}: {error.message}", error.advice)
    return Finding(subject, Level.FAILED, error.message, error.advice)


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the whole check."""
    for level in (Level.FAILED, Level.WARNING):
        if any(finding.level is level for finding in findings):
            return level
    return Level.OK
