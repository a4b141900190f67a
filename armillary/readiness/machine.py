"""Is this machine ready: its clock, its time zones, what its environment says?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from armillary.api.shared_limit import SharedLimit
from armillary.clock import Clock, SystemClock
from armillary.errors import ArmillaryError
from armillary.readiness.finding import Finding, Level, failed

SKEW_WARNING_SECONDS = 60
SKEW_FAILURE_SECONDS = 900
"""Signatures of S3 are refused beyond 15 minutes (``reliability.md`` T01)."""

USUAL_ZONES = ("Europe/Zurich", "America/New_York", "Asia/Tokyo")
"""Asked for where no schedule names one."""


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


def check_zones(zones: Iterable[str] = ()) -> Finding:
    """Whether this machine knows the time zones that schedules are given in.

    Args:
        zones: of the schedules; blank for some that are always asked for.
    """
    subject = "time zones"
    asked = sorted(set(zones)) or list(USUAL_ZONES)
    unknown = [zone for zone in asked if not _known(zone)]
    if not unknown:
        return Finding(subject, Level.OK, f"known: {', '.join(asked)}")
    return Finding(
        subject,
        Level.FAILED,
        f"unknown on this machine: {', '.join(unknown)}",
        "Correct the name of the zone in prefect.yaml. If the name is right, the machine has no "
        "time zone data: install the system's tzdata, or the Python package tzdata.",
    )


def _known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def check_heartbeat(url: str) -> Finding:
    """Whether runs tell somebody outside that they live; the address itself is never shown.

    Args:
        url: of ``ARMILLARY_HEARTBEAT_URL``; blank where none is set.
    """
    subject = "heartbeat"
    if url:
        return Finding(subject, Level.OK, "an address is set")
    return Finding(
        subject,
        Level.WARNING,
        "ARMILLARY_HEARTBEAT_URL is not set here",
        "A server that is dead cannot report itself: set it for the workers to an address of a "
        "service that alerts when no ping comes.",
    )


def check_limit(limit: SharedLimit, block: str = "") -> Finding:
    """Whether the limit that several processes share is there, and leaves room.

    Args:
        limit: as a workspace names it.
        block: that names it, as in ``ptolemy-workspace/main``; blank for the environment.
    """
    subject = f"{block}, shared limit" if block else "shared limit"
    try:
        with limit.open() as lender:
            found = lender.look()
    except ArmillaryError as error:
        return failed(subject, error)
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
