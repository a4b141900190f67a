"""What a comparison of two backups found, for people and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from armillary.markdown import plain

What = Literal["changed", "added", "removed", "archived", "restored"]

EXIT_CODES = {"Completed": 0, "Failed": 1}
"""Of the command. That two backups differ is an answer, and no failure."""

KINDS: Sequence[What] = ("added", "removed", "changed", "archived", "restored")

SHOWN_FIELDS = 8
"""Of one type in a table; the result has all."""


@dataclass(frozen=True)
class TypeChanges:
    """What became of the rows of one type.

    A row that changed and was archived counts as both.
    """

    resource_type: str
    rows_first: int
    rows_second: int
    added: int = 0
    """Only in the second."""
    removed: int = 0
    """Only in the first."""
    changed: int = 0
    """In both, with other content."""
    archived: int = 0
    """Active in the first, archived in the second."""
    restored: int = 0
    """Archived in the first, active in the second."""
    fields: dict[str, int] = field(default_factory=dict)
    """In how many rows each field changed, the most first."""
    not_compared: int = 0
    """Rows of either that have no natural key: what they belong to is not in their backup."""


@dataclass(frozen=True)
class Change:
    """One thing that is not the same in both."""

    resource_type: str
    row: str
    """Its natural key, as a person reads it."""
    what: What
    field: str = ""
    """Of a changed row; blank for the others."""
    first: str | None = None
    second: str | None = None
    relative: float | None = None
    """Of a number that was not 0: 0.5 is half as much again."""


@dataclass(frozen=True)
class Compared:
    """Two backups, compared; its keys are public (the command's ``--json``)."""

    first: str
    """Id of a backup."""
    second: str
    workspace: str
    place: str
    types: tuple[TypeChanges, ...]
    changes: tuple[Change, ...] = ()
    """The largest changes of numbers, then examples of every other kind."""
    notes: tuple[str, ...] = ()
    """What was not compared, and why counts may mean less than they seem."""
    state: Literal["Completed"] = "Completed"

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(getattr(kind, what) for kind in self.types for what in KINDS)

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def headline(result: Compared) -> str:
    """The answer in one line."""
    pair = f"{result.first} and {result.second}"
    if result.same:
        rows = sum(kind.rows_second for kind in result.types)
        return f"Backups {pair} hold the same {rows:,} rows."
    counts = {what: sum(getattr(kind, what) for kind in result.types) for what in KINDS}
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"Between backups {pair}: {told}."


def type_rows(result: Compared) -> list[dict[str, str]]:
    """Types as a table."""
    return [
        {
            "type": kind.resource_type,
            "rows": f"{kind.rows_first:,} → {kind.rows_second:,}",
            **{what: f"{getattr(kind, what):,}" for what in KINDS},
            "fields": _fields(kind),
        }
        for kind in result.types
    ]


def change_rows(result: Compared) -> list[dict[str, str]]:
    """Changes as a table."""
    return [
        {
            "type": change.resource_type,
            "row": change.row,
            "what": change.field or change.what,
            result.first: "" if change.first is None else change.first,
            result.second: "" if change.second is None else change.second,
            "by": "" if change.relative is None else f"{change.relative:+,.1%}",
        }
        for change in result.changes
    ]


def summary(result: Compared) -> str:
    """The whole finding as markdown."""
    parts = [
        f"# {result.first} and {result.second}",
        f"**{headline(result)}** Workspace `{result.workspace}`.",
        _table(type_rows(result)),
    ]
    if result.changes:
        parts += ["## The largest changes, and examples", _table(change_rows(result))]
    parts += [f"Note: {note}" for note in result.notes]
    parts.append(f"Place: `{result.place}`")
    return "\n\n".join(parts)


def _fields(kind: TypeChanges) -> str:
    told = [f"{name} {count:,}" for name, count in kind.fields.items()]
    more = len(told) - SHOWN_FIELDS
    return ", ".join(told[:SHOWN_FIELDS]) + (f" and {more:,} more" if more > 0 else "")


def _table(rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return "Neither backup holds any type that the other one has."
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(map(plain, line))} |" for line in lines)
