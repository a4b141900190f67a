"""Remove backups that no retention rule keeps, and what was never finished: planned first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from armillary.backup.catalogue import Catalogue, workspace_folder
from armillary.backup.prune import Pruned, PrunePlan, apply, plan
from armillary.backup.retention import Retention
from armillary.errors import ArmillaryError
from armillary.runs.lease import held
from armillary.settings import Settings
from blocks import BackupStore
from blocks.form_values import Text, Zone
from tasks.alerts import tell_crash, tell_end, tell_start
from tasks.backup_run import backup_refused, pruned_ended
from tasks.boundary import step
from tasks.clean_up import clean_up
from tasks.report_backup import report_pruned
from tasks.sync_run import open_runs

Count = Annotated[int, Field(ge=0, le=10_000)]


@flow(
    name="prune-backups",
    flow_run_name="prune backups ({mode})",
    retries=0,
    persist_result=False,
    on_running=[tell_start],
    on_completion=[tell_end],
    on_failure=[tell_end],
    on_cancellation=[clean_up],
    on_crashed=[tell_crash, clean_up],
)
def prune_backups(
    store: BackupStore,
    mode: Literal["plan", "apply"] = "plan",
    keep_last: Count = 0,
    keep_daily: Count = 0,
    keep_weekly: Count = 0,
    keep_monthly: Count = 0,
    keep_yearly: Count = 0,
    zone: Zone = "UTC",
    workspace: Text = "",
) -> State[Any]:
    """Remove backups that no rule keeps.

    The newest complete backup of everything and the newest proven one always stay.

    Args:
        store: Where the backups lie. Untouched: the deployment's own, even where the form shows
            none.
        mode: "plan" removes nothing and shows what would go; "apply" removes.
        keep_last: So many of the newest stay.
        keep_daily: The newest of each of so many days stays.
        keep_weekly: The newest of each of so many weeks stays, Monday to Sunday.
        keep_monthly: The newest of each of so many months stays.
        keep_yearly: The newest of each of so many years stays.
        zone: Time zone whose midnight ends a day, as Europe/Zurich.
        workspace: Slug of the workspace; needed when the store holds backups of several.
    """
    subject = workspace or store.prefix or store.bucket
    try:
        policy = Retention(keep_last, keep_daily, keep_weekly, keep_monthly, keep_yearly, zone)
        catalogue = Catalogue(bucket := store.open(), workspace_folder(bucket, workspace))
        made, done = _pruned(catalogue, policy, mode, store.object_lock_days)
    except ArmillaryError as error:
        return backup_refused("prune", subject, error)
    report_pruned(catalogue.folder, made, done)
    return pruned_ended(made, done)


def _pruned(
    catalogue: Catalogue, policy: Retention, mode: str, lock_days: int | None
) -> tuple[PrunePlan, Pruned | None]:
    if mode != "apply":
        return plan_pruning(catalogue, policy, lock_days), None
    life_seconds = Settings().lease_seconds
    with held(
        open_runs(),
        catalogue.folder,
        "prune",
        owner=f"run {flow_run.id}",
        life_seconds=life_seconds,
        margin_seconds=life_seconds / 4,
    ) as lease:
        made = plan_pruning(catalogue, policy, lock_days)
        return made, apply(made, catalogue.bucket, go_on=lease.check)


@step(name="plan", task_run_name="plan what to remove")
def plan_pruning(catalogue: Catalogue, policy: Retention, lock_days: int | None) -> PrunePlan:
    """Decide for every backup; nothing is changed."""
    return plan(catalogue, policy, datetime.now(UTC), lock_days=lock_days)
