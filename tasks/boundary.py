"""What all tasks have in common.

A task here is a retry boundary and a name in the UI, nothing more: it is never cached and its
result is never stored.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture

from armillary.errors import ArmillaryError, TransientError

WAIT_STEP_SECONDS = 0.2

P = ParamSpec("P")
R = TypeVar("R")


def step(**options: Any) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a function. ``options`` are those of Prefect's ``task``."""
    as_task: Callable[[Callable[P, R]], Task[P, R]] = task(
        cache_policy=NO_CACHE, persist_result=False, **options
    )
    return as_task


def finish(futures: Sequence[PrefectFuture[Any]]) -> None:
    """Wait in short steps, so that Ctrl-C is noticed whichever thread the signal reached."""
    finished = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: finished.release())
    for _ in futures:
        while not finished.acquire(timeout=WAIT_STEP_SECONDS):
            pass


def may_pass(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed attempt is worth another: only for faults that may pass by themselves."""
    del task, task_run
    return isinstance(state.result(raise_on_failure=False), TransientError)


class _OneSentence(logging.Filter):
    """Our errors say what happened and what to do; a traceback below them only hides it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], ArmillaryError):
            record.exc_info = None
        return True


logging.getLogger("prefect.task_runs").addFilter(_OneSentence())
