"""The steps of a restore drill as task runs."""

from __future__ import annotations

from prefect.logging import get_run_logger

from armillary.restore.clearing import Left
from armillary.restore.drill import Drill
from armillary.restore.outcome import RestoreResult
from tasks.boundary import step
from tasks.restore_run import archive_type, compare_type, import_type


@step(name="prepare", task_run_name="look at the scratch workspace, choose a sample")
def prepare_drill(drill: Drill) -> None:
    """Make sure that the workspace is one for drills, and choose what to restore.

    Raises:
        ConfigurationError, PlanRefused: it is not, or holds active rows.
    """
    drill.fence()
    drill.prepare()


def restore_sample(drill: Drill) -> RestoreResult:
    """Restore and compare, type by type, each in a task run of its own."""
    steps = {"compare": compare_type, "import": import_type, "archive": archive_type}
    result = drill.restore(lambda name, kind: steps[name](drill.restoring, kind))
    get_run_logger().info("%d of %d rows came out the same", drill.rows_proven, result.rows)
    return result


@step(name="clear", task_run_name="clear the scratch workspace")
def clear_scratch(drill: Drill, *, broke_off: bool = False) -> Left:
    """Remove what the drill has made."""
    left = drill.clear(broke_off=broke_off)
    told = (left.erased, left.archived, left.active)
    get_run_logger().info("Erased %d, archived %s, left active %s", *told)
    return left
