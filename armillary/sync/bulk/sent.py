"""How far the sending of import files came, and what was said of them."""

from __future__ import annotations

from dataclasses import dataclass

from armillary.restore.importing import Imported, reasons_by_row
from armillary.restore.split import Part


@dataclass
class Sent:
    """How far the sending came."""

    rows: int = 0
    """Of the changes, from the first: those whose file was sent, or was about to be."""
    files: int = 0
    broke: bool = False
    """A job did not end well: what is missing is worth another import."""
    under_way: bool = False
    """A job was given up that may still store rows: nothing of it is sent again."""
    overdue: bool = False
    """A job took too long: no other is waited for."""

    lost: bool = False
    """Nobody knows whether there is a job of some file: one may be storing rows unseen."""
    accepted: int = 0
    """Of the files."""

    def __post_init__(self) -> None:
        self.reasons: dict[int, str] = {}
        """Why rows failed, by the place of the change."""
        self.remarks: list[str] = []
        """What the service said without naming a row."""

    def take(self, part: Part, done: list[Imported]) -> None:
        """Note what became of one file, sent as one or as several."""
        self.files += len(done)
        self.accepted += sum(not imported.refused for imported in done)
        self.lost = self.lost or any(imported.lost for imported in done)
        self.broke = self.broke or any(imported.broke for imported in done)
        self.under_way = self.under_way or any(imported.under_way for imported in done)
        self.overdue = self.overdue or any(imported.overdue for imported in done)
        self.reasons |= reasons_by_row(done, range(part.first_row, part.first_row + part.rows))
        for imported in done:
            self.remarks += imported.remarks

    @property
    def refused(self) -> str:
        """Why imports are refused here, while none was accepted: nothing was stored."""
        return "" if self.accepted or not self.remarks else self.remarks[0]
