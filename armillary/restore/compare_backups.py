"""Two backups of one workspace, row by row: what was added, removed, changed, archived, restored.

Rows are the same if their natural keys are, so that a backup before a restore and one after it can
be compared although every UUID is another. A record whose identifier was changed is therefore
another one.

Fingerprints of one type are held at a time. Only of rows that changed is the content read again, in
a second pass; that of the first backup waits in a temporary file meanwhile.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import polars as pl

from armillary import progress
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup
from armillary.errors import ManifestDamaged
from armillary.restore.compared import Change, Compared, TypeChanges, What
from armillary.restore.comparison import Comparison, Status, compare
from armillary.restore.flat import flat
from armillary.restore.largest import EXAMPLES, Largest
from armillary.restore.natural import FIELDS, SCALARS, Natural
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.selection import Selection
from armillary.restore.side import Read, Side, spoken
from armillary.restore.stored_backup import StoredBackup
from armillary.restore.types import KIND_OF, TypeNames
from armillary.sync.canonical import DataType

STEP = "comparing, bytes"


def changes_between(bucket: Bucket, first: Backup, second: Backup) -> Compared:
    """Compare two backups of one workspace, in this direction.

    Args:
        bucket: where both lie.
        first: the one that changes are told from.
        second: the one that they lead to.

    Raises:
        ManifestDamaged, FileDamaged: one of them is not what was written.
        StoreFailed, ConfigurationError: the bucket cannot be read.
    """
    for backup in (first, second):
        if backup.manifest is None:
            raise ManifestDamaged(f"Backup {backup.backup_id} cannot be used. {backup.damaged}")
    return _Comparing(bucket, first, second).run()


class _Comparing:
    def __init__(self, bucket: Bucket, first: Backup, second: Backup) -> None:
        self._place = bucket.place
        self._done = 0
        self._backups = [StoredBackup(bucket, backup, self._passed) for backup in (first, second)]
        self._sides = [
            Side(TypeNames.of(backup.schemas()), backup.batches, Selection())
            for backup in self._backups
        ]
        # Twice, because what changed is read again; once is enough where nothing did.
        self._bytes = 2 * sum(backup.manifest.stored_bytes for backup in self._backups)
        self._largest = Largest()
        self._notes = list(_before(*self._backups))

    def run(self) -> Compared:
        types = [found for kind in RESTORE_ORDER if (found := self._type(kind)) is not None]
        first, second = self._backups
        progress.say(STEP, self._bytes, self._bytes)
        return Compared(
            first=first.backup_id,
            second=second.backup_id,
            workspace=second.manifest.workspace_slug,
            place=f"{self._place}/{first.folder.rpartition('/')[0]}",
            types=tuple(types),
            changes=self._largest.shown(),
            notes=tuple(self._notes),
        )

    def _type(self, resource_type: str) -> TypeChanges | None:
        held = [backup.file(resource_type) is not None for backup in self._backups]
        if not any(held):
            for side in self._sides:
                side.lacks(resource_type)
            return None
        if not all(held):
            lacks = self._backups[held.index(False)]
            self._notes.append(
                f"{resource_type} were not compared: backup {lacks.backup_id} does not hold them."
            )
            # Their children may be in both.
            self._sides[held.index(True)].read(resource_type)
            self._sides[held.index(False)].lacks(resource_type)
            return None
        first, second = (side.read(resource_type) for side in self._sides)
        self._note(resource_type, first, second)
        compared = compare(first.prints, second.prints)
        state = compared.mask(Status.STATE)
        was_archived = first.prints.archived
        details = _Details(resource_type, self._sides, compared, was_archived, self._largest)
        return TypeChanges(
            resource_type=resource_type,
            rows_first=len(first.prints) + first.orphans,
            rows_second=len(second.prints) + second.orphans,
            added=int(compared.extra.sum()),
            removed=compared.count(Status.ABSENT),
            changed=compared.count(Status.BODY),
            archived=int((state & ~was_archived).sum()),
            restored=int((state & was_archived).sum()),
            fields=details.read(),
            not_compared=first.orphans + second.orphans,
        )

    def _note(self, resource_type: str, *reads: Read) -> None:
        for backup, side, read in zip(self._backups, self._sides, reads, strict=True):
            if read.orphans:
                row, why = read.orphan_examples[0]
                self._notes.append(
                    f"{read.orphans:,} {resource_type} of backup {backup.backup_id} were not "
                    f"compared, because they have no natural key. The first is {row}: {why}"
                )
            if unreadable := backup.unreadable[resource_type]:
                self._notes.append(
                    f"{len(unreadable):,} {resource_type} of backup {backup.backup_id} cannot be "
                    "read and were not compared."
                )
            if unknown := sorted(side.naturals(resource_type).unknown_columns):
                self._notes.append(
                    f"Columns of {resource_type} of backup {backup.backup_id} that nobody knows "
                    f"were not compared: {', '.join(unknown)}."
                )
        if len({bool(read.untold_archived) for read in reads}) > 1:
            self._notes.append(
                f"Only one of the backups tells which {resource_type} are archived: those of the "
                "other one count as active."
            )

    def _passed(self, count: int) -> None:
        self._done = min(self._done + count, self._bytes)
        progress.say(STEP, self._done, self._bytes)


class _Details:
    """What exactly differs in one type: a second look at the rows that did."""

    def __init__(
        self,
        resource_type: str,
        sides: list[Side],
        compared: Comparison,
        was_archived: pl.Series,
        largest: Largest,
    ) -> None:
        self._resource_type = resource_type
        self._first, self._second = sides
        self._compared = compared
        self._was_archived = was_archived
        self._largest = largest
        self._changed = compared.mask(Status.BODY)
        self._fields: Counter[str] = Counter()

    def read(self) -> dict[str, int]:
        """In how many rows each field changed; the largest are kept meanwhile."""
        state = self._compared.mask(Status.STATE)
        examples: dict[What, set[int]] = {
            "removed": _few(self._compared.mask(Status.ABSENT)),
            "archived": _few(state & ~self._was_archived),
            "restored": _few(state & self._was_archived),
        }
        with tempfile.TemporaryFile() as file:
            kept = _Kept(file)
            for number, natural in self._rows(self._first, self._changed, *examples.values()):
                for what, numbers in examples.items():
                    if number in numbers:
                        self._example(what, natural)
                if self._changed[number]:
                    kept.add(natural.body)
            self._read_second(kept)
        return dict(sorted(self._fields.items(), key=lambda found: (-found[1], found[0])))

    def _read_second(self, kept: _Kept) -> None:
        added = _few(self._compared.extra)
        numbers = self._compared.match.filter(self._changed)
        met = pl.repeat(False, self._compared.extra.len(), dtype=pl.Boolean, eager=True)
        met = met.scatter(numbers, True)
        # Rows come in the order of the second file, contents were kept in that of the first.
        order = iter(numbers.arg_sort())
        for number, natural in self._rows(self._second, met, added):
            if number in added:
                self._example("added", natural)
            else:
                self._compare(kept.get(next(order)), natural)

    def _rows(
        self, side: Side, chosen: pl.Series, *more: set[int]
    ) -> Iterator[tuple[int, Natural]]:
        """Rows by number; the file is read no further than the last of them."""
        numbers = sorted(set().union(*more))
        wanted = chosen.clone().scatter(numbers, True) if numbers else chosen
        left = int(wanted.sum())
        rows = side.rows(self._resource_type, wanted)
        while left:
            number, _, natural = next(rows)
            left -= 1
            yield number, natural

    def _compare(self, before: Mapping[str, Any], natural: Natural) -> None:
        first, second = flat(before), flat(natural.body)
        for name in sorted({*first, *second}):
            values = (first.get(name), second.get(name))
            if values[0] == values[1]:
                continue
            self._fields[name] += 1
            take = self._largest.number if self._is_number(name, natural) else self._largest.example
            take(Change(self._resource_type, spoken(natural.key), "changed", name, *values))

    def _is_number(self, name: str, natural: Natural) -> bool:
        """By the data type of the field; a text of digits is no number."""
        group, _, field_key = name.partition(".")
        if group != FIELDS.get(self._resource_type):
            return SCALARS[self._resource_type].get(name) == DataType.NUMBER
        kind = KIND_OF[self._resource_type]
        # A composite value has its type in its key: instrument, type, time.
        type_identifier = natural.body.get("type") or natural.key[-2]
        fields = self._second.types.fields(kind, type_identifier)
        return fields.get(field_key) == DataType.NUMBER

    def _example(self, what: What, natural: Natural) -> None:
        self._largest.example(Change(self._resource_type, spoken(natural.key), what))


class _Kept:
    """Contents of rows in a file: two million of them are more than memory is there for."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._ends = array("Q", [0])

    def add(self, body: Mapping[str, Any]) -> None:
        content = msgspec.json.encode(body)
        self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))

    def get(self, place: int) -> dict[str, Any]:
        begin, end = self._ends[place : place + 2]
        self._file.seek(begin)
        found: dict[str, Any] = msgspec.json.decode(self._file.read(end - begin))
        return found


def _few(mask: pl.Series) -> set[int]:
    return set(mask.arg_true().head(EXAMPLES).to_list())


def _before(first: StoredBackup, second: StoredBackup) -> Iterator[str]:
    """What has to be known about the two before any row is compared."""
    if first.scheduled_at > second.scheduled_at:
        yield (
            f"Backup {first.backup_id} is the newer one: what is told as added was removed in the "
            "course of time."
        )
    if first.manifest.workspace_id != second.manifest.workspace_id:
        yield (
            "The two are of different workspaces that had one name: one of them was made anew in "
            "between."
        )
    if first.manifest.covers != second.manifest.covers:
        told = " ".join(
            f"{backup.backup_id}: {backup.manifest.covers}." for backup in (first, second)
        )
        yield f"The two do not cover the same, and what one leaves out counts as removed. {told}"
    for backup in (first, second):
        if backup.manifest.state == "PARTIAL":
            problems = " ".join(backup.manifest.problems)
            yield f"Backup {backup.backup_id} is PARTIAL. {problems}".strip()
