"""What a plan of a restore says: what must be created first, what speaks against it, its price."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from armillary.restore.order import IDENTIFIER_COLUMN
from armillary.restore.preflight import what_is_missing, what_is_not_told
from armillary.restore.quota import Quota, read_quota
from armillary.restore.restoring import Restoring
from armillary.restore.types import KIND_OF, Kind

JOB_CALLS = 4
"""Of one job that ends soon: submitted, asked for three times. A slow one takes more."""

NAMES_SHOWN = 5


@dataclass(frozen=True)
class Judged:
    """What was found before anything is written."""

    missing: tuple[str, ...]
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    forecast: int
    """Calls from here on, if it is applied and jobs end soon."""
    items: int
    quota: Quota

    @property
    def speaks_against(self) -> tuple[str, ...]:
        """Why nothing may be imported; blank if everything may."""
        if not self.missing:
            return self.refusals
        listed = "; ".join(self.missing)
        return (f"The workspace lacks what the rows need. Create first: {listed}.", *self.refusals)


def judge(restoring: Restoring) -> Judged:
    """Judge a restore whose types were all looked at.

    Raises:
        ApiError: the quota cannot be asked for.
    """
    if restoring.schemas is None:
        raise RuntimeError("judged before the survey")
    source, target = restoring.schemas
    used, blank = _used(restoring), _blank(restoring)
    quota = read_quota(restoring.means.ptolemy)
    forecast, items = _calls(restoring), _items(restoring)
    refusals = list(_refusals(restoring))
    if short := quota.refusal(calls=forecast, items=items):
        refusals.append(short)
    notes = [*what_is_not_told(source, target, used), *_notes(restoring)]
    if billed := quota.billed(calls=forecast, items=items):
        notes.append(billed)
    return Judged(
        tuple(str(missing) for missing in what_is_missing(source, target, used, blank=blank)),
        tuple(refusals),
        tuple(notes),
        forecast,
        items,
        quota,
    )


def _used(restoring: Restoring) -> dict[Kind, dict[str, Collection[str]]]:
    """Types and fields that chosen files use; a type that is not to be written needs nothing."""
    found: dict[Kind, dict[str, Collection[str]]] = {}
    for resource_type in restoring.kinds:
        kind = KIND_OF.get(resource_type)
        if kind is None or not _to_write(restoring, resource_type):
            continue
        types = found.setdefault(kind, {})
        for identifier, keys in restoring.source.naturals(resource_type).used.items():
            types[identifier] = {*types.get(identifier, ()), *keys}
    return found


def _blank(restoring: Restoring) -> dict[Kind, dict[str, Collection[str]]]:
    """Fields that have a value in some rows of a type and none in others."""
    found: dict[Kind, dict[str, Collection[str]]] = {}
    for resource_type in restoring.kinds:
        kind = KIND_OF.get(resource_type)
        if kind is None or not _to_write(restoring, resource_type):
            continue
        naturals = restoring.source.naturals(resource_type)
        for identifier, keys in naturals.used.items():
            rows = naturals.rows_of_type.get(identifier, 0)
            short = {key for key, count in keys.items() if count < rows}
            types = found.setdefault(kind, {})
            types[identifier] = {*types.get(identifier, ()), *short}
    return found


def _to_write(restoring: Restoring, resource_type: str) -> int:
    """Rows to import, and rows to change where they are updated."""
    looked = restoring.looked[resource_type]
    absent = int(looked.absent_now.sum())
    return absent + (int(looked.differs_now.sum()) if restoring.update else 0)


def _refusals(restoring: Restoring) -> list[str]:
    asked, manifest, into = restoring.asked, restoring.manifest, restoring.workspace
    name = into.slug or into.id
    found = []
    if restoring.into_source and not asked.allow_source:
        found.append(
            f"Workspace {name} is the one that the backup is of. Restoring into it needs "
            "allow_source (`--allow-source`)."
        )
    if absent := [kind for kind in asked.selection.resource_types if kind not in restoring.files]:
        named = ", ".join(absent)
        if len(absent) == len(asked.selection.resource_types):
            found.append(f"Backup {manifest.backup_id} holds nothing of {named}.")
    held = [kind for kind in restoring.held if kind in restoring.kinds]
    if held and restoring.on_existing is None and restoring.begun is None and not asked.without:
        found.append(
            f"Workspace {name} is not empty: it holds {', '.join(held)}. Choose what becomes of "
            "rows that are there and differ, on_existing (`--on-existing`): skip leaves them, "
            "update brings them to the backup's content, fail imports nothing if there are any."
        )
    differing = {
        kind: count
        for kind, looked in restoring.looked.items()
        if (count := int((looked.differs_now & ~looked.began).sum()))
    }
    if differing and restoring.on_existing == "fail":
        counts = ", ".join(f"{count:,} {kind}" for kind, count in differing.items())
        found.append(
            f"on_existing is fail, and rows are there that differ from the backup: {counts}."
        )
    if unfound := _unfound(restoring):
        found.append(unfound)
    return found


def _unfound(restoring: Restoring) -> str:
    """Identifiers that were asked for and are not in the backup."""
    names, looked = restoring.asked.selection.instruments, restoring.looked.get("instruments")
    if not names or looked is None:
        return ""
    lacking = sorted(
        name for name in names if not restoring.source.directory.has("instruments", (name,))
    )
    if not lacking:
        return ""
    more = f" and {len(lacking) - NAMES_SHOWN:,} more" if len(lacking) > NAMES_SHOWN else ""
    return (
        f"Backup {restoring.manifest.backup_id} has no instrument "
        f"{', '.join(lacking[:NAMES_SHOWN])}{more}. `armillary history IDENTIFIER` tells which "
        "backups have one."
    )


def _notes(restoring: Restoring) -> list[str]:
    manifest, notes = restoring.manifest, list[str]()
    if manifest.state == "PARTIAL":
        notes.append(f"The backup itself is PARTIAL. {' '.join(manifest.problems)}")
    asked = restoring.asked.selection.resource_types
    if absent := [kind for kind in asked if kind not in restoring.files]:
        notes.append(f"The backup holds nothing of {', '.join(absent)}.")
    for kind, why in restoring.unreachable.items():
        rows = len(restoring.looked[kind].wanted.prints) if kind in restoring.looked else 0
        if rows:
            notes.append(f"{rows:,} {kind} are not restored. {why}")
    for kind in restoring.kinds:
        notes += _notes_of(restoring, kind)
    if restoring.begun is not None:
        notes.append(
            f"Goes on with the restore that run {restoring.begun.run_id} began at "
            f"{restoring.begun.began_at:%Y-%m-%d %H:%M} UTC and did not end."
        )
    return notes


def _notes_of(restoring: Restoring, kind: str) -> list[str]:
    """What has to be known of one type."""
    notes, looked = list[str](), restoring.looked[kind]
    unknown = restoring.source.naturals(kind).unknown_columns
    if unknown:
        notes.append(
            f"{kind} have columns that the contract does not know; they are not restored: "
            f"{', '.join(sorted(unknown))}."
        )
    if shared := restoring.source.naturals(kind).ambiguous:
        notes.append(
            f"{shared:,} {kind} name their parent by an identifier that several records of the "
            "backup share, one active and others archived: they are taken for those of the "
            "active one."
        )
    if looked.wanted.untold_archived:
        notes.append(f"The backup does not tell which {kind} were archived: all come back active.")
    if looked.wanted.orphans:
        name, why = looked.wanted.orphan_examples[0]
        notes.append(
            f"{looked.wanted.orphans:,} {kind} have no place, and cannot be restored: {name}: {why}"
        )
    return notes


def parts_of(restoring: Restoring, resource_type: str) -> int:
    """How many files the absent rows make, by the share they are of the backup's file."""
    entry, looked = restoring.files[resource_type], restoring.looked[resource_type]
    absent = int(looked.absent_now.sum())
    if not absent or resource_type not in IDENTIFIER_COLUMN:
        return 0
    share = absent / max(entry.rows, 1)
    return max(1, math.ceil(entry.bytes * share / restoring.asked.most_part_bytes))


def _calls(restoring: Restoring) -> int:
    """Calls of an apply, from here on."""
    calls = 1  # the list of imports, for those of an interrupted run
    for kind in restoring.kinds:
        if kind in restoring.unreachable:
            continue
        parts, singles = parts_of(restoring, kind), _singles(restoring, kind)
        readings = bool(parts) + bool(singles)
        calls += (parts + readings) * JOB_CALLS + singles
    return calls


def _singles(restoring: Restoring, kind: str) -> int:
    """Records that are written one by one."""
    looked = restoring.looked[kind]
    calls: int = looked.wanted.archived if looked.absent_now.any() else 0
    if kind not in IDENTIFIER_COLUMN:
        calls += int(looked.absent_now.sum())
    if restoring.update:
        calls += int((looked.differs_now & ~looked.began).sum())
    return calls


def _items(restoring: Restoring) -> int:
    """Database items of the rows to import."""
    total = 0
    for looked in restoring.looked.values():
        rows, absent = len(looked.wanted.prints), int(looked.absent_now.sum())
        total += math.ceil(looked.wanted.items * absent / rows) if rows else 0
    return total
