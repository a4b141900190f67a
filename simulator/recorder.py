"""What was asked: counts by method and template, and a log of the latest requests."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from simulator.exchange import Incoming, Location


@dataclass(slots=True)
class Entry:
    """One request in the log; header names only, so that no token is ever kept."""

    at: float
    method: str
    template: str
    path: str
    workspace: str
    caller: str
    header_names: tuple[str, ...]
    body_digest: str
    status: int | None = None
    retry_after: str | None = None
    fault: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        return {
            "at": self.at,
            "method": self.method,
            "template": self.template,
            "path": self.path,
            "workspace": self.workspace,
            "caller": self.caller,
            "status": self.status,
            "retry_after": self.retry_after,
            "fault": self.fault,
            "header_names": list(self.header_names),
            "body_sha256": self.body_digest,
        }


class Recorder:
    """Counts calls and keeps the latest."""

    def __init__(self, kept: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._calls: Counter[str] = Counter()
        self._by_caller: dict[str, Counter[str]] = {}

    def start(self, incoming: Incoming, location: Location, caller: str, at: float) -> Entry:
        """Count a request and open its entry; the status follows."""
        key = f"{incoming.method} {location.template}"
        self._calls[key] += 1
        self._by_caller.setdefault(caller, Counter())[key] += 1
        told = incoming.body and not location.secret_body
        digest = hashlib.sha256(incoming.body).hexdigest()[:16] if told else ""
        entry = Entry(
            at=at,
            method=incoming.method,
            template=location.template,
            path=location.path,
            workspace=location.scope,
            caller=caller,
            header_names=tuple(incoming.headers),
            body_digest=digest,
        )
        self._entries.append(entry)
        return entry

    def calls(self) -> dict[str, Any]:
        """Counts by ``METHOD /template``, in total, and by caller."""
        return {
            "total": self._calls.total(),
            "calls": dict(sorted(self._calls.items())),
            "by_token": {
                caller: {"total": counts.total(), "calls": dict(sorted(counts.items()))}
                for caller, counts in sorted(self._by_caller.items())
            },
        }

    def log(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The latest entries, oldest first."""
        entries = list(self._entries)
        return [entry.as_dict() for entry in (entries[-limit:] if limit else entries)]

    def reset(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._calls.clear()
        self._by_caller.clear()
