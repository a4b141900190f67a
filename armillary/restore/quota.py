"""What a workspace's plan has left, and what rows cost of it (contract section 17).

The keys of ``GET /plan`` are not documented. Whatever they are, they are words: a number that is
named ``items`` and ``used``, in whatever order and however deep, is the items that are used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from armillary.api.ptolemy import Ptolemy
from armillary.errors import (
    AccessDenied,
    RequestRejected,
    TransientError,
    UnexpectedAnswer,
)

_ROLES = {
    **dict.fromkeys(("remaining", "left", "available"), "left"),
    **dict.fromkeys(("limit", "limits", "max", "maximum", "quota", "included", "allowed"), "limit"),
    **dict.fromkeys(("used", "usage", "count", "current", "consumed"), "used"),
}
"""What a number is, by the last such word on the way to it."""

_OVERAGE = "overage"
_ON = frozenset({"on", "true", "enabled", "yes"})
_NAMES = ("name", "key", "metric", "dimension", "resource")
"""Where an entry of a list says what it is about."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

_COMPOSITE = "composite_time_series_values"
_ITEMS = "items"
_NO_ITEMS = frozenset(
    {
        "id",
        "instrument",
        "instrument_id",
        "type",
        "type_id",
        "timestamp",
        "created_at",
        "updated_at",
        "archived_at",
    }
)
"""Columns of an exported composite value that hold no item (CSV: contract section 13)."""


@dataclass(frozen=True)
class Quota:
    """What is left.

    Attributes:
        calls_left: of the billing period; None where Ptolemy does not tell.
        items_left: database items, archived ones count; None: not told, or without limit.
        overage: whether what is beyond is billed instead of refused; None: not told.
    """

    calls_left: int | None
    items_left: int | None
    overage: bool | None

    def refusal(self, *, calls: int, items: int) -> str | None:
        """Why a restore that needs so much cannot end well; None if it can, or nobody knows."""
        short = [] if self.overage else list(self._short(calls, items))
        return f"The restore needs {' and '.join(short)}." if short else None

    def billed(self, *, calls: int, items: int) -> str | None:
        """What of a restore that needs so much is billed beyond the plan; None for nothing."""
        short = list(self._short(calls, items)) if self.overage else []
        return (
            f"Overage is on and billed: the restore needs {' and '.join(short)}." if short else None
        )

    def _short(self, calls: int, items: int) -> Iterator[str]:
        if self.calls_left is not None and calls > self.calls_left:
            yield f"{calls:,} calls, of which {self.calls_left:,} are left in the billing period"
        if self.items_left is not None and items > self.items_left:
            yield f"{items:,} database items, of which {self.items_left:,} are left in the plan"


def read_quota(ptolemy: Ptolemy) -> Quota:
    """Ask what is left; one call. A plan that is not shown, or not readable, tells nothing.

    Raises:
        ApiError: the token is refused, or no call is left.
    """
    try:
        told = list(_told((), ptolemy.usage()))
    except (AccessDenied, RequestRejected, TransientError, UnexpectedAnswer) as error:
        if error.status == HTTPStatus.UNAUTHORIZED:
            raise
        told = []
    heard = ptolemy.meter.remaining
    return Quota(
        calls_left=_left(told, "call") if heard is None else heard,
        items_left=_left(told, "item"),
        overage=_overage(told),
    )


def item_price(resource_type: str, row: Mapping[str, Any]) -> int:
    """Database items that a new row takes (contract D9: a composite value is one and its items)."""
    if resource_type != _COMPOSITE:
        return 1
    items = row.get(_ITEMS)
    if isinstance(items, list | dict):
        return 1 + len(items)
    columns = (value for name, value in row.items() if name not in _NO_ITEMS)
    return 1 + sum(1 for value in columns if value not in (None, ""))


_Told = tuple[tuple[str, ...], Any]
"""A value that is no container, and the words of the keys on the way to it."""


def _told(words: tuple[str, ...], value: Any) -> Iterator[_Told]:
    if isinstance(value, Mapping):
        name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "")
        words = (*words, *_words(name))
        for key, inner in value.items():
            yield from _told((*words, *_words(str(key))), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _told(words, inner)
    else:
        yield words, value


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _left(told: list[_Told], subject: str) -> int | None:
    """What is left of a subject; with two answers nobody can tell which is meant."""
    found: dict[str, set[int]] = {"left": set(), "limit": set(), "used": set()}
    for words, value in told:
        role = next((_ROLES[word] for word in reversed(words) if word in _ROLES), None)
        is_meant = {subject, f"{subject}s"} & set(words) and _OVERAGE not in words
        number = _whole(value)
        if role and is_meant and number is not None:
            found[role].add(number)
    one = {role: numbers.pop() for role, numbers in found.items() if len(numbers) == 1}
    if "left" in one:
        return max(0, one["left"])
    return max(0, one["limit"] - one["used"]) if {"limit", "used"} <= one.keys() else None


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return int(value)
    return None


def _overage(told: list[_Told]) -> bool | None:
    for words, value in told:
        if _OVERAGE in words and isinstance(value, bool):
            return value
        if _OVERAGE in words and isinstance(value, str):
            return value.strip().lower() in _ON
    return None
