"""One instrument as one backup has it: the record, its fields, its listings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from armillary.restore.directory import Directory
from armillary.restore.flat import flat
from armillary.restore.natural import Natural, Naturals, Orphan
from armillary.restore.stored_backup import StoredBackup
from armillary.restore.types import TypeNames

LISTING = "listing"

FILES = ("markets", "instruments", "market_listings")
"""What is read of a backup: markets, because a listing is called after its market."""

Found = tuple[Natural, Mapping[str, Any]]
"""A row, and the same as exported."""


@dataclass(frozen=True)
class Snapshot:
    """One instrument as one backup has it."""

    backup_id: str
    at: datetime
    """The time the backup was scheduled for."""
    values: Mapping[str, str]
    """By name, as in ``fields.lot_size`` or ``listing xasx lot_size``; blank ones are not there.

    Empty if the backup does not hold the instrument.
    """
    others: int = 0
    """Further records of this identifier, all archived (contract D5)."""
    alike: tuple[str, ...] = ()
    """Identifiers that differ only in upper and lower case."""


def content_of(backup: StoredBackup) -> tuple[str, ...]:
    """The same for two backups whose snapshots are: nobody has to read the second one."""
    files = [entry.sha256 for kind in FILES if (entry := backup.file(kind))]
    return (*files, backup.manifest.schemas.sha256)


def read_snapshot(backup: StoredBackup, identifier: str) -> Snapshot:
    """Read what a backup has of an instrument.

    Args:
        backup: one that holds instruments, markets and listings.
        identifier: of the instrument; of several records that have it the active one counts, else
            the one that was archived last.

    Raises:
        FileDamaged: a file is not what was written.
        StoreFailed, ConfigurationError: the bucket cannot be read.
    """
    types, directory = TypeNames.of(backup.schemas()), Directory()
    for natural, row in _placed(backup, Naturals("markets", types, directory)):
        directory.add("markets", row, natural.key, natural.body)
    directory.settle("markets")
    records, alike = _records(backup, Naturals("instruments", types, directory), identifier)
    for natural, row in records:
        directory.add("instruments", row, natural.key, natural.body)
    directory.settle("instruments")
    if not records:
        return Snapshot(backup.backup_id, backup.scheduled_at, {}, alike=tuple(sorted(alike)))
    record, _ = max(records, key=_counts)
    values = _values(record)
    if record.id:
        values["id"] = record.id
    # An archived namesake has a longer key: its listings are not this record's.
    owner = directory.key_of("market_listings", {"instrument_id": record.id}, "instrument_id")
    for natural, _ in _placed(backup, Naturals("market_listings", types, directory)):
        market = natural.key[-1]
        if natural.key[:-1] == (owner or record.key):
            values |= {
                f"{LISTING} {market} {name}": value for name, value in _values(natural).items()
            }
    return Snapshot(backup.backup_id, backup.scheduled_at, values, others=len(records) - 1)


def _records(
    backup: StoredBackup, naturals: Naturals, identifier: str
) -> tuple[list[Found], set[str]]:
    """The records of this identifier, and other identifiers that somebody may have meant."""
    folded = identifier.casefold()
    found: list[Found] = []
    alike: set[str] = set()
    for batch in backup.batches("instruments"):
        for row in batch:
            name = row.get("identifier")
            if name == identifier:
                found.append((naturals.of(row), row))
            elif isinstance(name, str) and name.casefold() == folded:
                alike.add(name)
    return found, alike


def _placed(backup: StoredBackup, naturals: Naturals) -> Iterator[Found]:
    """Rows whose parents are known: all others hang on instruments that nobody asked for."""
    for batch in backup.batches(naturals.resource_type):
        for row in batch:
            try:
                natural = naturals.of(row)
            except Orphan:
                continue
            yield natural, row


def _counts(found: Found) -> tuple[bool, str]:
    natural, row = found
    return not natural.archived, str(row.get("archived_at") or "")


def _values(natural: Natural) -> dict[str, str]:
    values = flat(natural.body)
    if natural.archived is not None:
        values["archived"] = "true" if natural.archived else "false"
    return values
