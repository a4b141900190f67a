"""What can be good or bad: a feed in a workspace, a workspace's backup, a venue."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Subject:
    """Something whose runs are good or bad; its standing is kept from run to run."""

    operation: str
    """``sync``, ``backup``, ``verify``, ``venues``, …"""
    names: tuple[str, ...]
    """What tells it from others of that operation: workspace and feed, environment and venue."""
    words: str
    """As people read it: ``sync of vendor into demo``."""

    @property
    def key(self) -> str:
        """Where its standing lies in the run records; any name is safe in it."""
        return "/".join(["alerts", self.operation, *map(_safe, self.names)]) + ".json"

    @property
    def resource(self) -> str:
        """What its events are about."""
        return ".".join(["armillary", self.operation, *map(_safe, self.names)])


def _safe(name: str) -> str:
    """A part of a key: never empty, never a dot alone, never with a slash."""
    quoted = quote(name, safe="") or "-"
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
