"""What Cadenza's answers hold, read tolerantly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armillary.api.cadenza.models import Health, SyncAnswer
from armillary.errors import UnexpectedAnswer

_SUPPORT = "Nothing is guessed: report the request and its answer to Cadenza's support."


def rows_of(body: Any, path: str) -> list[dict[str, Any]]:
    """The rows of a list, in its envelope or without one.

    Raises:
        UnexpectedAnswer: there is no list.
    """
    data = body.get("data") if isinstance(body, dict) else body
    if not isinstance(data, list):
        raise unexpected("GET", path, "the answer holds no list.")
    return [row for row in data if isinstance(row, dict)]


def unexpected(method: str, path: str, message: str) -> UnexpectedAnswer:
    """An answer nobody can work with."""
    return UnexpectedAnswer(message, method=method, path=path, next_step=_SUPPORT)


def health_of(body: Any) -> Health:
    """From the one answer that has no envelope (contract section 4)."""
    row = body.get("data", body) if isinstance(body, dict) else {}
    row = row if isinstance(row, dict) else {}
    checks = row.get("checks")
    parts = {
        str(name): str(check.get("status", "")).lower()
        for name, check in (checks.items() if isinstance(checks, dict) else ())
        if isinstance(check, dict)
    }
    status = str(row.get("status") or "unknown").lower()
    return Health(status, str(row.get("version") or ""), parts)


def sync_answer_of(data: Mapping[str, Any]) -> SyncAnswer:
    """The counts that are told, under either name (contract D7)."""
    notes: list[str] = []
    counts = {key: _count(data, key, notes) for key in ("synced", "total", "added", "updated")}
    synced = counts["synced"] if counts["synced"] is not None else counts["total"]
    return SyncAnswer(synced, counts["added"], counts["updated"], tuple(notes))


def _count(data: Mapping[str, Any], key: str, notes: list[str]) -> int | None:
    """Tolerant (C13): digits in a text count, what is no count is said and left out."""
    told = data.get(key)
    if isinstance(told, str) and told.strip().isascii() and told.strip().isdigit():
        told = int(told.strip())
    if isinstance(told, int) and not isinstance(told, bool) and told >= 0:
        return told
    if told is not None:
        notes.append(f"Cadenza told {key} as {str(told)[:40]}, which is no count.")
    return None
