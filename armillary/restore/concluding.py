"""From a restore under way to its result: what is there now, counted from the last look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from armillary.errors import ArmillaryError
from armillary.restore.begun import CONTINUE_HOURS
from armillary.restore.comparison import Status
from armillary.restore.differing_rows import shown_differences
from armillary.restore.failed_rows import NO_REASON
from armillary.restore.judging import Judged, parts_of
from armillary.restore.outcome import (
    Calls,
    FailedRow,
    RestoreResult,
    State,
    TypeResult,
    final_state,
    planned_state,
)
from armillary.restore.restoring import Restoring
from armillary.restore.side import spoken

GO_ON = (
    "What was imported stays. Start the same restore again within "
    f"{CONTINUE_HOURS} hours: it goes on with what is missing."
)

FAILURES = 50
"""Rows that failed are shown up to so many in all; the run record has more."""


def planned(restoring: Restoring, judged: Judged) -> RestoreResult:
    """The result of a run that only planned."""
    types = tuple(_type(restoring, kind, applied=False) for kind in restoring.kinds)
    state = planned_state(judged.missing, judged.refusals)
    return _result(restoring, judged, state, types)


def applied(restoring: Restoring, judged: Judged) -> RestoreResult:
    """The result of a run that applied."""
    types = tuple(_type(restoring, kind, applied=True) for kind in restoring.kinds)
    failures = tuple(failed_rows(restoring, FAILURES))
    lost = [
        kind
        for kind in restoring.unreachable
        if kind in restoring.looked and len(restoring.looked[kind].wanted.prints)
    ]
    done = _result(restoring, judged, final_state(types, lost), types)
    return replace(done, mode="apply", failures=failures)


def stopped(restoring: Restoring, judged: Judged, error: ArmillaryError) -> RestoreResult:
    """The result of a run that could not go on; counts are those of the last look at each type."""
    types = tuple(_type(restoring, kind, applied=True) for kind in restoring.kinds)
    done = _result(restoring, judged, State.FAILED, types)
    words = f"{error} {GO_ON}" if restoring.begun is not None else str(error)
    return replace(done, mode="apply", stopped=words)


def failed_rows(restoring: Restoring, most: int) -> Iterator[FailedRow]:
    """Rows that are not as they should be, up to so many of each type, with the reasons."""
    for kind in restoring.kinds:
        looked, brought = restoring.looked[kind], restoring.brought[kind]
        for name, why in looked.wanted.orphan_examples[:most]:
            yield FailedRow(kind, name, why)
        if kind in restoring.unreachable:
            continue
        general = next(iter(brought.remarks), NO_REASON)
        for number, _, natural in restoring.source.rows(kind, restoring.wrong(kind, most)):
            yield FailedRow(kind, spoken(natural.key), brought.reasons.get(number, general))


def _type(restoring: Restoring, kind: str, *, applied: bool) -> TypeResult:
    looked, brought, cost = restoring.looked[kind], restoring.brought[kind], restoring.costs[kind]
    orphans, first, now = looked.wanted.orphans, looked.first, looked.now.status
    wrong = Status.BODY | Status.STATE
    absent = looked.counted(first, Status.ABSENT, own=True)
    differs = looked.counted(first, wrong, own=False)
    own_wrong = looked.counted(now, wrong | Status.ABSENT, own=True)
    others_wrong = looked.counted(now, wrong | Status.ABSENT, own=False)
    rows = len(looked.wanted.prints) + orphans
    result = TypeResult(
        kind,
        rows=rows,
        equal=rows - orphans - absent - differs,
        differs=differs,
        absent=absent + orphans,
        orphans=orphans,
        extra=int(looked.now.extra.sum()),
        archive=looked.wanted.archived if absent else 0,
        parts=brought.parts if applied else parts_of(restoring, kind),
        calls=cost.calls,
        seconds=round(cost.seconds, 3),
    )
    if not applied:
        return result
    update = restoring.update
    return replace(
        result,
        imported=absent - own_wrong,
        failed=own_wrong + orphans + (others_wrong if update else 0),
        updated=max(0, differs - others_wrong) if update else 0,
        skipped=0 if update else others_wrong,
    )


def _result(
    restoring: Restoring,
    judged: Judged,
    state: State,
    types: tuple[TypeResult, ...],
) -> RestoreResult:
    into = restoring.workspace
    remarks = [
        f"{kind}: {words}"
        for kind in restoring.kinds
        for words in dict.fromkeys(restoring.brought[kind].remarks)
    ]
    return RestoreResult(
        state=state,
        mode="plan",
        backup_id=restoring.manifest.backup_id,
        workspace=into.slug or into.id,
        source=restoring.manifest.workspace_slug or restoring.manifest.workspace_id,
        on_existing=restoring.on_existing,
        types=types,
        missing=judged.missing,
        refusals=judged.refusals,
        differences=tuple(shown_differences(restoring)),
        notes=(*judged.notes, *remarks),
        calls=Calls(judged.forecast, 0, restoring.means.ptolemy.meter.remaining),
        items=judged.items,
        items_left=judged.quota.items_left,
        continued=restoring.begun is not None and restoring.begun.run_id != restoring.run_id,
        run_id=restoring.run_id,
    )
