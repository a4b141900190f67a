"""Records in the order of their creation, found by UUID or identifier."""

from __future__ import annotations

import random
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar


class Record:
    """What every record has; times are seconds since 1970."""

    __slots__ = (
        "archived_at",
        "created_at",
        "group",
        "id",
        "identifier",
        "number",
        "tags",
        "updated_at",
    )

    def __init__(self, identifier: str | None = None, group: Record | None = None) -> None:
        self.number = 0
        self.id = ""
        self.identifier = identifier
        self.group = group
        """The type (or parent) that lists of this collection are most often narrowed to."""
        self.created_at = 0.0
        self.updated_at = 0.0
        self.archived_at: float | None = None
        self.tags: tuple[Record, ...] = ()


R = TypeVar("R", bound=Record)


class UuidSource:
    """Repeatable UUIDs."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def next(self) -> str:
        """A new version 4 UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


class Order(Generic[R]):
    """Records by creation number; finding a place is a binary search."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[R] = []

    def insert(self, record: R) -> None:
        """Put a record at its place; new ones go to the end at once."""
        if not self.rows or self.rows[-1].number < record.number:
            self.rows.append(record)
        else:
            self.rows.insert(bisect_left(self.rows, record.number, key=_number), record)

    def remove(self, record: R) -> None:
        """Take a record out."""
        del self.rows[bisect_left(self.rows, record.number, key=_number)]


def following(rows: list[R], number: int | None, *, descending: bool) -> Iterator[R]:
    """The rows after ``number`` in the direction asked for; from the start when none."""
    if descending:
        end = len(rows) if number is None else bisect_left(rows, number, key=_number)
        return (rows[position] for position in range(end - 1, -1, -1))
    start = 0 if number is None else bisect_right(rows, number, key=_number)
    return (rows[position] for position in range(start, len(rows)))


def _number(record: Record) -> int:
    return record.number


class Table(Generic[R]):
    """One collection of a workspace."""

    def __init__(self, uuids: UuidSource) -> None:
        self._uuids = uuids
        self._next = 1
        self._by_id: dict[str, R] = {}
        self._active: dict[str, R] = {}
        self._archived: dict[str, list[R]] = {}
        self._groups: dict[str, Order[R]] = {}
        self._all: Order[R] = Order()

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def rows(self) -> list[R]:
        """All records by creation."""
        return self._all.rows

    def group(self, record: Record) -> list[R]:
        """The records of one type (or parent) by creation."""
        order = self._groups.get(record.id)
        return order.rows if order else []

    def add(self, record: R, at: float, *, record_id: str | None = None) -> R:
        """Store a new record."""
        record.number = self._next
        self._next += 1
        record.id = record_id or self._uuids.next()
        record.created_at = record.updated_at = at
        self._by_id[record.id] = record
        self._all.insert(record)
        self._join(record)
        self._index(record)
        return record

    def new_id(self) -> str:
        """A UUID for something that is kept elsewhere."""
        return self._uuids.next()

    def drop_first(self, count: int) -> None:
        """Forget the oldest records of a table without types."""
        for record in self._all.rows[:count]:
            self._unindex(record)
            del self._by_id[record.id]
        del self._all.rows[:count]

    def by_id(self, record_id: str) -> R | None:
        """The record of a UUID (any case)."""
        return self._by_id.get(record_id) or self._by_id.get(record_id.lower())

    def active(self, identifier: str) -> R | None:
        """The active record of an identifier."""
        return self._active.get(identifier)

    def archived(self, identifier: str) -> R | None:
        """The archived record of an identifier, of several the latest archived."""
        found = self._archived.get(identifier)
        return found[-1] if found else None

    def holders(self, identifier: str) -> list[R]:
        """Every record of an identifier, archived or not."""
        found = list(self._archived.get(identifier, ()))
        active = self._active.get(identifier)
        return [*found, active] if active else found

    def archive(self, record: R, at: float) -> None:
        """Mark as archived."""
        self._unindex(record)
        record.archived_at = at
        record.updated_at = at
        self._index(record)

    def restore(self, record: R, at: float) -> None:
        """Mark as active."""
        self._unindex(record)
        record.archived_at = None
        record.updated_at = at
        self._index(record)

    def rename(self, record: R, identifier: str) -> None:
        """Change the identifier."""
        self._unindex(record)
        record.identifier = identifier
        self._index(record)

    def move(self, record: R, group: Record) -> None:
        """Change the type (or parent)."""
        if record.group is not None:
            self._groups[record.group.id].remove(record)
        record.group = group
        self._join(record)

    def remove(self, record: R) -> None:
        """Forget a record for ever."""
        self._unindex(record)
        del self._by_id[record.id]
        self._all.remove(record)
        if record.group is not None:
            self._groups[record.group.id].remove(record)

    def _join(self, record: R) -> None:
        if record.group is not None:
            self._groups.setdefault(record.group.id, Order()).insert(record)

    def _index(self, record: R) -> None:
        if record.identifier is None:
            return
        if record.archived_at is None:
            self._active[record.identifier] = record
        else:
            self._archived.setdefault(record.identifier, []).append(record)

    def _unindex(self, record: R) -> None:
        if record.identifier is None:
            return
        if record.archived_at is None:
            self._active.pop(record.identifier, None)
            return
        found = self._archived[record.identifier]
        found.remove(record)
        if not found:
            del self._archived[record.identifier]
