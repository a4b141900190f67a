"""The plan: a value that says what a sync would change, in an order that never varies.

``changes`` is a frame with one row per planned change:

    kind        "restore", "create", "update" or "archive"; applied in this order
    identifier  of the feed (restore, create, update) or of the workspace (archive)
    id          UUID in the workspace; null for a create
    row         number of the record in the source; null for an archive
    changed     list of {field, before, after}: canonical text, "" for nothing; ``field`` is "name",
                "field.<key>" or, first of a rename, "identifier"

A rename is an update of ``id`` that changes its identifier, too: the row has the new one.

``held`` (identifier, row, reason) are records that are neither changed nor archived; ``rejects``
(row, identifier, reason, cells) are records of the source that cannot be brought in as they are.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import polars as pl

KINDS = ("restore", "create", "update", "archive")
"""The kinds of change, in the order in which they are applied."""

CHANGED = pl.List(pl.Struct({"field": pl.String, "before": pl.String, "after": pl.String}))
CHANGES: dict[str, Any] = {
    "kind": pl.String,
    "identifier": pl.String,
    "id": pl.String,
    "row": pl.UInt32,
    "changed": CHANGED,
}
HELD: dict[str, Any] = {"identifier": pl.String, "row": pl.UInt32, "reason": pl.String}
REJECTS: dict[str, Any] = {
    "row": pl.UInt32,
    "identifier": pl.String,
    "reason": pl.String,
    "cells": pl.String,
}

IDENTIFIER = "identifier"
"""The field that a rename changes, beside others."""
PLACE, RENAMED_FROM = "place", "renamed_from"
"""Columns of ``renames_in``: the position in the changes, and the identifier until now."""

_DIGEST_ROWS = 100_000


@dataclass(frozen=True)
class FieldChange:
    """One field of one change; canonical texts, ``""`` for nothing."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """One row of ``Plan.changes`` as a value, made when it is about to be applied."""

    kind: str
    identifier: str
    id: str | None
    row: int | None
    changed: tuple[FieldChange, ...]

    @property
    def label(self) -> str:
        """What a person calls it: ``update bhp.ax``."""
        return f"{self.kind} {self.identifier}"


@dataclass(frozen=True)
class Plan:
    """What a sync would do, and what it would leave alone and why."""

    workspace_id: str
    feed: str
    instrument_type: str
    scope: str
    """The feed's scope as canonical JSON."""
    changes: pl.DataFrame
    unchanged: int
    held: pl.DataFrame
    rejects: pl.DataFrame
    missing_kept: int
    """Records in scope that the feed no longer has and, by ``missing: keep``, stay as they are."""
    active_in_scope: int
    feed_records: int
    feed_rows: int
    trusted: bool
    doubt: str = ""
    notes: tuple[str, ...] = ()
    """What a person should look at although nothing is held for it."""

    @cached_property
    def renames(self) -> pl.DataFrame:
        """The changes that give an instrument another identifier; they count as updates, too."""
        return renames_in(self.changes)

    def count(self, kind: str) -> int:
        """How many changes of a kind."""
        return self.counts[kind]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many changes of each kind; every kind is there."""
        found = dict(self.changes.group_by("kind").len().iter_rows())
        return {kind: int(found.get(kind, 0)) for kind in KINDS}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over workspace, feed, type, scope and the sorted changes (no UUIDs of records).

        One JSON object a line: first the head, then per change kind, identifier and changed.
        Equal digests mean: the same changes to the same records of the same workspace.
        """
        digest = hashlib.sha256()
        head = [self.workspace_id, self.feed, self.instrument_type, self.scope]
        digest.update(msgspec.json.encode(head) + b"\n")
        for part in self.changes.select("kind", "identifier", "changed").iter_slices(_DIGEST_ROWS):
            lines = io.BytesIO()
            part.write_ndjson(lines)
            digest.update(lines.getvalue())
        return digest.hexdigest()


def renames_in(changes: pl.DataFrame) -> pl.DataFrame:
    """The renames among changes (shape: ``Plan.changes``), with their place in it.

    By exploding: an expression over each list takes ten times as long.
    """
    updates = changes.with_row_index(PLACE).filter(pl.col("kind") == "update")
    entries = updates.select(PLACE, "changed").explode("changed").unnest("changed")
    renamed = entries.filter(pl.col("field") == IDENTIFIER).select(
        PLACE, pl.col("before").alias(RENAMED_FROM)
    )
    return updates.join(renamed, on=PLACE, maintain_order="left")


def without_renames(changes: pl.DataFrame) -> pl.DataFrame:
    """The other changes, in their order."""
    places = renames_in(changes)[PLACE]
    if places.is_empty():
        return changes
    return changes.with_row_index(PLACE).filter(~pl.col(PLACE).is_in(places.implode())).drop(PLACE)


def sort_changes(changes: pl.DataFrame) -> pl.DataFrame:
    """Order changes by kind (as applied) and identifier, so that no order depends on chance."""
    if _in_order(changes):
        return changes  # to sort the lists of a million changes is to copy half a gigabyte
    return changes.sort(pl.col("kind").cast(pl.Enum(KINDS)), "identifier", "row", nulls_last=True)


def _in_order(changes: pl.DataFrame) -> bool:
    kind, identifier = pl.col("kind").cast(pl.Enum(KINDS)).to_physical(), pl.col("identifier")
    ascending = (kind > kind.shift()) | ((kind == kind.shift()) & (identifier > identifier.shift()))
    # What compares to nothing is in no order: an instrument may have no identifier.
    return bool(changes.select(ascending.slice(1).all(ignore_nulls=False)).item())


def iter_changes(changes: pl.DataFrame) -> Iterator[Change]:
    """The rows of a changes frame as values."""
    for kind, identifier, record_id, row, changed in changes.iter_rows():
        yield Change(
            kind=kind,
            identifier=identifier,
            id=record_id,
            row=row,
            changed=tuple(FieldChange(**entry) for entry in changed or ()),
        )
