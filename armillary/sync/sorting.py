"""Where each record went while a plan is made: changed, held, rejected, or unchanged."""

from __future__ import annotations

import polars as pl

from armillary.sync.compare import as_changes
from armillary.sync.plan import CHANGES, HELD, KINDS, REJECTS, sort_changes


class Sorting:
    """Gathers the parts of a plan as frames; nothing is decided here."""

    def __init__(self) -> None:
        self._changes = {kind: [pl.DataFrame(schema=CHANGES)] for kind in KINDS}
        self._held: list[pl.DataFrame] = [pl.DataFrame(schema=HELD)]
        self._rejects: list[pl.DataFrame] = [pl.DataFrame(schema=REJECTS)]
        self.unchanged = 0

    @property
    def changes(self) -> pl.DataFrame:
        """All planned changes so far, in the order of a plan."""
        return pl.concat(sort_changes(pl.concat(parts)) for parts in self._changes.values())

    @property
    def held(self) -> pl.DataFrame:
        """All held records so far."""
        return pl.concat(self._held)

    @property
    def rejects(self) -> pl.DataFrame:
        """All records rejected while planning."""
        return pl.concat(self._rejects)

    def hold(self, frame: pl.DataFrame, reason: pl.Expr | str) -> None:
        """These records are neither changed nor archived."""
        self._held.append(
            frame.select("identifier", pl.col("row").cast(pl.UInt32), _text(reason).alias("reason"))
        )

    def reject(self, frame: pl.DataFrame, reason: pl.Expr | str) -> None:
        """These records cannot be brought in as they are."""
        cells = pl.struct("identifier", "name").struct.json_encode()
        self._rejects.append(
            frame.select(
                pl.col("row").cast(pl.UInt32),
                "identifier",
                _text(reason).alias("reason"),
                cells.alias("cells"),
            )
        )

    def change(self, pairs: pl.DataFrame, kind: str) -> None:
        """These pairs (``Matching.beside``) become changes of an existing record."""
        self.add(as_changes(pairs.with_columns(id=pl.col("id.now")), kind), kind)

    def add(self, changes: pl.DataFrame, kind: str) -> None:
        """Add changes of one kind that have their final shape."""
        self._changes[kind].append(changes)


def _text(reason: pl.Expr | str) -> pl.Expr:
    return pl.lit(reason) if isinstance(reason, str) else reason
