"""One update by an import, looked at closely, before thousands go the same way.

That an import updates what is there, and leaves alone what its row does not say, is not written
anywhere (contract D11). So one record is read whole, imported alone, and read whole again. It has
to be one that can lose something: on any other, an import that empties fields goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from armillary.api.envelope import reference
from armillary.sync.canonical import CLEAR, DataType, canonical_value
from armillary.sync.frames import FIELD, InstrumentColumns, snapshot, text_of
from armillary.sync.plan import Change, FieldChange

Row = Mapping[str, Any]

WITNESSES = 5
"""So many updates are looked at for one to try: each look is a call."""

NO_WITNESS = (
    "no record looked at holds anything in a field that its row does not say, so an import that "
    "takes it would not be noticed"
)


@dataclass(frozen=True)
class Witness:
    """The update that is tried, and what its import must leave alone."""

    change: Change
    before: Row
    """The record as it stood."""
    fields: Mapping[str, Any]
    """By field, the values that stand there and that its row does not say."""

    @property
    def weight(self) -> tuple[bool, int]:
        """How much it would show: all else equal, one with extras shows more."""
        return bool(self.fields and self.before.get("extras")), len(self.fields)

    @property
    def held(self) -> str:
        """All that an import of it may take, for a person who has to put it back."""
        held = {field.removeprefix(FIELD): value for field, value in self.fields.items()}
        if self.before.get("extras"):
            held["extras"] = self.before["extras"]
        return msgspec.json.encode(held, order="sorted").decode()

    def recorded(self, data_types: Mapping[str, DataType]) -> Change:
        """The change with all that its import may take: what the run record needs to undo it.

        An undoing puts back what stands there empty, and leaves the rest.
        """
        keys = {field.removeprefix(FIELD) for field in self.fields}
        columns = InstrumentColumns({key: data_types[key] for key in sorted(keys & {*data_types})})
        columns.add([self.before])
        [row] = columns.frame().iter_rows(named=True)
        at_stake = (
            FieldChange(field, text, CLEAR) for field, text in row.items() if field in self.fields
        )
        change = self.change
        return Change(
            change.kind, change.identifier, change.id, change.row, (*change.changed, *at_stake)
        )


def witness_of(change: Change, before: Row, row: Row) -> Witness:
    """An update as a witness.

    Args:
        change: the update.
        before: the record as it stands.
        row: its row of an import file.
    """
    told = row.get("field_values", {})
    fields = {
        FIELD + key: value
        for key, value in snapshot(before).items()
        if key not in told and text_of(value) != CLEAR
    }
    return Witness(change, before, fields)


@dataclass(frozen=True)
class Trial:
    """What an import made of one update."""

    why_not: str = ""
    """Why imports must not carry updates; blank if they may."""
    put_back: Mapping[str, Any] | None = None
    """The body of a PATCH that gives back what the import took; None when it took nothing."""
    untouched: bool = False
    """The record stands as it stood, for sure."""
    broke: bool = False
    """Its import did not end well: that says nothing of others."""


def judge_trial(
    change: Change, before: Row, after: Row, data_types: Mapping[str, DataType]
) -> Trial:
    """Compare a record before and after its import.

    Args:
        change: the update that was imported.
        before: the record as it stood.
        after: the record as it stands.
        data_types: of the fields.
    """
    lost = _lost(change, before, after, data_types)
    if lost:
        names = ", ".join(sorted(lost))
        return Trial(
            f"the import of {change.identifier} changed what its row did not say: {names}",
            _body(lost),
        )
    undone = _undone(change, before, after, data_types)
    if undone:
        return Trial(
            f"the import of {change.identifier} did not change what is there: {', '.join(undone)}",
            untouched=len(undone) == len(change.changed),
        )
    return Trial()


def _undone(
    change: Change, before: Row, after: Row, data_types: Mapping[str, DataType]
) -> list[str]:
    """Fields that stand as before; stored otherwise than sent is stored, too."""
    columns = InstrumentColumns(
        {key: kind for key, kind in data_types.items() if FIELD + key in _fields(change)}
    )
    columns.add([{**before, "id": "before"}, {**after, "id": "after"}])
    then, now = columns.frame().rows(named=True)
    return [
        entry.field.removeprefix(FIELD)
        for entry in change.changed
        if now[entry.field] != entry.after and now[entry.field] == then[entry.field]
    ]


def _fields(change: Change) -> set[str]:
    return {entry.field for entry in change.changed}


def _lost(
    change: Change, before: Row, after: Row, data_types: Mapping[str, DataType]
) -> dict[str, Any]:
    """What is another value now although nobody wanted that, with what stood there.

    A row says required fields in their canonical text: "1.5" stands for "1.50".
    """
    wanted = _fields(change)
    values, now = snapshot(before), snapshot(after)
    lost: dict[str, Any] = {
        FIELD + key: value
        for key, value in values.items()
        if FIELD + key not in wanted and not _same(value, now.get(key), data_types.get(key))
    }
    if "name" not in wanted and not _same(before.get("name"), after.get("name"), DataType.TEXT):
        lost["name"] = before.get("name")
    if before.get("extras") and before["extras"] != after.get("extras"):
        lost["extras"] = before["extras"]
    if reference(before, "type") != reference(after, "type"):
        lost["type"] = reference(before, "type")
    return lost


def _same(before: Any, after: Any, data_type: DataType | None) -> bool:
    one, other = text_of(before), text_of(after)
    if one == other or data_type is None:
        return one == other
    meant = canonical_value(one, data_type)
    return meant is not None and meant == canonical_value(other, data_type)


def _body(lost: Mapping[str, Any]) -> dict[str, Any]:
    values = {key.removeprefix(FIELD): value for key, value in lost.items() if FIELD in key}
    body = {key: lost[key] for key in ("name", "extras") if key in lost}
    if "type" in lost:
        body["type_id"] = lost["type"]
    return {**body, "field_values": values} if values else body
