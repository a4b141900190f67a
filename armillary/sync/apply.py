"""Applying one change: the calls it takes, and what their answers mean for the record.

The transport has its own retries for what is safe to repeat. A create is not: after a lost answer
the record is looked up before anything is sent again (contract section 19).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armillary.api.envelope import reference
from armillary.api.ptolemy import Ptolemy
from armillary.errors import (
    AnswerLost,
    Conflict,
    NotFound,
    RequestRejected,
    TransientError,
)
from armillary.runs.record import Done
from armillary.sync.canonical import CLEAR, DataType, canonical_value
from armillary.sync.frames import FIELD, snapshot, text_of
from armillary.sync.ground import Ground
from armillary.sync.outcome import Echo, Fate, Outcome
from armillary.sync.plan import IDENTIFIER, Change, FieldChange

CONFLICTS = 3
"""How often a change that somebody else's change collides with is looked at anew (A24)."""

_GONE = (
    "it is gone since the plan was made: somebody archived or deleted it. The next run plans it "
    "anew."
)
_ANOTHER_TYPE = "owned elsewhere: the identifier belongs to an instrument of another type."
_TAKEN_UNSEEN = (
    "Ptolemy says that the identifier is taken, and shows nobody who has it: perhaps an archived "
    "instrument. Look for it in Ptolemy and restore or rename it."
)

_OWN = frozenset({IDENTIFIER, "name"})
"""What an instrument has beside the fields of its type."""

Body = dict[str, Any]
Row = Mapping[str, Any]


def apply_change(
    ptolemy: Ptolemy, ground: Ground, change: Change, *, look_first: bool = False
) -> Outcome:
    """Carry out one planned change.

    Args:
        ptolemy: the client.
        ground: type and data types of the plan.
        change: the change.
        look_first: an earlier attempt may have been carried out: look before a create is sent.

    Returns:
        The outcome. A refusal of this record, or a fault that may pass, is an outcome.

    Raises:
        ApiError: what no other record would survive either: token, quota, an unexpected answer.
    """
    try:
        row = _CARRY_OUT[change.kind](ptolemy, ground, change, look_first)
    except RequestRejected as error:
        return _failed(change, Fate.REJECTED, error)
    except TransientError as error:
        return _failed(change, Fate.TRANSIENT, error)
    return Outcome(
        kind=change.kind,
        identifier=change.identifier,
        fate=Fate.APPLIED,
        id=str(row["id"]) if row.get("id") else change.id,
        echoes=_echoes(change, row, ground.data_types),
    )


def _failed(change: Change, fate: Fate, error: RequestRejected | TransientError) -> Outcome:
    words = error.detail or error.body_start
    reason = f"{error.message.removesuffix('.')}: {words}" if words else error.message
    return Outcome(
        kind=change.kind,
        identifier=change.identifier,
        fate=fate,
        reason=reason,
        id=change.id,
        status=error.status,
    )


def _create(ptolemy: Ptolemy, ground: Ground, change: Change, look_first: bool) -> Row:
    if look_first:
        found = _active(ptolemy, change.identifier)
        if found is not None and not _same_type(found, ground):
            raise Conflict(_ANOTHER_TYPE, method="GET", path=ptolemy.instruments.path, status=None)
        if found is not None:
            return _settle(ptolemy, ground, change, found)
    body = {"identifier": change.identifier, "type_id": ground.type_id, **_values(change.changed)}
    try:
        return ptolemy.instruments.create(body)
    except (AnswerLost, Conflict) as error:
        found = _active(ptolemy, change.identifier)
        if isinstance(error, Conflict) and found is None:
            raise _told(error, _TAKEN_UNSEEN) from error
        if isinstance(error, Conflict) and not _same_type(found or {}, ground):
            raise _told(error, _ANOTHER_TYPE) from error
        if found is None:
            raise
        return _settle(ptolemy, ground, change, found)


def _active(ptolemy: Ptolemy, identifier: str) -> Row | None:
    """The active instrument of this very identifier, if there is one."""
    try:
        row = ptolemy.instruments.get(identifier)
    except NotFound:
        return None
    mine = row.get("archived_at") is None and text_of(row.get("identifier")) == identifier
    return row if mine else None


def _same_type(row: Row, ground: Ground) -> bool:
    found = reference(row, "type")
    return found is None or ground.is_type(found)


def _settle(ptolemy: Ptolemy, ground: Ground, change: Change, found: Row) -> Row:
    """Make a record that turned out to exist equal to what the create wanted."""
    differing = _still_differing(found, change, ground)
    if not differing:
        return found
    return ptolemy.instruments.patch(str(found["id"]), _values(differing))


def _still_differing(found: Row, change: Change, ground: Ground) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(entry.field, _held(found, entry.field, ground.data_types), entry.after)
        for entry in change.changed
        if _differs(found, entry, ground.data_types)
    )


def _update(ptolemy: Ptolemy, ground: Ground, change: Change, look_first: bool) -> Row:
    """Patch; after a conflict look what stands there now, and send what is still wanted (A24)."""
    del look_first  # the same PATCH twice has the effect of one
    wanted, tries = change.changed, 0
    while True:
        try:
            return ptolemy.instruments.patch(_known(change), _values(wanted))
        except NotFound as error:
            raise _told(error, _GONE) from error
        except Conflict as error:
            tries += 1
            found = _looked_up(ptolemy, change, error)
            wanted = _still_differing(found, change, ground)
            if not wanted:
                return found
            if any(entry.field == IDENTIFIER for entry in wanted):
                _refuse_taken(ptolemy, change, error)
            if tries == CONFLICTS:
                raise


