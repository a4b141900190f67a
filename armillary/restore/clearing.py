"""Removing what a drill has made: for good where that is allowed, else archived, else told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from armillary.errors import AccessDenied, NotFound, RequestRejected
from armillary.restore.means import Means
from armillary.restore.natural import Natural
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.repairs import Repair, Repairer
from armillary.restore.restoring import Restoring

ERASABLE = ("instruments", "markets")
"""What can be deleted for good, with more or less of what hangs on it (contract section 9)."""

MOST_SINGLES = 2000
"""Rows that hang on removed instruments and markets are archived up to so many, a call each. Beyond
that they are left: nobody can reach them, and archived ones would count towards the quota alike."""


@dataclass
class Left:
    """What lies in the scratch workspace after a drill."""

    erased: int = 0
    """Rows that are gone, and cost nothing any more."""
    archived: dict[str, int] = field(default_factory=dict)
    """By type: rows of this drill that are archived, and count towards the item quota."""
    active: dict[str, int] = field(default_factory=dict)
    """By type: rows of this drill that could not be removed at all."""
    dangling: dict[str, int] = field(default_factory=dict)
    """By type: rows whose instrument or market is gone, left because each would cost a call."""
    reasons: list[str] = field(default_factory=list)
    """Why, one example each."""


class Clearing:
    """Clears a scratch workspace of one drill's rows."""

    def __init__(self, means: Means, restoring: Restoring, *, broke_off: bool = False) -> None:
        """Nothing is removed yet.

        Args:
            means: as of the drill.
            restoring: what the drill restored.
            broke_off: what it has made was not all seen.
        """
        self._broke_off = broke_off
        self._means = means
        self._restoring = restoring
        self._repairer = Repairer(means.ptolemy, means.in_flight, means.go_on)
        self._left = Left()
        self._singles_left = MOST_SINGLES

    def run(self) -> Left:
        """Erase instruments and markets, then archive whatever did not go with them.

        Raises:
            ApiError: the workspace cannot be read or written any more.
        """
        looked = self._restoring.looked
        kinds = [
            kind
            for kind in RESTORE_ORDER
            if kind in looked and (self._broke_off or len(looked[kind].found.prints))
        ]
        for kind in ERASABLE:
            if kind in kinds:
                self._erase(kind)
        for kind in reversed(kinds):
            if kind not in self._restoring.unreachable:
                self._archive(kind)
        return self._left

    def _erase(self, kind: str) -> None:
        """One alone first: where it is not allowed, it is for none of them (contract N4)."""
        if self._broke_off:
            self._restoring.look_with_ids(kind)
        made = [found.id for found in self._made(kind) if found.id]
        repairs = [Repair(number, uuid, erase=True) for number, uuid in enumerate(made)]
        first, rest = repairs[:1], repairs[1:]
        try:
            refused = self._repairer.run(kind, first, f"removing {kind}", len(repairs))
            if not refused and rest:
                refused = self._repairer.run(kind, rest, f"removing {kind}", len(repairs))
        except (AccessDenied, RequestRejected) as error:
            self._left.reasons.append(f"{kind} are archived and not erased: {error.message}")
            return
        self._left.erased += len(repairs) - len(refused)
        self._left.reasons += [f"{kind}: {why}" for why in list(refused.values())[:1]]

    def _archive(self, kind: str) -> None:
        try:
            self._restoring.look_with_ids(kind)
        except NotFound:
            return
        made = list(self._made(kind))
        active = [found for found in made if not found.archived]
        if kind not in ERASABLE and len(active) > self._singles_left:
            self._left.dangling[kind] = len(active)
            return
        self._singles_left -= len(active)
        repairs = [Repair(number, found.id, archive=True) for number, found in enumerate(active)]
        failed: dict[int, str] = {}
        if repairs:
            try:
                failed = self._repairer.run(kind, repairs, f"archiving {kind}", len(repairs))
            except AccessDenied as error:
                failed = dict.fromkeys(range(len(repairs)), error.message)
        if failed:
            self._left.active[kind] = len(failed)
            self._left.reasons.append(f"{kind}: {next(iter(failed.values()))}")
        archived = len(made) - len(failed)
        if archived:
            self._left.archived[kind] = archived

    def _made(self, kind: str) -> Iterator[Natural]:
        """Rows of the drill, as they were last seen."""
        looked = self._restoring.looked[kind]
        everything = pl.repeat(True, len(looked.found.prints), dtype=pl.Boolean, eager=True)
        for _, _, natural in self._restoring.target.rows(kind, everything):
            yield natural


def told(left: Left) -> list[str]:
    """Sentences for a report; none when nothing is left."""
    said = []
    if left.active:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in left.active.items())
        said.append(
            f"Left over and active in the scratch workspace: {counts}. Remove them by hand, or the "
            "next drill is refused."
        )
    if left.dangling:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in left.dangling.items())
        said.append(
            f"Left over in the scratch workspace: {counts}. What they hung on is removed; to "
            f"archive more than {MOST_SINGLES:,} would cost a call each. They count towards its "
            "item quota."
        )
    if left.archived:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in left.archived.items())
        said.append(
            f"Left over and archived in the scratch workspace: {counts}; they count towards its "
            "item quota."
        )
    return [*said, *dict.fromkeys(left.reasons)]
