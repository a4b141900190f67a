"""One line of the check, and how whatever goes wrong while looking becomes one."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from armillary.errors import ApiError, ArmillaryError


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


def worst(findings: Sequence[Finding]) -> Level:
    """The level of the whole check."""
    for level in (Level.FAILED, Level.WARNING):
        if any(finding.level is level for finding in findings):
            return level
    return Level.OK


def failed(subject: str, error: ArmillaryError) -> Finding:
    """An error as a finding, with its own advice."""
    if isinstance(error, ApiError):
        asked = f"{error.method} {error.path}"
        answer = f" answered {error.status}" if error.status else ""
        return Finding(subject, Level.FAILED, f"{asked}{answer}: {error.message}", error.advice)
    return Finding(subject, Level.FAILED, error.message, error.advice)


def looked_at(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a look finds; an error of any kind ends this look, and no other.

    Args:
        subject: of the finding that an error becomes.
        look: what is to be done.
    """
    try:
        yield from look()
    except ArmillaryError as error:
        yield failed(subject, error)
    except Exception as error:  # noqa: BLE001 - the other lines are worth having all the same
        yield Finding(
            subject,
            Level.FAILED,
            f"could not be looked at: {words_of(error)}",
            "Look at it by hand; the other lines hold.",
        )


def words_of(error: Exception) -> str:
    """An error of somebody else's in words that show no value: one may be a secret."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(str(part) for part in found['loc']) or 'all of it'}: {found['msg']}"
            for found in error.errors(include_input=False, include_url=False)
        )
    where = traceback.extract_tb(error.__traceback__)
    if isinstance(error, httpx.TransportError) or not where:
        return type(error).__name__
    return f"{type(error).__name__} ({Path(where[-1].filename).name}, line {where[-1].lineno})"
