"""How much memory a process takes, in MiB."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Memory:
    """How far the peak of this process rises above where it began."""

    def __init__(self) -> None:
        """It begins now."""
        self.start_mb = _resident_mb("VmRSS")

    @property
    def peak_mb(self) -> float:
        """The largest resident size so far."""
        return _resident_mb("VmHWM")

    @property
    def above_start_mb(self) -> float:
        """The peak above the start."""
        return self.peak_mb - self.start_mb


def told_memory(found: Mapping[str, Any]) -> str:
    """What a process found of its own memory, under ``start_mb`` and ``peak_mb``."""
    above = found["peak_mb"] - found["start_mb"]
    return f"{found['start_mb']:.0f} MB before, at most {above:.0f} MB more"


def _resident_mb(name: str) -> float:
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its peak may be that of the process which started this one.
        lines = (line.split() for line in status.read_text(encoding="ascii").splitlines())
        return next(int(words[1]) / 1024 for words in lines if words[0] == f"{name}:")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
