"""How changes end that imports did not bring about."""

from __future__ import annotations

import polars as pl

from armillary.sync.bulk.back import PLACE, Back
from armillary.sync.bulk.sent import Sent
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES, Change, iter_changes

PLANNED = list(CHANGES)

Pairs = list[tuple[Change, Outcome]]


def ended(change: Change, fate: Fate, why: str) -> Outcome:
    """The outcome of a change that was not seen to be applied."""
    return Outcome(change.kind, change.identifier, fate, why, id=change.id)


def undone(back: Back) -> pl.DataFrame:
    """What is not as intended, in the order of the changes, with ``place``."""
    return together(back.otherwise, back.absent)


def together(otherwise: pl.DataFrame, absent: pl.DataFrame) -> pl.DataFrame:
    """Two parts of a ``Back`` in the order of the changes, with ``place``."""
    columns = [PLACE, *PLANNED]
    return pl.concat([otherwise.select(columns), absent.select(columns)]).sort(PLACE)


def unfinished(changes: pl.DataFrame, why: str) -> Pairs:
    """Changes that may or may not have been carried out."""
    return with_fate(changes, Fate.UNKNOWN, why)


def with_fate(changes: pl.DataFrame, fate: Fate, why: str) -> Pairs:
    """Changes that all end alike."""
    return [(change, ended(change, fate, why)) for change in iter_changes(changes.select(PLANNED))]


def refused(rest: pl.DataFrame, reasons: dict[int, str]) -> Pairs:
    """What was read back as undone: refused, where the job said why."""
    pairs: Pairs = []
    for place, change in zip(rest[PLACE], iter_changes(rest.select(PLANNED)), strict=True):
        why = reasons.get(place, "")
        fate = Fate.REJECTED if why else Fate.UNKNOWN
        said = why or "its import did not bring it about, and did not say why"
        pairs.append((change, ended(change, fate, said)))
    return pairs


def first_reason(rest: pl.DataFrame, sent: Sent) -> str:
    """Why the first of them failed whose reason was told; blank if none was."""
    found = (sent.reasons[place] for place in rest[PLACE] if place in sent.reasons)
    return next(found, sent.remarks[0] if sent.remarks else "")