def _refuse_taken(ptolemy: Ptolemy, change: Change, error: Conflict) -> None:
    """A rename that collides with the holder of its identifier: no repeat can help."""
    holder = _active(ptolemy, change.identifier)
    if holder is not None and str(holder["id"]) != change.id:
        words = (
            f"it cannot be renamed: instrument {holder['id']} has the identifier "
            f"{change.identifier} now. The next run plans it anew."
        )
        raise _told(error, words) from error


def _looked_up(ptolemy: Ptolemy, change: Change, error: Conflict) -> Row:
    """The record as it stands, if it is still active."""
    try:
        found = ptolemy.instruments.get(_known(change))
    except NotFound:
        found = {}
    if not found or found.get("archived_at") is not None:
        raise _told(error, _GONE) from error
    return found


def _archive(ptolemy: Ptolemy, ground: Ground, change: Change, look_first: bool) -> Row:
    del ground, look_first
    try:
        ptolemy.instruments.archive(_known(change))
    except (NotFound, Conflict):
        # Gone or archived already: either way it is no longer active, if a look confirms it.
        try:
            row = ptolemy.instruments.get(_known(change))
        except NotFound:
            return {}
        if row.get("archived_at") is None:
            raise
    return {}


def _restore(ptolemy: Ptolemy, ground: Ground, change: Change, look_first: bool) -> Row:
    del ground, look_first
    row: Row = {}
    try:
        row = ptolemy.instruments.restore(_known(change))
    except NotFound as error:
        raise _told(error, _GONE) from error
    except Conflict as error:
        # 409 means "not archived" or "identifier taken" (contract section 9): a look tells which.
        row = ptolemy.instruments.get(_known(change))
        if row.get("archived_at") is not None:
            raise _told(error, _taken_by(ptolemy, change)) from error
    if change.changed:
        row = ptolemy.instruments.patch(_known(change), _values(change.changed))
    return row


def _taken_by(ptolemy: Ptolemy, change: Change) -> str:
    """Which two instruments want one identifier (A23)."""
    holder = _active(ptolemy, change.identifier)
    other = f"instrument {holder['id']} has its identifier now" if holder else "it was refused"
    return (
        f"{other}, so {_known(change)} stays archived. Decide in Ptolemy which of them is the "
        "right one."
    )


def _told(error: RequestRejected, words: str) -> RequestRejected:
    """The same refusal in words that say what it means for the record."""
    return type(error)(
        words,
        method=error.method,
        path=error.path,
        status=error.status,
        request_id=error.request_id,
    )


_CARRY_OUT = {"create": _create, "update": _update, "archive": _archive, "restore": _restore}


def _known(change: Change) -> str:
    """The UUID the plan found; identifiers may change their owner, UUIDs do not (contract D5)."""
    return change.id or change.identifier


def _values(changed: tuple[FieldChange, ...]) -> Body:
    """The body that brings fields to their wanted values; an emptied field is sent as null."""
    body: Body = {}
    values: Body = {}
    for entry in changed:
        if entry.field in _OWN:
            body[entry.field] = entry.after
        else:
            values[entry.field.removeprefix(FIELD)] = None if entry.after == CLEAR else entry.after
    if values:
        body["field_values"] = values
    return body


def _text(row: Row, field: str) -> str:
    """What a row of the API holds for a compared column, as text."""
    if field in _OWN:
        return text_of(row.get(field)).strip()
    return text_of(snapshot(row).get(field.removeprefix(FIELD))).strip()


def _held(row: Row, field: str, data_types: Mapping[str, DataType]) -> str:
    """The same in canonical text, or as found where it is not of its data type."""
    text = _text(row, field)
    data_type = data_types.get(field.removeprefix(FIELD), DataType.TEXT)
    found = None if field in _OWN else canonical_value(text, data_type)
    return text if found is None else found


def _echoes(change: Change, row: Row, data_types: Mapping[str, DataType]) -> tuple[Echo, ...]:
    """Wanted values the answer shows stored otherwise; one without values says nothing."""
    if not snapshot(row):
        return ()
    return tuple(
        Echo(entry.field, entry.after, _held(row, entry.field, data_types))
        for entry in change.changed
        if _differs(row, entry, data_types)
    )


def _differs(row: Row, entry: FieldChange, data_types: Mapping[str, DataType]) -> bool:
    """Whether a row holds another value; equal text, the usual case, needs no canonical form."""
    return _text(row, entry.field) != entry.after and (
        _held(row, entry.field, data_types) != entry.after
    )


def as_done(change: Change, outcome: Outcome) -> Done:
    """The entry of a run record: what became of a change, and what stood there before."""
    return Done(
        kind=change.kind,
        identifier=change.identifier,
        fate=outcome.fate.value,
        id=outcome.id or change.id,
        status=outcome.status,
        reason=outcome.reason,
        before={entry.field: entry.before for entry in change.changed},
        # What stands there now: where the workspace stores a value its own way, that value.
        after={entry.field: entry.after for entry in change.changed}
        | {echo.field: echo.stored for echo in outcome.echoes},
    )
