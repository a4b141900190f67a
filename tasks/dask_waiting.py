"""Waiting for what other processes do: in short steps, and not for workers that are all gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tasks.boundary import WAIT_STEP_SECONDS

NO_WORKERS_SECONDS = 60.0
"""Without a single worker for so long, nobody waits any more."""

LOOK_AT_WORKERS_SECONDS = 10.0


def wait_for(
    client: Any, futures: Sequence[Any], each_step: Callable[[], None] = lambda: None
) -> bool:
    """Wait until all have ended, or until there are no workers any more.

    Args:
        client: of the Dask scheduler.
        futures: Prefect's or Dask's own.
        each_step: called while waiting, so that Ctrl-C is noticed and progress can be told; what
            it raises ends the waiting.

    Returns:
        Whether all have ended.
    """
    finished = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: finished.release())
    looked = seen_at = time.monotonic()
    for _ in futures:
        while not finished.acquire(timeout=WAIT_STEP_SECONDS):
            each_step()
            now = time.monotonic()
            if now - looked >= LOOK_AT_WORKERS_SECONDS:
                looked = now
                seen_at = now if has_workers(client) else seen_at
            if now - seen_at >= NO_WORKERS_SECONDS:
                return False
        each_step()
    return True


def has_workers(client: Any) -> bool:
    """Whether the scheduler has any; one that cannot be asked has none for us."""
    try:
        return bool(client.scheduler_info(n_workers=1)["workers"])
    except Exception:  # noqa: BLE001 - as above
        return False
