"""What a person has to create in a workspace before rows of a backup can live there.

No robot may create types or fields (contract D4), and no import brings them (D14): whatever rows
use and the workspace does not have fails row by row, after hours. So it is all told beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from armillary.api.envelope import Row
from armillary.backup.schemas import Schemas
from armillary.restore.described import CALLED, Described, is_archived
from armillary.restore.types import Kind

Used = Mapping[Kind, Mapping[str, Collection[str]]]
"""By kind and identifier of a type: the keys of fields."""


@dataclass(frozen=True)
class Missing:
    """One thing to create or change, for a person at the dashboard: ``str()`` says it."""

    kind: Kind
    type_identifier: str
    field_key: str
    """Blank: the whole type."""
    words: str

    def __str__(self) -> str:
        return self.words


def what_is_missing(
    source: Schemas, target: Schemas, used: Used, *, blank: Used | None = None
) -> list[Missing]:
    """Types and fields that rows of a backup use, and the target has not, or has otherwise.

    Args:
        source: of the backup.
        target: of the workspace restored into.
        used: types of the rows, and the fields that have a value in some of them.
        blank: fields that have none in others of them, where that is known.

    Returns:
        By kind, type and field; what either side does not tell is not among them, see
        ``what_is_not_told``.
    """
    found: list[Missing] = []
    for kind, types in used.items():
        here, there = Described(source, kind), Described(target, kind)
        if there.untold_types:
            continue
        for identifier in sorted(types):
            unfilled = (blank or {}).get(kind, {}).get(identifier, ())
            found += _of_type(here, there, identifier, types[identifier], unfilled)
    return found


def what_is_not_told(source: Schemas, target: Schemas, used: Used) -> list[str]:
    """What could not be compared, because one side does not tell it (contract N5); sentences."""
    notes: list[str] = []
    for kind, types in used.items():
        if not types:
            continue
        here, there = Described(source, kind), Described(target, kind)
        plural, names = f"{CALLED[kind]}s", ", ".join(sorted(types))
        keys = sorted({key for fields in types.values() for key in fields})
        if there.untold_types:
            notes.append(
                f"Whether the workspace has the {plural} {names} could not be checked: it does not "
                f"tell its {plural} ({there.untold_types})."
            )
        elif keys and there.untold_fields:
            notes.append(
                f"Whether the {plural} {names} have the fields {', '.join(keys)} could not be "
                f"checked: the workspace does not tell them ({there.untold_fields})."
            )
        elif keys and here.untold_fields:
            notes.append(
                f"Whether fields of {plural} are of the same data type as in the backup could not "
                f"be checked: the backup does not tell them ({here.untold_fields})."
            )
    return notes


def _of_type(
    here: Described,
    there: Described,
    identifier: str,
    used: Collection[str],
    blank: Collection[str],
) -> Iterator[Missing]:
    found = there.type(identifier)
    if found is None:
        words = here.named(identifier) + _with_fields(here, identifier, used)
        yield Missing(here.kind, identifier, "", words)
        return
    if is_archived(found):
        words = f"{there.named(identifier)} is archived there: restore it"
        yield Missing(here.kind, identifier, "", words)
    if there.untold_fields:
        return
    known, of = there.fields(identifier), f"of {CALLED[here.kind]} {identifier}"
    for key, field in _used_fields(here, identifier, used).items():
        if words := _unlike(key, field, known.get(key), of):
            yield Missing(here.kind, identifier, key, words)
    for key, field in known.items():
        if (key not in used or key in blank) and _must_be_filled(field):
            rows = "some rows of the backup leave it blank"
            rows = rows if key in used else "no row of the backup has a value for it"
            words = f"field {key} {of} is required there, has no default, and {rows}"
            yield Missing(here.kind, identifier, key, words)


def _unlike(key: str, field: Row, found: Row | None, of: str) -> str:
    """What is wrong with a field that rows have values for; blank if nothing is."""
    if found is None:
        return f"field {_shown(key, field)} {of}"
    if is_archived(found):
        return f"field {_shown(key, field)} {of} is archived there: restore it"
    here, there = field.get("data_type"), found.get("data_type")
    if here and there and here != there:
        return f"field {key} {of} is {there} there and {here} in the backup"
    return ""


def _must_be_filled(field: Row) -> bool:
    required = field.get("is_required") is True and field.get("has_default") is not True
    return required and not is_archived(field)


def _used_fields(here: Described, identifier: str, used: Collection[str]) -> dict[str, Row]:
    """Those that rows use, in the order of the dashboard; of some only the key is known."""
    known = here.fields(identifier)
    chosen = {key: row for key, row in known.items() if key in used}
    return chosen | {key: {} for key in sorted(used) if key not in known}


def _with_fields(here: Described, identifier: str, used: Collection[str]) -> str:
    fields = _used_fields(here, identifier, used)
    if fields:
        return f" with the fields {', '.join(_shown(key, row) for key, row in fields.items())}"
    return "" if here.untold_fields or here.fields(identifier) else " without fields"


def _shown(key: str, field: Row) -> str:
    """``lot_size (number, required)``."""
    facts = [str(field["data_type"])] if field.get("data_type") else []
    facts += ["required"] if field.get("is_required") is True else []
    return f"{key} ({', '.join(facts)})" if facts else key
