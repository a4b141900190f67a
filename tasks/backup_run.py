"""How runs that deal with backups end."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State as RunState
from prefect.states import Completed, Failed

from armillary.backup.outcome import BackupFailed, BackupResult, State, failed_message
from armillary.backup.prune import Pruned, PrunePlan, PruningFailed
from armillary.backup.prune_report import summary
from armillary.backup.verified import VerificationFailed, Verified, verified_message
from armillary.errors import ArmillaryError, LeaseHeld
from tasks.report_backup import report_backup_refusal


def backup_ended(result: BackupResult) -> RunState[Any]:
    """The state by the result's own policy."""
    message = failed_message(result)
    if result.state is State.COMPLETED:
        return Completed(name=result.state.value, message=message, data=result)
    failure = BackupFailed(message, result)
    return Failed(name=result.state.value, message=message, data=failure)


def backup_refused(operation: str, workspace_slug: str, error: ArmillaryError) -> RunState[Any]:
    """There is no result: the error says why and what to do."""
    if isinstance(error, LeaseHeld):
        return Completed(name=State.ALREADY_RUNNING.value, message=str(error), data=error)
    report_backup_refusal(operation, workspace_slug, error)
    return Failed(message=str(error), data=error)


def verified_ended(result: Verified) -> RunState[Any]:
    """``Completed``, ``Partial`` or ``Failed``, with what is wrong in the message."""
    message = verified_message(result)
    if result.state == "Completed":
        return Completed(name=result.state, message=message, data=result)
    return Failed(name=result.state, message=message, data=VerificationFailed(message, result))


def pruned_ended(made: PrunePlan, done: Pruned | None) -> RunState[Any]:
    """``Planned``, ``PlannedWithheld``, ``Completed``, ``Withheld`` or ``Partial``."""
    message = summary(made, done)
    if done is not None and done.state == "Partial":
        failure = PruningFailed(message, made, done)
        return Failed(name=done.state, message=message, data=failure)
    state = made.state if done is None else done.state
    return Completed(name=state, message=message, data=(made, done))
