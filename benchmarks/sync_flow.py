"""Running the real flow ``sync-instruments``, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.children import in_child
from benchmarks.records import feed_of
from benchmarks.servers import Workspace

MAX_IN_FLIGHT = 16


def run_sync(workspace: Workspace, feed: Path, *, by_jobs: bool = False) -> dict[str, Any]:
    """Apply a feed; returns the result as ``armillary sync --json`` prints it.

    Args:
        workspace: to sync into.
        feed: the file.
        by_jobs: whether export and import jobs may stand for single requests.
    """
    result: dict[str, Any] = in_child(
        sync_in_this_process,
        url=workspace.api,
        token=workspace.token,
        feed=str(feed),
        by_jobs=by_jobs,
    )
    return result


def sync_in_this_process(url: str, token: str, feed: str, by_jobs: bool) -> dict[str, Any]:
    """The same, in this process; the environment must name a Prefect server before."""
    from pydantic import SecretStr  # noqa: PLC0415 - Prefect reads its settings when imported

    from armillary.sync.outcome import SyncFailed, SyncResult  # noqa: PLC0415
    from blocks import FileFeed, PtolemyWorkspace  # noqa: PLC0415
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    state = sync_instruments(
        PtolemyWorkspace(
            url=url, workspace="demo", token=SecretStr(token), max_in_flight=MAX_IN_FLIGHT
        ),
        FileFeed(**dict(feed_of(Path(feed), by_jobs=by_jobs))),
        "apply",
        return_state=True,
    )
    result: object = state.result(raise_on_failure=False)
    if isinstance(result, SyncFailed):
        result = result.result
    if not isinstance(result, SyncResult):
        raise RuntimeError(f"{state.name}: {state.message}")
    return result.as_dict()
