"""A plan to prune, and what came of it, as a person reads it."""

from __future__ import annotations

from armillary.backup.listing import age_words
from armillary.backup.outcome import size
from armillary.backup.prune import Pruned, PrunePlan


def rows(prune_plan: PrunePlan) -> list[dict[str, str]]:
    """The plan as a table: ``backup``, ``what`` becomes of it, and ``why``."""
    gone = {removal.backup_id for removal in prune_plan.removals}
    table = [
        {
            "backup": decision.backup_id,
            "what": "remove" if decision.backup_id in gone else "keep",
            "why": " ".join(decision.reasons)
            if decision.keep or decision.backup_id in gone
            else "No rule keeps it, but nothing is removed now.",
        }
        for decision in prune_plan.decisions
    ]
    table += [
        {
            "backup": sweep.backup_id,
            "what": "sweep",
            "why": (
                f"It was never finished, and nothing was written to it for "
                f"{age_words(prune_plan.made_at - sweep.last_written)}."
            ),
        }
        for sweep in prune_plan.sweeps
    ]
    table += [
        {
            "backup": upload.key,
            "what": "end upload",
            "why": (
                f"Its upload was begun {age_words(prune_plan.made_at - upload.started)} ago and "
                "never finished."
            ),
        }
        for upload in prune_plan.uploads
    ]
    return table


def summary(prune_plan: PrunePlan, done: Pruned | None = None) -> str:
    """The story in a few sentences, of a plan or of what was done."""
    parts = [f"Policy: {prune_plan.policy.words}. Place: {prune_plan.place}."]
    if prune_plan.withheld:
        parts.append(f"Nothing is removed: {prune_plan.withheld}")
    elif done is None:
        parts.append(
            f"{len(prune_plan.removals):,} of {len(prune_plan.decisions):,} backups would be "
            f"removed, {len(prune_plan.sweeps):,} unfinished ones swept, "
            f"{len(prune_plan.uploads):,} unfinished uploads ended: "
            f"{size(prune_plan.stored_bytes)}."
        )
    else:
        parts.append(
            f"{len(done.removed):,} of {len(prune_plan.decisions):,} backups were removed, "
            f"{len(done.swept):,} unfinished ones swept, {len(done.uploads_ended):,} unfinished "
            f"uploads ended: {size(done.freed_bytes)}."
        )
        parts += [f"Stopped before the end: {done.stopped}"] if done.stopped else []
        parts += [f"{left.what} was left: {left.why}" for left in done.locked]
        parts += [f"{left.what} could not be removed: {left.why}" for left in done.failed]
    return " ".join([*parts, *prune_plan.warnings])
