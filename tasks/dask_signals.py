"""What worker processes of a run's own Dask cluster do when the run is told to end.

They stand in its process group, so that Ctrl-C in a terminal, and a worker of Prefect that cancels
a run, signal them as well. One that died of it would leave a write without an answer, and its
nanny would start another for a batch that is to stop anyway. The run alone decides: it asks its
batches to stop, waits for them, and closes the cluster. If the run is killed, Dask ends them.
"""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Dask's hook: called in the main thread of each worker process, before it has work.

    Args:
        worker: Dask's own.
    """
    del worker
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)
