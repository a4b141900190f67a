"""The deployments of the practice stack, and runs of them by its worker."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.workers.process import ProcessWorker

from armillary.errors import ArmillaryError
from armillary.readiness.deployments import blocks_in
from cli.up_processes import WORK_POOL

RUN_SECONDS = 300
POLL_SECONDS = 0.5

_LAST_WORDS = 1500


@dataclass(frozen=True)
class Run:
    """A run of a deployment that has ended well."""

    deployment: str
    run_id: UUID
    name: str
    state: str

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return {
            "deployment": self.deployment,
            "run_id": str(self.run_id),
            "name": self.name,
            "state": self.state,
        }


def make_work_pool() -> None:
    """The pool that every deployment names; its worker runs flows as processes."""
    pool = WorkPoolCreate(
        name=WORK_POOL,
        type="process",
        description="Where all deployments of the practice stack run: processes of this machine.",
        base_job_template=ProcessWorker.get_default_base_job_template(),
    )
    with get_client(sync_client=True) as client:
        client.create_work_pool(pool)


def deploy_all(described: Path, folder: Path, blocks: Mapping[str, str]) -> dict[str, UUID]:
    """Deploy everything that prefect.yaml describes, with its schedules paused.

    Args:
        described: prefect.yaml, at the root of the clone.
        folder: for the copy whose schedules are paused from the first moment.
        blocks: their ids, by what the deployments call them.

    Returns:
        The ids of the deployments by their full names, as in ``sync-instruments/sync-by-hand``.

    Raises:
        ArmillaryError: they could not be deployed.
    """
    paused = folder / "prefect.yaml"
    content = _paused(described)
    paused.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    command = ["--no-prompt", "deploy", "--all", "--prefect-file", str(paused)]
    told = subprocess.run(  # noqa: S603 - our own interpreter, no shell
        [sys.executable, "-m", "prefect", *command],
        cwd=described.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode != 0:
        raise ArmillaryError(
            "The deployments of prefect.yaml could not be made.",
            next_step=f"Prefect said:\n{(told.stdout + told.stderr)[-_LAST_WORDS:]}",
        )
    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        deployments = client.read_deployments()
        for deployment in deployments:
            # Not before: "prefect deploy" copies a block that is named by its id, with its secrets.
            update = DeploymentUpdate(parameters=_by_id(deployment.parameters, blocks))
            client.update_deployment(deployment.id, update)
        return {
            f"{flows[deployment.flow_id]}/{deployment.name}": deployment.id
            for deployment in deployments
        }


def _paused(described: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(described.read_text(encoding="utf-8"))
    for deployment in content["deployments"]:
        for schedule in deployment["schedules"]:
            schedule["active"] = False
    return content


def _by_id(parameters: Mapping[str, Any], blocks: Mapping[str, str]) -> dict[str, Any]:
    """Blocks by their ids: the run form shows which one an id means, and of a slug none."""
    named = blocks_in(parameters)
    references = {
        parameter: {"$ref": {"block_document_id": blocks[block]}}
        for parameter, block in named.items()
    }
    return {**parameters, **references}


def start(deployment_id: UUID) -> UUID:
    """Ask for a run with the deployment's own parameters; the worker takes it.

    Returns:
        The id of the flow run.
    """
    with get_client(sync_client=True) as client:
        return client.create_flow_run_from_deployment(deployment_id).id


def ended(deployment: str, run_id: UUID, require_alive: Callable[[], None]) -> Run:
    """Wait for the end of a run.

    Args:
        deployment: its full name.
        run_id: of the flow run.
        require_alive: raises if the server or the worker is gone.

    Raises:
        ArmillaryError: it did not end as Completed, or not in time.
    """
    deadline = time.monotonic() + RUN_SECONDS
    with get_client(sync_client=True) as client:
        while True:
            found = client.read_flow_run(run_id)
            state = found.state
            if state is not None and state.is_final():
                break
            require_alive()
            if time.monotonic() > deadline:
                raise ArmillaryError(
                    f"The run of {deployment} has not ended after {RUN_SECONDS} seconds.",
                    next_step="The machine may be very busy: try again.",
                )
            time.sleep(POLL_SECONDS)
    if state.name != "Completed":
        raise ArmillaryError(
            f"The run of {deployment} ended as {state.name} on a stack where it has to end as "
            f"Completed. It said: {state.message or 'nothing'}",
            next_step="This is a fault of the stack and no mistake of yours: please report it.",
        )
    return Run(deployment, run_id, found.name, state.name)
