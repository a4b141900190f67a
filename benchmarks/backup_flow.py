"""Running the real flows of backup and verification, each in a process of its own."""

from __future__ import annotations

import os
import time
from typing import Any

import boto3

from benchmarks.children import in_child
from benchmarks.memory import Memory

BUCKET = "backups"
TOLD_SECONDS = 60


def run_backup(url: str, token: str, s3: str, compression: str) -> dict[str, Any]:
    """Back the workspace ``demo`` up: result, seconds of each task, and memory."""
    found: dict[str, Any] = in_child(
        back_up_in_this_process, url=url, token=token, s3=s3, compression=compression
    )
    return found


def run_verification(s3: str) -> dict[str, Any]:
    """Read the backup back to its last byte: result, seconds, and memory."""
    found: dict[str, Any] = in_child(verify_in_this_process, s3=s3)
    return found


def back_up_in_this_process(url: str, token: str, s3: str, compression: str) -> dict[str, Any]:
    """The same, in this process; the environment must name a Prefect server before."""
    from pydantic import SecretStr  # noqa: PLC0415 - Prefect reads its settings when imported

    from armillary.backup.outcome import BackupFailed, BackupResult  # noqa: PLC0415
    from blocks import PtolemyWorkspace  # noqa: PLC0415
    from flows.backup_workspace import backup_workspace  # noqa: PLC0415

    store = open_store(s3)
    boto3.client("s3", endpoint_url=s3).create_bucket(Bucket=BUCKET)
    workspace = PtolemyWorkspace(url=url, workspace="demo", token=SecretStr(token))
    memory = Memory()
    state = backup_workspace(workspace, store, compression=compression, return_state=True)
    result: object = state.result(raise_on_failure=False)
    peak_mb = memory.peak_mb
    if isinstance(result, BackupFailed):
        result = result.result
    if not isinstance(result, BackupResult):
        raise RuntimeError(f"{state.name}: {state.message}")
    return {
        "result": result.as_dict(),
        "tasks": _task_seconds(state),
        "start_mb": memory.start_mb,
        "peak_mb": peak_mb,
    }


def _task_seconds(state: Any) -> dict[str, float]:
    """By name of the task run, once the server knows that all of them have ended."""
    from prefect import get_client  # noqa: PLC0415 - as above
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId  # noqa: PLC0415

    mine = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    until = time.monotonic() + TOLD_SECONDS
    with get_client(sync_client=True) as client:
        while True:
            runs = client.read_task_runs(flow_run_filter=mine)
            if all(run.end_time for run in runs) or time.monotonic() > until:
                return {run.name: run.total_run_time.total_seconds() for run in runs}
            time.sleep(0.5)


def verify_in_this_process(s3: str) -> dict[str, Any]:
    """The same, in this process."""
    from armillary.backup.verified import VerificationFailed, Verified  # noqa: PLC0415 - as above
    from flows.verify_backup import verify_backup  # noqa: PLC0415

    store = open_store(s3)
    memory, start = Memory(), time.perf_counter()
    state = verify_backup(store, depth="content", return_state=True)
    result: object = state.result(raise_on_failure=False)
    seconds = time.perf_counter() - start
    if isinstance(result, VerificationFailed):
        result = result.result
    if not isinstance(result, Verified):
        raise RuntimeError(f"{state.name}: {state.message}")
    return {
        "result": result.as_dict(),
        "seconds": seconds,
        "start_mb": memory.start_mb,
        "peak_mb": memory.peak_mb,
    }


def open_store(s3: str) -> Any:
    """The block; and made-up credentials in this process's environment."""
    from blocks import BackupStore  # noqa: PLC0415 - as above

    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "made-up"
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    return BackupStore(bucket=BUCKET, endpoint_url=s3)
