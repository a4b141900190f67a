"""Bringing one type into the workspace: import what is absent, look, and mend what is not right.

An import is asked to do as much as it can, and believed in nothing: after it the workspace is read
back, and what differs is mended record by record (contract D11).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import polars as pl

from armillary import progress
from armillary.api.ptolemy import Ptolemy
from armillary.restore.bodies import Bodies
from armillary.restore.comparison import Status, held_by_active, waves
from armillary.restore.importing import Imported, ImportJobs, reasons_by_row
from armillary.restore.looking import Looked, pairs
from armillary.restore.natural import Natural, Orphan
from armillary.restore.order import IDENTIFIER_COLUMN
from armillary.restore.repairs import Repair, Repairer
from armillary.restore.side import Side
from armillary.restore.split import MOST_BYTES, Part, PartWriter
from armillary.restore.windows import Row

ROUNDS = 2
"""So often is a type imported when a job broke: the second time only what is still absent."""

BULK_FROM = 500
"""From so many differing rows on, an import updates them first: a PATCH each costs a call each."""

_BLOCK_ROWS = 256
"""So many go into a file at once."""

_HELD = (
    "an active record has its place (D5), and an archived one cannot be made beside it. Archive or "
    "rename that one, then restore this one alone."
)

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass
class Brought:
    """What was done for one type."""

    parts: int = 0
    broke: bool = False
    under_way: bool = False
    """A job was given up that may still store rows: what is missing is not sent again."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Why rows are not as they should be, by their number."""
    remarks: list[str] = field(default_factory=list)
    """What the service said without naming a row."""


