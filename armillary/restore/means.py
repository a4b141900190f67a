"""What a restore works with on the machine it runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from armillary.api.ptolemy import Ptolemy
from armillary.backup.bucket import Bucket
from armillary.backup.job_runner import Patience
from armillary.clock import Clock, SystemClock
from armillary.runs.under_way import UnderWay


@dataclass(frozen=True)
class Means:
    """What a restore works with.

    Attributes:
        ptolemy: the workspace restored into.
        bucket: where the backup lies.
        folder: of the run, for files on their way; whoever made it removes it.
        patience: with jobs.
        in_flight: single writes at once.
        go_on: called often; raises to end it all (a lost lease).
        clock: all waiting goes through it.
        under_way: where imports are noted for whoever cleans up after the run; None for nowhere.
    """

    ptolemy: Ptolemy
    bucket: Bucket
    folder: Path
    patience: Patience = field(default_factory=Patience)
    in_flight: int = 10
    go_on: Callable[[], None] = lambda: None
    clock: Clock = field(default_factory=SystemClock)
    under_way: UnderWay | None = None
