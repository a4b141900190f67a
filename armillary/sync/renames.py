"""Renames: a vanished and a new record that share a stable key are one instrument.

An identifier may change its owner, a stable key (ISIN, FIGI) stays with the instrument: where both
say so, the instrument gets its new identifier by one PATCH and keeps its history. Where they do
not say so clearly, both records are held: neither archived nor created (``reliability.md`` F19).

    vanished    in the workspace and owned by the feed, and no record of the feed has its
                identifier; or its identifier was given to another instrument
    new         in the feed, and its identifier is free; or another instrument has it until now
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from armillary.sync.canonical import CLEAR
from armillary.sync.frames import column
from armillary.sync.matching import NOW
from armillary.sync.plan import IDENTIFIER, RENAMED_FROM, renames_in

OLD = IDENTIFIER + NOW
_NEW_AT, _OLD_AT = "new at", "old at"
_LINKS = {_NEW_AT: pl.UInt32, _OLD_AT: pl.UInt32, "shared": pl.String, "value": pl.String}


@dataclass(frozen=True)
class Renames:
    """What became of the new and the vanished records that share a stable key.

    Attributes:
        pairs: One row a rename: the columns of the record, those of the instrument as ``x.now``,
            and ``identifier.now``.
        held_new: Records (``identifier``, ``row``, ``reason``) that are not created.
        held_old: Instruments (``identifier``, ``reason``) that are not archived.
    """

    pairs: pl.DataFrame
    held_new: pl.DataFrame
    held_old: pl.DataFrame

    def none(self) -> Renames:
        """As if nothing had been found."""
        return Renames(self.pairs.clear(), self.held_new.clear(), self.held_old.clear())


def find_renames(
    new: pl.DataFrame,
    vanished: pl.DataFrame,
    *,
    stable_keys: Sequence[str],
    records: pl.DataFrame,
    active: pl.DataFrame,
    hold: bool = False,
) -> Renames:
    """Pair new records with vanished ones.

    Args:
        new: records of the feed (``row``, ``identifier``, ``name``, ``field.<key>``).
        vanished: instruments (``id``, ``identifier``, ``name``, ``type``, ``field.<key>``).
        stable_keys: keys of the fields that stay with an instrument for life.
        records: all records of the feed: a key value that two of them have tells no instrument.
        active: all active instruments the feed owns, likewise.
        hold: whether the feed wants every pair held.
    """
    keys = [key for key in stable_keys if {column(key)} <= {*new.columns} & {*vanished.columns}]
    linked = _linked(new, vanished, keys)
    doubts = linked.select(_NEW_AT, _OLD_AT, _doubt(linked, keys, records, active, hold=hold))
    doubt = dict(zip(doubts.select(_NEW_AT, _OLD_AT).iter_rows(), doubts["doubt"], strict=True))
    doubt |= _blocked(linked, doubt, active)
    places = list(linked.select(_NEW_AT, _OLD_AT).iter_rows())
    told = linked.with_columns(
        pl.Series("doubt", [doubt[place] for place in places], dtype=pl.String)
    )
    held = told.filter(pl.col("doubt") != "")
    return Renames(
        pairs=told.filter(pl.col("doubt") == "").drop(_NEW_AT, _OLD_AT, "doubt", "shared", "value"),
        held_new=held.unique(_NEW_AT, keep="first", maintain_order=True).select(
            IDENTIFIER, "row", _why(pl.col(OLD), "may be {} under a new identifier")
        ),
        held_old=held.unique(_OLD_AT, keep="first", maintain_order=True).select(
            pl.col(OLD).alias(IDENTIFIER), _why(pl.col(IDENTIFIER), "may be {} of the feed by now")
        ),
    )


def _why(other: pl.Expr, words: str) -> pl.Expr:
    return pl.format(
        words + ": they share {} {}, but {}", other, "shared", "value", "doubt"
    ).alias("reason")


def _linked(new: pl.DataFrame, vanished: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Every pair that shares a key, once, with the first key it shares and its value."""
    mine = new.with_row_index(_NEW_AT)
    old = vanished.rename({name: name + NOW for name in vanished.columns}).with_row_index(_OLD_AT)
    found = [pl.DataFrame(schema=_LINKS)]
    for key in keys:
        value = pl.col(column(key)).alias("value")
        now = pl.col(column(key) + NOW).alias("value")
        links = mine.filter(value != CLEAR).select(_NEW_AT, value).join(
            old.filter(now != CLEAR).select(_OLD_AT, now), on="value"
        )
        found.append(links.select(_NEW_AT, _OLD_AT, pl.lit(key).alias("shared"), "value"))
    links = pl.concat(found).unique([_NEW_AT, _OLD_AT], keep="first", maintain_order=True)
    linked = links.join(mine, on=_NEW_AT).join(old, on=_OLD_AT)
    # A record and the instrument it was found to be: no rename, whatever else they share.
    return linked.filter(pl.col(IDENTIFIER) != pl.col(OLD)).sort(IDENTIFIER, OLD)


