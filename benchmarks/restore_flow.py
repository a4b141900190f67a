"""Running the real flow of a restore in a process of its own."""

from __future__ import annotations

import time
from typing import Any, Literal

from benchmarks.backup_flow import open_store
from benchmarks.children import in_child
from benchmarks.memory import Memory

TIMEOUT_SECONDS = 4 * 3600

Mode = Literal["plan", "apply"]


def run_restore(url: str, token: str, s3: str) -> dict[str, Any]:
    """Restore the newest backup into the empty workspace ``demo``: result, seconds, and memory."""
    return _run(url, token, s3, "apply")


def run_comparison(url: str, token: str, s3: str) -> dict[str, Any]:
    """Compare the newest backup with the workspace, row by row: what a restore would do now."""
    return _run(url, token, s3, "plan")


def _run(url: str, token: str, s3: str, mode: Mode) -> dict[str, Any]:
    found: dict[str, Any] = in_child(
        restore_in_this_process, TIMEOUT_SECONDS, url=url, token=token, s3=s3, mode=mode
    )
    return found


def restore_in_this_process(url: str, token: str, s3: str, mode: Mode) -> dict[str, Any]:
    """The same, in this process; the environment must name a Prefect server before."""
    from pydantic import SecretStr  # noqa: PLC0415 - Prefect reads its settings when imported

    from armillary.restore.outcome import RestoreFailed, RestoreResult  # noqa: PLC0415
    from blocks import PtolemyWorkspace  # noqa: PLC0415
    from flows.restore_workspace import restore_workspace  # noqa: PLC0415

    store = open_store(s3)
    target = PtolemyWorkspace(url=url, workspace="demo", token=SecretStr(token))
    # To compare, the workspace is no longer empty: rows that differ would be updated.
    on_existing: Literal["update"] | None = "update" if mode == "plan" else None
    memory, start = Memory(), time.perf_counter()
    state = restore_workspace(
        store, target, into="demo", mode=mode, on_existing=on_existing, return_state=True
    )
    result: object = state.result(raise_on_failure=False)
    seconds, peak_mb = time.perf_counter() - start, memory.peak_mb
    if isinstance(result, RestoreFailed):
        result = result.result
    if not isinstance(result, RestoreResult):
        raise RuntimeError(f"{state.name}: {state.message}")
    return {
        "result": result.as_dict(),
        "seconds": seconds,
        "start_mb": memory.start_mb,
        "peak_mb": peak_mb,
    }
