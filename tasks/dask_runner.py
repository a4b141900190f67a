"""Where work runs when one process is not enough: a Dask cluster.

``ARMILLARY_TASK_RUNNER`` names it: ``dask`` starts processes on this machine for the time of the
work; an address is a scheduler that somebody else keeps. Nothing was begun when one is refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from armillary.errors import ConfigurationError
from tasks import dask_signals
from tasks.dask_certificates import refuse_strangers, refuse_without_certificates

if TYPE_CHECKING:
    from prefect_dask.task_runners import DaskTaskRunner

THREADS = "threads"
LOCAL = "dask"
MOST_PROCESSES = 4
CONNECT_SECONDS = 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@contextmanager
def dask_runner(
    chosen: str, threads: int, *, undone: str = "Nothing was written."
) -> Iterator[DaskTaskRunner]:
    """Prefect's runner over a Dask cluster that is known to be able to do the work.

    Args:
        chosen: ``dask``, or the address of a scheduler.
        threads: batches, or files, that may be under way at once.
        undone: what a refusal says of the work.

    Raises:
        ConfigurationError: the extra is not installed; the address cannot be used; nobody answers
            there; or its workers have not this version of Armillary.
    """
    _refuse_open_networks(chosen, undone)
    refuse_without_certificates(chosen, undone)
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 - an extra, and seconds to import
    except ImportError as error:
        raise ConfigurationError(
            f"ARMILLARY_TASK_RUNNER is {chosen}, and Dask is not installed here. " + undone,
            next_step="Install the extra (pip install 'armillary[dask]'), or leave the variable "
            "out: then threads of this process do the work.",
        ) from error
    client = {"timeout": CONNECT_SECONDS}
    if chosen == LOCAL:
        runner = DaskTaskRunner(cluster_kwargs=_own_cluster(threads), client_kwargs=client)
    else:
        runner = DaskTaskRunner(address=chosen, client_kwargs=client)
    with _entered(runner, chosen, undone):
        _refuse_other_versions(runner.client, chosen, undone)
        yield runner


def _own_cluster(threads: int) -> dict[str, Any]:
    """Of this machine, for the time of the work."""
    processes = min(MOST_PROCESSES, os.cpu_count() or 1)
    return {
        "n_workers": processes,
        "threads_per_worker": math.ceil(threads / processes),
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",  # None is port 8787, which a second run finds taken
        "preload": dask_signals.__name__,
    }


@contextmanager
def _entered(runner: DaskTaskRunner, chosen: str, undone: str) -> Iterator[None]:
    stack = ExitStack()
    try:
        stack.enter_context(cast("AbstractContextManager[object]", runner))
        _ = runner.client
    except (OSError, ValueError, RuntimeError) as error:
        stack.close()
        refuse_strangers(chosen, error, undone)
        raise ConfigurationError(
            f"The Dask scheduler of ARMILLARY_TASK_RUNNER ({chosen}) does not answer: "
            f"{type(error).__name__}. {undone}",
            next_step="Start it (dask scheduler, dask worker), correct the address, or leave the "
            "variable out: then threads of this process do the work.",
        ) from error
    with stack:
        yield


def shared_event(name: str, client: object = None) -> Any:
    """A flag that every process of a cluster sees, kept by its scheduler.

    Args:
        name: of the flag.
        client: of the cluster; a worker knows its own.
    """
    import distributed  # noqa: PLC0415 - an extra

    make: Any = distributed.Event
    return make(name, client=client)


def _refuse_open_networks(chosen: str, undone: str) -> None:
    """What travels to a worker are tokens, and what it is told it runs: TLS is never off."""
    address = urlsplit(chosen)
    if chosen == LOCAL or address.scheme == "tls" or address.hostname in _LOOPBACK:
        return
    raise ConfigurationError(
        f"ARMILLARY_TASK_RUNNER is {chosen}: between machines, tokens would travel in clear to a "
        f"scheduler that anybody on the network could use. {undone}",
        next_step="Give scheduler and workers certificates (Dask's distributed.comm.tls), and an "
        "address that begins with tls://.",
    )


def _refuse_other_versions(client: Any, chosen: str, undone: str) -> None:
    """Batches sent to nobody would wait for ever, and other code would make other calls."""
    try:
        found: dict[str, str] = client.run(_own_version, on_error="return")
    except Exception as error:
        raise ConfigurationError(
            f"The workers of the Dask scheduler {chosen} cannot be asked: {type(error).__name__}. "
            + undone,
            next_step="Look at the scheduler's own log.",
        ) from error
    if not found:
        raise ConfigurationError(
            f"The Dask scheduler {chosen} has no workers. {undone}",
            next_step="Start some (dask worker), or leave ARMILLARY_TASK_RUNNER out.",
        )
    own = _own_version()
    others = sorted({str(each) for each in found.values() if each != own})
    if others:
        raise ConfigurationError(
            f"{len([each for each in found.values() if each != own])} of {len(found)} workers of "
            f"the Dask scheduler {chosen} have not Armillary {own}, as this run has: "
            f"{'; '.join(others)}. {undone}",
            next_step="Bring all machines to one version, and restart the workers.",
        )


def _own_version() -> str:
    return version("armillary")