def _doubt(
    linked: pl.DataFrame,
    keys: Sequence[str],
    records: pl.DataFrame,
    active: pl.DataFrame,
    *,
    hold: bool,
) -> pl.Expr:
    """Why a pair is not certain; blank if it is."""
    doubt = pl.when(pl.lit(hold)).then(pl.lit("the feed says renames: hold"))
    for key in keys:
        wanted, now = pl.col(column(key)), pl.col(column(key) + NOW)
        doubt = doubt.when(
            ((wanted != CLEAR) & (now != CLEAR) & (wanted != now)).fill_null(value=False)
        ).then(pl.format("their " + key + " is {} in the workspace and {} in the feed", now, wanted))
    for frame, where in ((records, "feed"), (active, "workspace")):
        for key in keys:
            several = _several(frame[column(key)], linked.filter(pl.col("shared") == key)["value"])
            doubt = doubt.when(
                (pl.col("shared") == key) & pl.col("value").is_in(several.implode())
            ).then(pl.lit(f"several records of the {where} have it"))
    for place in (_NEW_AT, _OLD_AT):
        doubt = doubt.when(pl.col(place).is_duplicated()).then(
            pl.lit("one of them shares a stable key with yet another record")
        )
    return doubt.otherwise(pl.lit("")).alias("doubt")


def _several(values: pl.Series, asked: pl.Series) -> pl.Series:
    """Those of the values asked for that more than one record has."""
    found = values.filter(values.is_in(asked.unique().implode()))
    return found.filter(found.is_duplicated()).unique()


def _blocked(
    linked: pl.DataFrame, doubt: Mapping[tuple[int, int], str], active: pl.DataFrame
) -> dict[tuple[int, int], str]:
    """Pairs whose new identifier does not become free, although nothing else is against them.

    A chain (a becomes b, b becomes c) is carried out from its end. Where it ends at an instrument
    that keeps its identifier, or goes round, nothing of it can be: an identifier is one instrument's
    at a time, and a detour over a third would show to everybody.
    """
    steps, places = dict[str, str](), dict[str, tuple[int, int]]()
    for new, old, new_at, old_at in linked.select(IDENTIFIER, OLD, _NEW_AT, _OLD_AT).iter_rows():
        if not doubt[new_at, old_at]:
            steps[old], places[old] = new, (new_at, old_at)
    # Only what stands in the way matters: of a million instruments a few.
    wanted = pl.Series(list(steps.values()), dtype=pl.String).implode()
    taken = set(active.filter(pl.col(IDENTIFIER).is_in(wanted))[IDENTIFIER])
    verdicts: dict[str, str] = {}
    for old in steps:
        _judge_chain(old, steps, taken, verdicts)
    return {places[old]: why for old, why in verdicts.items()}


def _judge_chain(
    old: str, steps: Mapping[str, str], taken: set[str], verdicts: dict[str, str]
) -> None:
    """Note for each step of a chain why it cannot be carried out; blank if it can."""
    way, at = dict[str, None](), old
    while at in steps and at not in verdicts and at not in way:
        way[at] = None
        at = steps[at]
    if at in way:
        why = "they would exchange identifiers with others"
    elif at in verdicts:
        why = verdicts[at]
    else:
        why = f"the identifier {at} is another instrument's, which keeps it" if at in taken else ""
    verdicts |= dict.fromkeys(way, why)


def renamed(changed: pl.DataFrame, identifiers: pl.Series) -> pl.DataFrame:
    """Pairs whose ``changed`` is known, with the new identifier, which becomes the first entry."""
    entry = pl.struct(
        pl.lit(IDENTIFIER).alias("field"),
        pl.col(OLD).alias("before"),
        pl.col(IDENTIFIER).alias("after"),
    )
    return changed.with_columns(identifiers.alias(IDENTIFIER)).with_columns(
        pl.concat_list(entry, "changed").alias("changed")
    )


def unowned(found: Renames) -> Iterator[str]:
    """What to say where a feed without a scope may not decide it."""
    both = [*found.pairs.select(OLD, IDENTIFIER).iter_rows()]
    if both:
        old, new = both[0]
        yield (
            f"{len(both)} new records share a stable key with an instrument that the feed does not "
            f"have, for example {new} with {old}. They count as two: only a feed with a scope "
            "knows which instruments are its own, and renames them."
        )


def in_waves(changes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Changes of one kind in parts, each of which may begin when the one before has ended.

    A rename waits for the one that frees its identifier; everything else is in the first part.
    """
    renames = renames_in(changes)
    steps = dict(renames.select(RENAMED_FROM, IDENTIFIER).iter_rows())
    waits: dict[str, int] = {}
    for old in steps:
        _count_waits(old, steps, waits)
    later = {steps[old]: wave for old, wave in waits.items() if wave}
    if not later:
        yield changes
        return
    wave = pl.col(IDENTIFIER).replace_strict(later, default=0, return_dtype=pl.Int64)
    for _, part in sorted(changes.group_by(wave.alias("wave"), maintain_order=True), key=_first):
        yield part


def _first(part: tuple[tuple[object, ...], pl.DataFrame]) -> int:
    return int(str(part[0][0]))


def _count_waits(old: str, steps: Mapping[str, str], waits: dict[str, int]) -> None:
    """Note how many renames have to end before each one of a chain."""
    way, at = dict[str, None](), old
    while at in steps and at not in waits and at not in way:
        way[at] = None
        at = steps[at]
    before = waits[at] + 1 if at in waits else 0
    waits |= {step: before + n for n, step in enumerate(reversed(way))}
