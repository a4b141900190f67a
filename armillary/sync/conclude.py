"""From a judged plan and its outcomes to the result of a run and to what the next one remembers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from armillary.runs.memory import Delivery, EchoEntry, FeedMemory
from armillary.sync.breaker import Breaker
from armillary.sync.field_guard import shown_field
from armillary.sync.judged import JudgedPlan
from armillary.sync.outcome import (
    Calls,
    Fate,
    Outcome,
    State,
    SyncResult,
    Tally,
    final_state,
    tally,
)
from armillary.sync.plan import KINDS, RENAMED_FROM
from armillary.sync.rows import change_rows, problem_rows

GOOD = frozenset({State.COMPLETED, State.COMPLETED_WITH_REJECTS})
MOST_REASONS = 20
MOST_SHOWN = 20


def conclude(
    judged: JudgedPlan,
    outcomes: Sequence[Outcome],
    *,
    mode: str,
    workspace: str,
    run_id: str,
    breaker: Breaker | None,
    calls_used: int,
    calls_remaining: int | None,
    record: str,
    approve_command: str = "",
) -> SyncResult:
    """The result of a run: every planned change is accounted for exactly once.

    Args:
        judged: the plan.
        outcomes: one for each change that was not withheld; empty when nothing was applied.
        mode: "plan" or "apply".
        workspace: slug of the workspace.
        run_id: id of this run.
        breaker: of the apply; None when nothing was applied.
        calls_used: requests this run made.
        calls_remaining: calls left in the billing period, if Ptolemy tells.
        record: where the run record lies.
        approve_command: what a person would type to approve, with ``DIGEST`` for the digest.
    """
    plan = judged.plan
    withheld = {entry.kind: entry.changes for entry in judged.withheld}
    counted = _accounted(tally(outcomes), sum(plan.counts.values()) - sum(withheld.values()))
    stopped = judged.refusal or (breaker.stopped if breaker else "")
    reasons = _reasons(judged, counted)
    return SyncResult(
        state=final_state(
            mode=mode,
            counted=counted,
            withheld=[*withheld, *(entry.field for entry in judged.withheld_fields)],
            rejected_rows=plan.rejects.height,
            stopped=stopped,
            stopped_by_rejects=bool(judged.too_many_rejects)
            or (breaker is not None and breaker.by_rejects),
        ),
        mode=mode,
        feed=plan.feed,
        workspace=workspace,
        planned=plan.counts,
        unchanged=plan.unchanged,
        applied=counted.applied,
        rejected=counted.rejected,
        rejected_rows=plan.rejects.height,
        withheld={kind: withheld.get(kind, 0) for kind in KINDS},
        held=plan.held.height,
        not_attempted=counted.not_attempted,
        unknown=counted.unknown,
        calls=Calls(
            forecast=judged.cost.calls,
            used=calls_used,
            remaining=calls_remaining,
            deliveries=judged.cost.deliveries,
            guide=judged.cost.guide,
            month=judged.cost.month,
        ),
        digest=plan.digest,
        run_id=run_id,
        record=record,
        renames={
            "planned": plan.renames.height,
            "applied": len(_renamed(judged, outcomes)),
        },
        missing_kept=plan.missing_kept,
        stopped=stopped,
        withheld_fields={
            shown_field(entry.field): entry.changes for entry in judged.withheld_fields
        },
        withheld_because=judged.withheld_because,
        approve_command=approve_command.replace("DIGEST", plan.digest)
        if withheld or judged.withheld_fields
        else "",
        rejected_because=reasons,
        rejected_examples=_examples(judged, outcomes, reasons),
        unknown_because=dict(list(counted.unknown_reasons.items())[:MOST_REASONS]),
        route=judged.route.as_dict() if judged.route else None,
        warnings=(*judged.warnings, *_echo_warnings(outcomes)),
        changes=tuple(change_rows(plan, MOST_SHOWN)),
        problems=tuple(problem_rows(plan, MOST_SHOWN)),
    )


def _renamed(judged: JudgedPlan, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """The renames that were carried out: the identifier until then, by the one of now."""
    planned = dict(judged.plan.renames.select("identifier", RENAMED_FROM).iter_rows())
    return {
        outcome.identifier: planned[outcome.identifier]
        for outcome in outcomes
        if outcome.kind == "update"
        and outcome.fate is Fate.APPLIED
        and outcome.identifier in planned
    }


def _accounted(counted: Tally, to_apply: int) -> Tally:
    """Changes without an outcome were not attempted."""
    with_outcome = (
        sum(counted.applied.values()) + counted.rejected + counted.unknown + counted.not_attempted
    )
    return replace(counted, not_attempted=counted.not_attempted + to_apply - with_outcome)


def _reasons(judged: JudgedPlan, counted: Tally) -> dict[str, int]:
    """Why rows and changes were rejected, most frequent first."""
    reasons = Counter(counted.reasons)
    reasons.update(dict(judged.plan.rejects["reason"].value_counts().iter_rows()))
    return dict(reasons.most_common(MOST_REASONS))


def _examples(
    judged: JudgedPlan, outcomes: Sequence[Outcome], reasons: Iterable[str]
) -> dict[str, str]:
    """For each reason one change, or one row of the source, that a person can look at."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.fate is Fate.REJECTED:
            found.setdefault(outcome.reason, f"{outcome.kind} {outcome.identifier}")
    firsts = judged.plan.rejects.unique("reason", keep="first", maintain_order=True)
    for row, identifier, reason in firsts.select("row", "identifier", "reason").iter_rows():
        found.setdefault(reason, f"row {row} ({identifier})" if identifier else f"row {row}")
    return {reason: found[reason] for reason in reasons}


