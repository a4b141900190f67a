"""Undoing a run: a plan from what stood there before, for what nobody has touched since.

    the run      the workspace now                 the revert
    created      active, as the run left it        archive
    updated      the field as the run left it      put the value before back
    archived     archived                          restore
    restored     active, as the run left it        put values back, archive

Anything else was changed by somebody since and is held: it is theirs now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from armillary.api.ptolemy import Ptolemy
from armillary.errors import NotFound, RequestRejected
from armillary.runs.record import Done, Head
from armillary.sync.apply import as_done
from armillary.sync.canonical import DataType
from armillary.sync.frames import InstrumentColumns
from armillary.sync.outcome import Fate, Outcome
from armillary.sync.plan import CHANGES, HELD, IDENTIFIER, REJECTS, Change, Plan, sort_changes

IDS_IN_ONE_REQUEST = 90
"""UUIDs a request asks for: 37 characters each, well below what addresses may hold."""

MAY_HAVE_BEEN_DONE = frozenset({Fate.APPLIED, Fate.UNKNOWN, Fate.TRANSIENT})

Now = Mapping[str, Any]


@dataclass(frozen=True)
class _Undo:
    """What is to be done about one change of the run."""

    changes: Sequence[tuple[str, dict[str, tuple[str, str]]]] = ()
    """Kind and, per field, the value now and the value to put back."""
    held: str = ""
    nothing: bool = False


def touched(done: Iterable[Done], planned: Iterable[Change] = ()) -> list[Done]:
    """The changes that were, or may have been, carried out; the last word on each record.

    Args:
        done: the recorded outcomes.
        planned: what the run was about to do, where it did not live to record all of it.
    """
    last = {
        (change.kind, change.identifier): as_done(
            change, Outcome(change.kind, change.identifier, Fate.UNKNOWN)
        )
        for change in planned
    }
    last |= {(entry.kind, entry.identifier): entry for entry in done}
    return [entry for entry in last.values() if entry.fate in MAY_HAVE_BEEN_DONE]


def read_now(
    ptolemy: Ptolemy, done: Sequence[Done], types: Mapping[str, DataType]
) -> dict[str, Now]:
    """How the touched records stand now, by UUID (and by identifier where no UUID is known).

    Raises:
        ApiError: Ptolemy could not be read.
    """
    columns = InstrumentColumns(types)
    ids = sorted({entry.id for entry in done if entry.id})
    for start in range(0, len(ids), IDS_IN_ONE_REQUEST):
        columns.add(list(_rows(ptolemy, ids[start : start + IDS_IN_ONE_REQUEST])))
    for entry in done:
        if not entry.id:
            columns.add(list(_row(ptolemy, entry.identifier)))
    now: dict[str, Now] = {}
    for row in columns.frame().iter_rows(named=True):
        now[row["id"]] = row
        now.setdefault(row["identifier"], row)
    return now


def _rows(ptolemy: Ptolemy, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """By ``ids`` where that answers (contract N9), one by one for those it did not return."""
    missing = set(ids)
    try:
        for page in ptolemy.instruments.list_pages(ids=ids, archived="all"):
            for row in page.rows:
                if row.get("id") in missing:
                    missing.remove(row["id"])
                    yield row
    except RequestRejected:
        pass
    for record_id in sorted(missing):
        yield from _row(ptolemy, record_id)


def _row(ptolemy: Ptolemy, record: str) -> Iterator[dict[str, Any]]:
    try:
        yield ptolemy.instruments.get(record)
    except NotFound:
        return


def revert_plan(
    head: Head, done: Sequence[Done], now: Mapping[str, Now], *, active_in_scope: int
) -> Plan:
    """The plan that puts back what a run changed.

    Args:
        head: of the run to undo.
        done: what it did (``touched``).
        now: how those records stand now (``read_now``).
        active_in_scope: active records the feed owns, for the guards' shares.
    """
    changes: list[dict[str, Any]] = []
    held: list[tuple[str, str]] = []
    unchanged = 0
    for entry in done:
        row = now.get(entry.id or entry.identifier)
        undo = _undo(entry, row)
        if undo.held:
            held.append((entry.identifier, undo.held))
        unchanged += undo.nothing
        changes += [_change(entry, row, kind, fields) for kind, fields in undo.changes]
    return Plan(
        workspace_id=head.workspace_id,
        feed=head.feed,
        instrument_type=head.instrument_type,
        scope=msgspec.json.encode(head.scope, order="sorted").decode(),
        changes=sort_changes(pl.DataFrame(changes, schema=CHANGES)),
        unchanged=unchanged,
        held=pl.DataFrame([(i, None, why) for i, why in sorted(held)], schema=HELD, orient="row"),
        rejects=pl.DataFrame(schema=REJECTS),
        missing_kept=0,
        active_in_scope=active_in_scope,
        feed_records=len(done),
        feed_rows=len(done),
        trusted=True,
    )


def _undo(entry: Done, row: Now | None) -> _Undo:
    if row is None:
        never = entry.kind == "create" and entry.fate != Fate.APPLIED
        return _Undo(nothing=True) if never else _Undo(held="is no longer in the workspace")
    undo = {
        "create": _undo_create,
        "update": _undo_update,
        "archive": _undo_archive,
        "restore": _undo_restore,
    }
    return undo[entry.kind](entry, row)


def _undo_create(entry: Done, row: Now) -> _Undo:
    if row["archived"]:
        return _Undo(nothing=True)
    moved = _moved(entry, row)
    return _changed_since(moved) if moved else _Undo(changes=[("archive", {})])


def _undo_update(entry: Done, row: Now) -> _Undo:
    if row["archived"]:
        return _Undo(held="was archived since")
    back = {
        field: (entry.after[field], before)
        for field, before in entry.before.items()
        if row.get(field) == entry.after[field] and before != entry.after[field]
    }
    others = [field for field in _moved(entry, row) if row.get(field) != entry.before[field]]
    if back:
        return _Undo(changes=[("update", back)])
    return _changed_since(others) if others else _Undo(nothing=True)


def _undo_archive(entry: Done, row: Now) -> _Undo:
    del entry
    return _Undo(changes=[("restore", {})]) if row["archived"] else _Undo(nothing=True)


def _undo_restore(entry: Done, row: Now) -> _Undo:
    if row["archived"]:
        return _Undo(nothing=True)
    moved = _moved(entry, row)
    if moved:
        return _changed_since(moved)
    back = {field: (entry.after[field], before) for field, before in entry.before.items()}
    return _Undo(changes=[*([("update", back)] if back else []), ("archive", {})])


def _moved(entry: Done, row: Now) -> list[str]:
    """Fields that no longer stand as the run left them."""
    return [field for field, after in entry.after.items() if row.get(field) != after]


def _changed_since(fields: Sequence[str]) -> _Undo:
    names = ", ".join(field.removeprefix("field.") for field in fields)
    return _Undo(held=f"was changed since: {names}")


def _change(
    entry: Done, row: Now | None, kind: str, fields: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    return {
        "kind": kind,
        # A rename that is undone has, as every rename, the identifier it leads to.
        "identifier": fields[IDENTIFIER][1] if IDENTIFIER in fields else entry.identifier,
        "id": row["id"] if row else entry.id,
        "row": None,
        "changed": [
            {"field": field, "before": before, "after": after}
            for field, (before, after) in fields.items()
        ],
    }
