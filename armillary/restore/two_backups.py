"""Which two backups are compared."""

from __future__ import annotations

from armillary.backup.catalogue import Backup, Catalogue, parsed
from armillary.errors import ConfigurationError

PREVIOUS = "previous"
"""Asked for instead of an id: the newest full COMPLETE one that is older than the other."""


def two_backups(catalogue: Catalogue, first: str, second: str) -> tuple[Backup, Backup]:
    """Find both.

    Args:
        catalogue: of their workspace.
        first: an id, ``latest`` or ``previous``.
        second: the same; one of them can be ``previous``.

    Raises:
        ConfigurationError: there is no such backup, or it is one and the same.
    """
    if first == second:
        raise ConfigurationError(
            f"Both backups to compare are {first!r}.",
            next_step="Name two: `armillary backups` lists all.",
        )
    if first == PREVIOUS:
        newer = catalogue.get(second)
        return _before(catalogue, newer), newer
    older = catalogue.get(first)
    other = _before(catalogue, older) if second == PREVIOUS else catalogue.get(second)
    if older.backup_id == other.backup_id:
        raise ConfigurationError(
            f"Both backups to compare are {older.backup_id}: {first!r} and {second!r} mean the "
            "same one.",
            next_step="Name two: `armillary backups` lists all.",
        )
    return older, other


def _before(catalogue: Catalogue, newer: Backup) -> Backup:
    """The newest that counts and is older."""
    made = parsed(newer.backup_id)
    for backup in catalogue.list():
        made_before = parsed(backup.backup_id)
        if made and made_before and made_before < made and backup.full_and_complete:
            return backup
    raise ConfigurationError(
        f"In {catalogue.place} there is no complete backup of everything that is older than "
        f"{newer.backup_id}.",
        next_step="Name the two backups by their ids: `armillary backups` lists all.",
    )