@dataclass(frozen=True)
class Bringing:
    """What all types have in common.

    Attributes:
        ptolemy: the workspace.
        source: the backup's rows.
        target: the workspace's rows.
        jobs: submits files.
        look: reads a type of the workspace again.
        update: whether rows that were there before are brought to the backup's content too.
        folder: of the run, for files on their way.
        in_flight: single writes at once.
        go_on: called often; raises to end it all.
        most_part_bytes: of one file (contract section 13: 100 MB).
    """

    ptolemy: Ptolemy
    source: Side
    target: Side
    jobs: ImportJobs
    look: Callable[[str], None]
    update: bool
    folder: Path
    in_flight: int
    go_on: Callable[[], None]
    most_part_bytes: int = MOST_BYTES

    def bring(self, resource_type: str, looked: Looked) -> Brought:
        """Everything but the archiving, which has to wait for the children.

        Raises:
            RunStopped, ApiError: what ends the whole restore.
        """
        brought = Brought()
        for _ in range(ROUNDS):
            if not looked.absent_now.any():
                break
            brought.broke = False
            if resource_type in IDENTIFIER_COLUMN:
                self._import_absent(resource_type, looked, brought)
            else:
                self._create_each(resource_type, looked, brought)
            if not brought.broke or brought.under_way:
                break
        self._mend(resource_type, looked, brought)
        return brought

    def archive_again(
        self, resource_type: str, looked: Looked, brought: Brought, among: pl.Series | None = None
    ) -> int:
        """Archive what the backup has archived; how many were.

        Args:
            resource_type: which.
            looked: at it.
            brought: gets the reasons of those that failed.
            among: only these rows; None for all.
        """
        chosen = self.may(looked) & looked.now.mask(Status.STATE)
        if among is not None:
            chosen &= among
        repairs = [
            Repair(number, there.id, archive=True)
            for number, _, wanted, there in self._pairs(resource_type, looked, chosen)
            if wanted.archived and not there.archived
        ]
        return self._carry_out(resource_type, brought, repairs, "archiving again")

    def may(self, looked: Looked) -> pl.Series:
        """Rows that may be written: this restore's own, and all of them where it updates."""
        return looked.began | pl.Series([self.update]).new_from_index(0, looked.began.len())

    def _import_absent(self, resource_type: str, looked: Looked, brought: Brought) -> None:
        held = held_by_active(looked.wanted.prints, looked.found.prints, looked.absent_now)
        # An import would find the active record by the key, and make the old one of it (D11).
        brought.reasons |= dict.fromkeys(held.arg_true().to_list(), _HELD)
        order = waves(looked.wanted.prints, looked.absent_now & ~held)
        last = int(str(order.max() or 0))
        for wave in range(last + 1):
            chosen = (order == wave).fill_null(False)
            self._import(resource_type, chosen, brought)
            self.look(resource_type)
            if wave < last:
                # The next wave holds active rows with the names of these archived ones.
                self.archive_again(resource_type, looked, brought, among=chosen)

    def _import(self, resource_type: str, chosen: pl.Series, brought: Brought) -> None:
        """Send chosen rows, file by file."""
        bodies = self._bodies(resource_type)
        numbers = array("L")  # of rows that were written and not sent
        block: list[bytes] = []
        total, sent = int(chosen.sum()), 0

        def send(part: Part) -> None:
            nonlocal sent
            rows = numbers[: part.rows]
            del numbers[: part.rows]
            with part as file:
                self.go_on()
                done = self.jobs.run(part, file, resource_type)
            brought.parts += len(done)
            self._take(brought, done, rows)
            sent += len(rows)
            progress.say(f"importing {resource_type}", sent, total)

        with PartWriter(self.folder, self.most_part_bytes) as writer:
            for number, row in self.source.numbered(resource_type, chosen):
                try:
                    block.append(_encode(bodies.create(row)))
                except Orphan as orphan:
                    brought.reasons[number] = orphan.reason
                    continue
                numbers.append(number)
                if len(block) == _BLOCK_ROWS:
                    for full in writer.add_many(block):
                        send(full)
                    block.clear()
            for full in writer.add_many(block):
                send(full)
            rest = writer.end()
        if rest is not None:
            send(rest)

    @staticmethod
    def _take(brought: Brought, done: list[Imported], rows: Sequence[int]) -> None:
        brought.broke = brought.broke or any(imported.broke for imported in done)
        brought.under_way = brought.under_way or any(imported.under_way for imported in done)
        brought.reasons |= reasons_by_row(done, rows)
        for imported in done:
            brought.remarks += imported.remarks
            brought.remarks += [imported.doubt] if imported.doubt else []

    def _create_each(self, resource_type: str, looked: Looked, brought: Brought) -> None:
        """Calendars: no import takes them, their path is a guess (contract D13, N5)."""
        bodies, repairs = self._bodies(resource_type), list[Repair]()
        for number, row in self.source.numbered(resource_type, looked.absent_now):
            try:
                repairs.append(Repair(number, "", create=bodies.create(row)))
            except Orphan as orphan:
                brought.reasons[number] = orphan.reason
        self._carry_out(resource_type, brought, repairs, "creating")

    def _mend(self, resource_type: str, looked: Looked, brought: Brought) -> None:
        """What is there and not right, of rows that may be written."""
        differing = looked.now.mask(Status.BODY) & self.may(looked)
        if (
            int((differing & ~looked.began).sum()) >= BULK_FROM
            and resource_type in IDENTIFIER_COLUMN
        ):
            self._import(resource_type, differing & ~looked.began, brought)
            self.look(resource_type)
        chosen = looked.differs_now & self.may(looked)
        bodies, repairs = self._bodies(resource_type), list[Repair]()
        for number, row, wanted, there in self._pairs(resource_type, looked, chosen):
            try:
                patch = bodies.patch(row, there) or None
            except Orphan as orphan:
                brought.reasons[number] = orphan.reason
                continue
            # An archived record may refuse a PATCH (contract N4): revive, patch, archive again.
            revive = there.archived is True and (not wanted.archived or patch is not None)
            if revive or patch:
                again = revive and wanted.archived is True
                repairs.append(Repair(number, there.id, revive=revive, patch=patch, archive=again))
        self._carry_out(resource_type, brought, repairs, "mending")

    def _carry_out(
        self, resource_type: str, brought: Brought, repairs: list[Repair], step: str
    ) -> int:
        if not repairs:
            return 0
        repairer = Repairer(self.ptolemy, self.in_flight, self.go_on)
        words = f"{step} {resource_type}"
        brought.reasons |= repairer.run(resource_type, repairs, words, len(repairs))
        self.look(resource_type)
        return len(repairs)

    def _pairs(
        self, resource_type: str, looked: Looked, chosen: pl.Series
    ) -> Iterator[tuple[int, Row, Natural, Natural]]:
        return pairs(self.source, self.target, resource_type, looked, chosen)

    def _bodies(self, resource_type: str) -> Bodies:
        return Bodies(
            resource_type,
            self.source.naturals(resource_type),
            self.target.types,
            self.target.directory,
        )
