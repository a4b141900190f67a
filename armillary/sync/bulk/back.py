"""What imports brought about, by the workspace read back: the truth (contract D11)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from armillary.feeds.identifiers import folded
from armillary.sync.frames import BASE_SCHEMA
from armillary.sync.ground import Ground
from armillary.sync.outcome import Echo, Fate, Outcome
from armillary.sync.plan import CHANGES, Change, iter_changes

PLACE = "place"
FOUND = "found"
STORED = "stored"
UNTOUCHED = "untouched"
ELSEWHERE = "elsewhere"
_KEY = "key"

Way = tuple[str, bool]
"""How a record differs: in which field, and whether that stands there as it stood before."""


@dataclass(frozen=True)
class Back:
    """Changes by what became of them; each is in one of the frames, in the order of the changes.

    All have the shape of ``Plan.changes`` and ``place``, their position among what was sent.
    """

    right: pl.DataFrame
    """As intended; with ``found``, the UUID."""
    otherwise: pl.DataFrame
    """There with another value; with ``found``, and ``stored``: list of {field, wanted, stored,
    untouched}, the last of which tells that it is the value that stood there before."""
    absent: pl.DataFrame
    """Not there, or not the instrument that was meant; with ``elsewhere``, whether an instrument
    of another type has the identifier."""

    @property
    def undone(self) -> int:
        """How many are not as intended."""
        return self.otherwise.height + self.absent.height


def compare_back(carried: pl.DataFrame, stored: pl.DataFrame, ground: Ground) -> Back:
    """Compare what was sent with what stands there.

    Args:
        carried: creates and updates (shape: ``Plan.changes``).
        stored: instruments of the workspace, active ones (shape: ``frames``), of any type.
        ground: the type that was meant.
    """
    # Some services store an identifier in another case (contract N3): it is the same record.
    placed = carried.with_row_index(PLACE).with_columns(_key())
    is_mine = pl.col("type").is_in([ground.type_id, ground.type_identifier, ""])
    mine, others = stored.filter(is_mine), stored.filter(~is_mine).select(_key()).to_series()
    # Two active ones of one identifier: neither is known to be the one that was written.
    mine = mine.with_columns(_key()).unique(_KEY, keep="none", maintain_order=True)
    found = placed.join(
        mine.select(_KEY, pl.col("id").alias(FOUND)), on=_KEY, how="left", maintain_order="left"
    )
    # An update is of one instrument, whoever has its identifier now (contract D5).
    there = pl.col(FOUND).is_not_null() & (pl.col("id").is_null() | (pl.col("id") == pl.col(FOUND)))
    wrong = _wrong(found.filter(there), mine)
    present = found.filter(there).join(wrong, on=PLACE, how="left", maintain_order="left")
    is_wrong = pl.col(STORED).is_not_null()
    return Back(
        right=present.filter(~is_wrong).drop(STORED, _KEY),
        otherwise=present.filter(is_wrong).drop(_KEY),
        absent=found.filter(~there.fill_null(value=False))
        .with_columns(pl.col(_KEY).is_in(others.implode()).alias(ELSEWHERE))
        .drop(FOUND, _KEY),
    )


def _key() -> pl.Expr:
    return folded(pl.col("identifier")).alias(_KEY)


def _wrong(placed: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """By place, the fields that hold another value than was sent."""
    entries = placed.select(PLACE, _KEY, "changed").explode("changed").unnest("changed")
    found = []
    for field in stored.columns:
        if field == _KEY or (field in BASE_SCHEMA and field != "name"):
            continue
        of_field = entries.filter(pl.col("field") == field)
        found.append(
            of_field.join(stored.select(_KEY, pl.col(field).alias(STORED)), on=_KEY)
            .filter(pl.col("after") != pl.col(STORED))
            .select(
                PLACE,
                "field",
                pl.col("after").alias("wanted"),
                STORED,
                (pl.col(STORED) == pl.col("before")).alias(UNTOUCHED),
            )
        )
    return (
        pl.concat(found)
        .sort(PLACE, "field")
        .group_by(PLACE, maintain_order=True)
        .agg(pl.struct("field", "wanted", STORED, UNTOUCHED).alias(STORED))
    )


def applied(frame: pl.DataFrame) -> list[tuple[Change, Outcome]]:
    """Changes that stand there as applied ones; what is stored otherwise as echoes."""
    echoes = frame[STORED].to_list() if STORED in frame.columns else [()] * frame.height
    changes = iter_changes(frame.select(list(CHANGES)))
    return [
        (
            change,
            Outcome(
                change.kind,
                change.identifier,
                Fate.APPLIED,
                id=found,
                echoes=tuple(Echo(each["field"], each["wanted"], each[STORED]) for each in stored),
            ),
        )
        for change, found, stored in zip(changes, frame[FOUND], echoes, strict=True)
    ]


def stored_otherwise(sample: pl.DataFrame, outcomes: Collection[Outcome]) -> frozenset[Way]:
    """Ways of differing that lie with how the workspace stores values.

    They are those that writing a record alone did not mend, not for a single one. A value that an
    import never brought is another way than one that was stored in another shape: it is mended.

    Args:
        sample: some rows of ``Back.otherwise``.
        outcomes: what came of writing each of them alone.
    """
    echoes = {
        (outcome.kind, outcome.identifier): {echo.field for echo in outcome.echoes}
        for outcome in outcomes
        if outcome.fate is Fate.APPLIED
    }
    kept: set[Way] = set()
    mended: set[Way] = set()
    for kind, identifier, entries in sample.select("kind", "identifier", STORED).iter_rows():
        echoing = echoes.get((kind, identifier))
        if echoing is None:
            continue  # it was not written, which says nothing
        for entry in entries:
            way = (entry["field"], entry[UNTOUCHED])
            (kept if entry["field"] in echoing else mended).add(way)
    return frozenset(kept - mended)


def only_ways(otherwise: pl.DataFrame, ways: Collection[Way]) -> pl.Series:
    """Which rows of ``Back.otherwise`` differ in no other way than those."""
    known = pl.DataFrame(
        list(ways), schema={"field": pl.String, UNTOUCHED: pl.Boolean}, orient="row"
    )
    entries = otherwise.select(PLACE, STORED).explode(STORED).unnest(STORED)
    others = entries.join(known, on=["field", UNTOUCHED], how="anti")[PLACE]
    return ~otherwise[PLACE].is_in(others.implode())
