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
_LINKS = {
    _NEW_AT: pl.UInt32,
    _OLD_AT: pl.UInt32,
    "shared": pl.String,
    "value": pl.String,
    "common": pl.String,
}


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
    hold: str = "",
) -> Renames:
    """Pair new records with vanished ones.

    Args:
        new: records of the feed (``row``, ``identifier``, ``name``, ``field.<key>``).
        vanished: instruments (``id``, ``identifier``, ``name``, ``type``, ``field.<key>``).
        stable_keys: keys of the fields that stay with an instrument for life.
        records: all records of the feed: a key value that two of them have tells no instrument.
        active: all active instruments the feed owns, likewise.
        hold: why every pair is held; blank: it is not.
    """
    keys = [key for key in stable_keys if {column(key)} <= {*new.columns} & {*vanished.columns}]
    linked = _linked(new, vanished, keys, records, active).with_columns(_doubt(hold))
    linked = _with_blocked(linked, active)
    held = linked.filter(pl.col("doubt") != "")
    return Renames(
        pairs=linked.filter(pl.col("doubt") == "").drop(*_LINKS, "differ", "doubt"),
        held_new=held.unique(_NEW_AT, keep="first", maintain_order=True).select(
            IDENTIFIER, "row", _why(pl.col(OLD), "may be {} under a new identifier")
        ),
        held_old=held.unique(_OLD_AT, keep="first", maintain_order=True).select(
            pl.col(OLD).alias(IDENTIFIER), _why(pl.col(IDENTIFIER), "may be {} of the feed by now")
        ),
    )


def _why(other: pl.Expr, words: str) -> pl.Expr:
    return pl.format(words + ": they share {} {}, but {}", other, "shared", "value", "doubt").alias(
        "reason"
    )


def _linked(
    new: pl.DataFrame,
    vanished: pl.DataFrame,
    keys: Sequence[str],
    records: pl.DataFrame,
    active: pl.DataFrame,
) -> pl.DataFrame:
    """Every pair that shares a key, once, with the most telling key it shares and its value.

    ``common`` says who else has the value, ``differ`` which other key disagrees; blank: none. What
    shares a key that is its own alone, and disagrees in none, is looked at for that one alone: the
    listings of one company share an ISIN, and their FIGIs tell them apart.
    """
    mine = new.with_row_index(_NEW_AT)
    old = vanished.rename({name: name + NOW for name in vanished.columns}).with_row_index(_OLD_AT)
    found = [pl.DataFrame(schema=_LINKS)]
    for key in keys:
        value = pl.col(column(key)).alias("value")
        now = pl.col(column(key) + NOW).alias("value")
        links = (
            mine.filter(value != CLEAR)
            .select(_NEW_AT, value)
            .join(old.filter(now != CLEAR).select(_OLD_AT, now), on="value")
        )
        common = pl.coalesce(
            _where(frame[column(key)], links["value"], name)
            for frame, name in ((records, "feed"), (active, "workspace"))
        )
        links = links.with_columns(common.fill_null("").alias("common"))
        found.append(links.select(_NEW_AT, _OLD_AT, pl.lit(key).alias("shared"), "value", "common"))
    links = pl.concat(found).sort(pl.col("common") != "", maintain_order=True)
    links = links.unique([_NEW_AT, _OLD_AT], keep="first", maintain_order=True)
    linked = links.join(mine, on=_NEW_AT).join(old, on=_OLD_AT)
    # A record and the instrument it was found to be: no rename, whatever else they share.
    linked = linked.filter(pl.col(IDENTIFIER) != pl.col(OLD)).sort(IDENTIFIER, OLD)
    linked = linked.with_columns(_differing(keys).alias("differ"))
    sure = (pl.col("common") == "") & (pl.col("differ") == "")
    for place in (_NEW_AT, _OLD_AT):
        linked = linked.filter(sure | ~sure.any().over(place))
    return linked


def _where(values: pl.Series, asked: pl.Series, name: str) -> pl.Expr:
    """In words, for those of the values asked for that more than one record has; else null."""
    found = values.filter(values.is_in(asked.unique().implode()))
    several = found.filter(found.is_duplicated()).unique().implode()
    return pl.when(pl.col("value").is_in(several)).then(
        pl.lit(f"several records of the {name} have it")
    )


def _differing(keys: Sequence[str]) -> pl.Expr:
    """Which key two linked records disagree in, in words; blank for none."""
    found = []
    for key in keys:
        wanted, now = pl.col(column(key)), pl.col(column(key) + NOW)
        words = f"their {key} is {{}} in the workspace and {{}} in the feed"
        differ = (wanted != CLEAR) & (now != CLEAR) & (wanted != now)
        found.append(pl.when(differ).then(pl.format(words, now, wanted)))
    return pl.coalesce(*found, pl.lit(""))


def _doubt(hold: str) -> pl.Expr:
    """Why a pair is not certain; blank if it is."""
    doubts = [pl.lit(hold or None, pl.String)]
    doubts += [
        pl.when(pl.col(reason) != "").then(pl.col(reason)) for reason in ("differ", "common")
    ]
    doubts += [
        pl.when(pl.col(place).is_duplicated()).then(
            pl.lit("one of them shares a stable key with yet another record")
        )
        for place in (_NEW_AT, _OLD_AT)
    ]
    return pl.coalesce(*doubts, pl.lit("")).alias("doubt")


def _with_blocked(linked: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
    """Doubts of pairs whose new identifier does not become free, though nothing else is wrong.

    A chain (a becomes b, b becomes c) is carried out from its end. Where it ends at an instrument
    that keeps its identifier, or goes round, nothing of it can be: an identifier is that of one
    instrument at a time, and a detour over a third one would show to everybody.
    """
    steps = dict(linked.filter(pl.col("doubt") == "").select(OLD, IDENTIFIER).iter_rows())
    # Only what stands in the way matters: of a million instruments a few.
    wanted = pl.Series(list(steps.values()), dtype=pl.String).implode()
    taken = set(active.filter(pl.col(IDENTIFIER).is_in(wanted))[IDENTIFIER])
    verdicts: dict[str, str] = {}
    for old in steps:
        _judge_chain(old, steps, taken, verdicts)
    blocked = {old: why for old, why in verdicts.items() if why}
    if not blocked:
        return linked
    why = pl.col(OLD).replace_strict(blocked, default="", return_dtype=pl.String)
    return linked.with_columns(
        pl.when(pl.col("doubt") == "").then(why).otherwise("doubt").alias("doubt")
    )


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
