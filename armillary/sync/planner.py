"""Making a plan: every record of the feed and every record it owns ends in exactly one place.

    a record of the feed     unchanged, update, create, restore, held, or rejected
    an active record owned   matched by one of those, or archived, kept, or held

Pure: frames in, a plan out; nothing here talks to anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl

from armillary.feeds.definition import FeedDefinition
from armillary.feeds.identifiers import folded
from armillary.feeds.reading import FeedReading
from armillary.sync import compare
from armillary.sync.canonical import CLEAR
from armillary.sync.existing import Existing
from armillary.sync.frames import column, in_scope
from armillary.sync.ground import Ground
from armillary.sync.look_alikes import look_alikes
from armillary.sync.matching import Matching, match
from armillary.sync.plan import REJECTS, Plan
from armillary.sync.renames import find_renames, renamed, unowned
from armillary.sync.sorting import Sorting

ECHOES = {
    "identifier": pl.String,
    "field": pl.String,
    "wanted": pl.String,
    "stored": pl.String,
}


@dataclass(frozen=True)
class Remembered:
    """What earlier runs of the same feed left for planning."""

    archived_ids: frozenset[str] = frozenset()
    """UUIDs of the instruments this feed archived and has not restored since."""
    echoes: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ECHOES))
    """What was wanted and what the workspace stored instead (shape: ``ECHOES``)."""


def echoes_frame(echoes: Iterable[Any]) -> pl.DataFrame:
    """Remembered echoes (identifier, field, wanted, stored) as a frame of shape ``ECHOES``."""
    rows = [(entry.identifier, entry.field, entry.wanted, entry.stored) for entry in echoes]
    return pl.DataFrame(rows, schema=ECHOES, orient="row")


def make_plan(
    definition: FeedDefinition,
    ground: Ground,
    feed: FeedReading,
    existing: Existing,
    *,
    remembered: Remembered,
    only: Collection[str] | None = None,
) -> Plan:
    """Compare a feed with a workspace.

    Args:
        definition: the feed's definition.
        ground: the facts about workspace and type.
        feed: the source as read.
        existing: what the workspace holds, as read.
        remembered: what earlier runs left.
        only: identifiers to which the plan is limited; such a plan never archives.

    Returns:
        The plan. Making it writes nothing.
    """
    rejects = feed.rejects if only is None else _only(feed.rejects, only)
    workspace, matching = existing.reading, existing.matching
    if only is not None:
        matching = match(_only(feed.records, only), workspace.active)
    active = workspace.active
    planning = _Planning(definition, ground, remembered)
    planning.update(matching)
    free = planning.settle_owned(matching.unmatched_records(), active, existing.owners)
    missing = _missing(existing.matching, feed.rejects)
    free, missing = planning.rename(free, missing, feed, active)
    planning.create(free)
    planning.hold_rejected(rejects, active)
    archiving = definition.missing == "archive" and only is None
    if archiving:
        planning.sorting.add(compare.archives(missing), "archive")
    sorting = planning.sorting
    alike = look_alikes(free, missing, feed.records, definition.stable_keys)
    return Plan(
        workspace_id=ground.workspace_id,
        feed=definition.name,
        instrument_type=ground.type_identifier,
        scope=msgspec.json.encode(definition.scope, order="sorted").decode(),
        changes=sorting.changes,
        unchanged=sorting.unchanged,
        held=sorting.held.sort("identifier", "row"),
        rejects=pl.concat([_as_rejects(rejects), sorting.rejects]).sort("row", nulls_last=True),
        missing_kept=0 if archiving or only is not None else missing.height,
        active_in_scope=active.height,
        feed_records=feed.records.height,
        feed_rows=feed.rows_read,
        trusted=workspace.trusted,
        doubt=workspace.doubt,
        notes=(*planning.notes, *(alike if archiving else ())),
    )


class _Planning:
    """One plan in the making: what every decision about a record needs to know."""

    def __init__(self, definition: FeedDefinition, ground: Ground, remembered: Remembered) -> None:
        self._definition = definition
        self._remembered = remembered
        self._data_types = ground.data_types
        self._columns = compare.compared_columns(list(definition.fields))
        self._required = ["name", *(column(key) for key in sorted(ground.required_fields))]
        self._type_names = [ground.type_id, ground.type_identifier, ""]
        self.sorting = Sorting()
        self.notes: list[str] = []
        self._reused: list[pl.DataFrame] = []

    def update(self, matching: Matching) -> None:
        """Records whose identifier is active: unchanged, updated, or held as reused."""
        pairs = self._hold_shared(matching, "active")
        self.sorting.unchanged += pairs.left.len()
        for part in pairs.differing(self._columns).parts():
            sound, reused = self._without_reused(part)
            self._reused.append(reused)
            changed = self._changed(sound).filter(pl.col("changed").list.len() > 0)
            self.sorting.change(changed, "update")
            self.sorting.unchanged -= reused.height + changed.height

    def settle_owned(
        self, unknown: pl.DataFrame, active: pl.DataFrame, owners: pl.DataFrame
    ) -> pl.DataFrame:
        """Records whose identifier an existing instrument holds; returns the free ones."""
        unknown = self._hold_case_variants(unknown, active)
        mine = pl.col("type").is_in(self._type_names) & in_scope(
            self._definition.scope, self._data_types
        )
        live = owners.filter(~pl.col("archived"))
        self.update(match(unknown, live.filter(mine)))
        foreign = match(unknown, live.filter(~mine)).beside()
        foreign = foreign.unique("identifier", keep="first", maintain_order=True)
        self.sorting.reject(foreign, self._elsewhere())
        unknown = _without(unknown, live)
        archived = owners.filter(pl.col("archived"))
        self._return(unknown, archived)
        return self._hold_case_variants(_without(unknown, archived), owners)

    def create(self, free: pl.DataFrame) -> None:
        """Free identifiers become creates, unless Ptolemy is known to refuse them (contract 8)."""
        for name in self._required:
            lacking = pl.lit(value=True)
            if name in free.columns:
                lacking = pl.col(name).is_null() | (pl.col(name) == CLEAR)
            reason = f"a new instrument needs a value for {name.removeprefix('field.')}"
            self.sorting.reject(free.filter(lacking), reason)
            free = free.filter(~lacking)
        self.sorting.add(compare.creates(free, self._columns), "create")

    def rename(
        self, free: pl.DataFrame, missing: pl.DataFrame, feed: FeedReading, active: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """New and missing records that are one instrument; returns those that are not (F19)."""
        asked, records = self._definition.renames, feed.records
        refused = pl.concat([self.sorting.held["identifier"], self.sorting.rejects["identifier"]])
        # Few are refused, and to tell who of all records is active is a join of a million.
        stuck = _without(records.filter(pl.col("identifier").is_in(refused.implode())), active)
        reused = pl.concat(self._reused, how="diagonal")
        found = find_renames(
            pl.concat([free, reused.select(free.columns)]),
            pl.concat([missing, compare.instruments_of(reused).select(missing.columns)]),
            stable_keys=[] if asked == "ignore" else self._definition.stable_keys,
            records=records,
            active=active,
            hold="the feed says renames: hold" if asked == "hold" else feed.doubt_of_identifiers,
        )
        if self._definition.scope is None:
            # Whose the missing ones are nobody has said: perhaps another feed's.
            self.notes += unowned(found)
            found = found.none()
        # Values that are known as stored otherwise are known of the identifier until now.
        changed = self._changed(found.pairs.with_columns(identifier=pl.col("identifier.now")))
        self.sorting.change(renamed(changed, found.pairs["identifier"]), "update")
        self.sorting.hold(found.held_new, pl.col("reason"))
        rest = _without(_without(reused, found.pairs), found.held_new)
        self.sorting.hold(rest, pl.col("reason"))
        held_old = found.held_old.join(missing.select("identifier"), on="identifier", how="semi")
        self.sorting.hold(held_old.with_columns(row=pl.lit(None, pl.UInt32)), pl.col("reason"))
        gone = found.pairs.select(identifier="identifier.now")
        missing = _without(_without(missing, gone), found.held_old)
        return (
            _without(_without(free, found.pairs), found.held_new),
            self._hold_stuck(missing, stuck, records, active),
        )

    def _hold_stuck(
        self,
        missing: pl.DataFrame,
        stuck: pl.DataFrame,
        records: pl.DataFrame,
        active: pl.DataFrame,
    ) -> pl.DataFrame:
        """Hold what is missing only because its record cannot have the new identifier."""
        if self._definition.missing == "keep" or self._definition.renames == "ignore":
            return missing
        keys = self._definition.stable_keys
        found = find_renames(stuck, missing, stable_keys=keys, records=records, active=active)
        sure = found.pairs.select(
            pl.col("identifier.now").alias("identifier"),
            pl.format(
                "seems to be {} of the feed by now, which shares a stable key with it and is "
                "itself held or rejected",
                "identifier",
            ).alias("reason"),
        )
        held = pl.concat([sure, found.held_old.select(sure.columns)])
        self.sorting.hold(held.with_columns(row=pl.lit(None, pl.UInt32)), pl.col("reason"))
        return _without(missing, held)

    def hold_rejected(self, rejects: pl.DataFrame, active: pl.DataFrame) -> None:
        """An instrument whose row was rejected is neither changed nor archived."""
        if rejects.is_empty():
            return
        known = rejects.join(active.select("identifier"), on="identifier", how="semi")
        self.sorting.hold(
            known.unique("identifier", keep="first", maintain_order=True),
            pl.format("its row was rejected: {}", pl.col("reason")),
        )

    def _changed(self, pairs: pl.DataFrame) -> pl.DataFrame:
        changed = compare.with_changed(pairs, self._columns)
        return compare.without_echoes(changed, self._remembered.echoes)

    def _hold_shared(self, matching: Matching, kind: str) -> Matching:
        """Hold the records whose identifier two existing ones share (A35)."""
        if not matching.ambiguous:
            return matching
        shared, single = matching.split()
        reason = f"two {kind} instruments of the workspace have this identifier"
        self.sorting.hold(shared, reason)
        return single

    def _without_reused(self, pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Apart, with a reason: records whose stable keys name another instrument (F19)."""
        reused = [pairs.clear().with_columns(pl.lit("").alias("reason"))]
        for key in self._definition.stable_keys:
            if column(key) not in pairs.columns:
                continue
            wanted, now = pl.col(column(key)), pl.col(column(key) + ".now")
            conflict = (wanted != CLEAR) & (now != CLEAR) & (wanted != now)
            reason = pl.format(
                f"its {key} is {{}} in the workspace and {{}} in the feed: the identifier "
                "seems reused for another instrument",
                now,
                wanted,
            )
            reused.append(pairs.filter(conflict).with_columns(reason.alias("reason")))
            pairs = pairs.filter(~conflict.fill_null(value=False))
        return pairs, pl.concat(reused)

    def _hold_case_variants(self, unknown: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
        """Hold records whose identifier equals an existing one but for case or blanks (N3)."""
        if unknown.is_empty():
            return unknown
        variants = others.select(
            folded(pl.col("identifier")).alias("folded"), pl.col("identifier").alias("existing")
        ).unique("folded", keep="first", maintain_order=True)
        keyed = unknown.with_columns(folded(pl.col("identifier")).alias("folded"))
        self.sorting.hold(
            keyed.join(variants, on="folded", how="inner", maintain_order="left"),
            pl.format("differs only in case from {}, which the workspace has", pl.col("existing")),
        )
        return keyed.join(variants, on="folded", how="anti", maintain_order="left").drop("folded")

    def _elsewhere(self) -> pl.Expr:
        owner = pl.when(pl.col("type.now").is_in(self._type_names))
        return pl.format(
            "owned elsewhere: the identifier belongs to an instrument {}",
            owner.then(pl.lit("outside the feed's scope")).otherwise(pl.lit("of another type")),
        )

    def _return(self, unknown: pl.DataFrame, archived: pl.DataFrame) -> None:
        """Records whose identifier is archived: restored if this feed archived it, else held."""
        pairs = self._hold_shared(match(unknown, archived), "archived").beside()
        same_type = pl.col("type.now").is_in(self._type_names)
        self.sorting.reject(pairs.filter(~same_type), self._elsewhere())
        pairs = pairs.filter(same_type)
        if self._definition.returning == "hold":
            self.sorting.hold(pairs, "is archived, and the feed says returning: hold")
            return
        ours = pl.Series(sorted(self._remembered.archived_ids), dtype=pl.String)
        by_us = pl.col("id.now").is_in(ours.implode())
        self.sorting.hold(
            pairs.filter(~by_us), "is archived in the workspace, and not by this feed"
        )
        sound, reused = self._without_reused(pairs.filter(by_us))
        self.sorting.hold(reused, pl.col("reason"))
        self.sorting.change(self._changed(sound), "restore")


def _missing(matching: Matching, rejects: pl.DataFrame) -> pl.DataFrame:
    """Owned records that no row of the feed speaks of, not even a rejected or case-varied one."""
    unnamed = _without(matching.unmatched_existing(), rejects)
    if unnamed.is_empty():
        return unnamed
    present = pl.concat([matching.records.select("identifier"), rejects.select("identifier")])
    return unnamed.filter(
        ~folded(pl.col("identifier")).is_in(_folded(present).drop_nulls().implode())
    )


def _without(records: pl.DataFrame, existing: pl.DataFrame) -> pl.DataFrame:
    """The records whose identifier no existing one has; what is left of a few costs little."""
    if records.is_empty() or existing.is_empty():
        return records
    known = existing.select("identifier")
    if records.height < known.height:
        # Else the join makes a table of all identifiers, of a million for a handful of records.
        known = known.filter(pl.col("identifier").is_in(records["identifier"].implode()))
    return records.join(known, on="identifier", how="anti", maintain_order="left")


def _only(frame: pl.DataFrame, only: Collection[str]) -> pl.DataFrame:
    return frame.filter(pl.col("identifier").is_in(list(only)))


def _folded(frame: pl.DataFrame) -> pl.Series:
    return frame.select(folded(pl.col("identifier"))).to_series()


def _as_rejects(rejects: pl.DataFrame) -> pl.DataFrame:
    return rejects.select(pl.col(name).cast(kind) for name, kind in REJECTS.items())