def _echo_warnings(outcomes: Sequence[Outcome]) -> list[str]:
    """Fields whose values the workspace stored otherwise than they were sent."""
    fields: Counter[str] = Counter()
    example: dict[str, str] = {}
    for outcome in outcomes:
        for echo in outcome.echoes:
            field = echo.field.removeprefix("field.")
            fields[field] += 1
            example.setdefault(
                field, f"{outcome.identifier}: sent {echo.wanted!r}, stored {echo.stored!r}"
            )
    return [
        f"The workspace stores {field} otherwise than sent for {count} records, for example "
        f"{example[field]}. This is remembered and not sent again."
        for field, count in fields.most_common()
    ]


def remembered_after(
    memory: FeedMemory,
    judged: JudgedPlan,
    outcomes: Sequence[Outcome],
    result: SyncResult,
    *,
    only: bool,
    now: datetime,
    undone: str | None = None,
) -> FeedMemory:
    """What the next run has to know, after a run that wrote.

    The size of the feed becomes the new measure only after a good, whole run: a shrunken feed whose
    archives were withheld must not make tomorrow's shrunken feed look normal. The business date
    counts as soon as anything was written. A run that was undone (``undone``) takes both with it.
    """
    archived = dict(memory.archived)
    touched: set[str] = set()
    echoes: list[EchoEntry] = []
    for outcome in outcomes:
        if outcome.fate is not Fate.APPLIED:
            continue
        touched.add(outcome.identifier)
        if outcome.kind == "archive" and outcome.id:
            archived[outcome.id] = result.run_id
        elif outcome.kind == "restore" and outcome.id:
            archived.pop(outcome.id, None)
        echoes += [
            EchoEntry(outcome.identifier, echo.field, echo.wanted, echo.stored)
            for echo in outcome.echoes
        ]
    now_called = {old: new for new, old in _renamed(judged, outcomes).items()}
    kept = [
        msgspec.structs.replace(echo, identifier=now_called.get(echo.identifier, echo.identifier))
        for echo in memory.echoes
        if echo.identifier not in touched
    ]
    if result.state in GOOD and undone:
        memory = memory.without_run(undone)
    elif result.state in GOOD and not only:
        delivery = Delivery(
            judged.delivery_sha256,
            judged.plan.feed_records,
            result.run_id,
            now,
            judged.delivery_origin,
            judged.examined.business_date,
            judged.examined.fingerprint,
        )
        memory = memory.with_delivery(delivery).after(
            columns=dict(judged.examined.columns), absent=dict(judged.absent)
        )
    elif not undone and not only:
        # One that is back is no longer absent, however the run ended.
        memory = memory.after(
            absent={each: n for each, n in memory.absent.items() if each in judged.absent}
        )
    day = judged.examined.business_date
    if day and not undone and not only and (touched or result.state in GOOD):
        memory = memory.with_date(result.run_id, day)
    return memory.after(
        workspace_records=_records_now(memory, judged, result, only=only),
        archived=archived,
        echoes=kept + echoes,
    )


def _records_now(
    memory: FeedMemory, judged: JudgedPlan, result: SyncResult, *, only: bool
) -> int | None:
    """Active records in scope after a run; a run limited to some may not have counted them."""
    before = memory.workspace_records if only else judged.plan.active_in_scope
    if before is None:
        return None
    applied = result.applied
    return max(0, before + applied["create"] + applied["restore"] - applied["archive"])
