"""What bringing changes in by imports needs of those who do it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import polars as pl

from armillary.restore.split import Part
from armillary.sync.breaker import Breaker
from armillary.sync.bulk.back import Back
from armillary.sync.bulk.sent import Sent
from armillary.sync.bulk.trial import Trial, Witness
from armillary.sync.outcome import Outcome
from armillary.sync.plan import Change


class Writing(Protocol):
    """What this needs of the plan that is being applied."""

    breaker: Breaker
    notes: list[str]
    """What a person has to know of how it went."""

    def saw(self, outcome: Outcome) -> object:
        """Note one outcome."""
        ...

    def keep(self, done: Sequence[tuple[Change, Outcome]]) -> None:
        """Leave outcomes in the run record."""
        ...


class OneByOne(Protocol):
    """Writes changes by requests of their own; each has exactly one outcome."""

    def __call__(self, changes: pl.DataFrame, *, look_first: bool) -> list[Outcome]:
        """Write them; ``look_first`` where an earlier attempt may have been carried out."""
        ...


class Steps(Protocol):
    """The steps of ``BulkImports``."""

    notes: list[str]
    """What a person has to know of how it was read."""

    def ready(self) -> int:
        """Let other imports end; how many there were."""
        ...

    def look(self, carried: pl.DataFrame) -> Back:
        """What stands there before anything is sent."""
        ...

    def stands(self, change: pl.DataFrame) -> bool:
        """Whether one change stands there, by that record alone."""
        ...

    def witness(self, updates: pl.DataFrame) -> Witness | None:
        """The update to try; None where none would show anything."""
        ...

    def recorded(self, witness: Witness) -> Change:
        """The change with all that its import may take."""
        ...

    def try_update(self, updates: pl.DataFrame, witness: Witness, sent: Sent) -> Trial:
        """Import one update alone."""
        ...

    def files(self, carried: pl.DataFrame) -> Iterable[Part]:
        """The files to send."""
        ...

    def send(self, part: Part, sent: Sent) -> None:
        """Import one of them."""
        ...

    def read_back(self, carried: pl.DataFrame) -> Back:
        """What stands there now."""
        ...
