"""A Prefect server and a worker of their own, to stop runs as a night would stop them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from armillary.runs.lease import LeaseRecord, lease_key, lease_of
from armillary.runs.store import open_store
from armillary.runs.under_way import Note, UnderWay
from simulator import Simulator
from tests.servers import ROOT, Server

POOL = "desk"
WAIT_SECONDS = 150.0
"""For a busy machine: a run of a worker starts two processes, one after the other."""

POLL_SECONDS = 0.5
"""Each look at the server makes a client, which costs more than what it asks for."""

LEASE_SECONDS = 20.0
"""Long enough for a second run to come while a dead one's lasts, on a busy machine."""


class Desk:
    """What an operator has in front of him: the server's API, a worker, and the process table."""

    def __init__(self, server: Server, folder: Path, environment: Mapping[str, str]) -> None:
        self.runs = folder / "runs"
        self._server = server
        self._log = folder / "worker.log"
        self._environment = {
            **server.environment,
            **environment,
            "ARMILLARY_RUNS": str(self.runs),
            "ARMILLARY_LEASE_SECONDS": str(LEASE_SECONDS),
            "ARMILLARY_POLL_SECONDS": "0.1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self._worker: subprocess.Popen[bytes] | None = None
        with self.client() as client:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """The API of this server, and no other test's."""
        with (
            temporary_settings({PREFECT_API_URL: self._server.environment["PREFECT_API_URL"]}),
            get_client(sync_client=True) as client,
        ):
            yield client

    @property
    def worker(self) -> subprocess.Popen[bytes]:
        """The worker, started if there is none."""
        if self._worker is None or self._worker.poll() is not None:
            program = Path(sys.executable).parent / "prefect"
            with self._log.open("ab") as log:
                self._worker = subprocess.Popen(
                    [program, "worker", "start", "--pool", POOL, "--type", "process"],
                    cwd=ROOT,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                )
        return self._worker

    def close(self) -> None:
        """End the worker, and wait for its end."""
        if self._worker is not None:
            if self._worker.poll() is None:
                self._worker.terminate()
            self._worker.wait(60)

    def start(self, flow: Flow[Any, Any], blocks: Mapping[str, Block], **given: Any) -> UUID:
        """Start a run of a deployment whose blocks are references; its id."""
        assert self.worker.poll() is None
        with self.client() as client:
            references = {}
            for parameter, block in blocks.items():
                block.save(parameter, overwrite=True)
                slug = f"{block.get_block_type_slug()}/{parameter}"
                references[parameter] = {"$ref": {"block_document_slug": slug}}
            function = flow.fn
            deployment = client.create_deployment(
                client.create_flow(flow),
                "by-desk",
                work_pool_name=POOL,
                entrypoint=f"{function.__module__}.{function.__name__}",
                parameters=references | given,
                pull_steps=[],
                enforce_parameter_schema=False,
            )
            return client.create_flow_run_from_deployment(deployment).id

    def process_of(self) -> int:
        """The one flow process below the worker."""
        found = Path(f"/proc/{self.worker.pid}/task").glob("*/children")
        children = {int(pid) for page in found for pid in page.read_text().split()}
        [pid] = [
            pid
            for pid in children
            if b"prefect.engine" in Path(f"/proc/{pid}/cmdline").read_bytes() and is_alive(pid)
        ]
        return pid

    def run(self, run_id: UUID) -> FlowRun:
        """As the server knows it."""
        with self.client() as client:
            return client.read_flow_run(run_id)

    def ended(self, run_id: UUID) -> FlowRun:
        """The run, once it has a final state."""
        wait_for(lambda: (state := self.run(run_id).state) is not None and state.is_final())
        return self.run(run_id)

    def said(self, run_id: UUID, words: str) -> bool:
        """Whether the run's log holds these words."""
        with self.client() as client:
            wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
            return any(words in line.message for line in client.read_logs(wanted))

    def cancel(self, run_id: UUID) -> None:
        """As the button of the UI does."""
        with self.client() as client:
            client.set_flow_run_state(run_id, Cancelling())

    def under_way(self, run_id: UUID) -> list[Note]:
        """What the run has noted and not released."""
        return UnderWay(open_store(str(self.runs)), f"run {run_id}").notes()

    def lease(self, sim: Simulator, operation: str) -> LeaseRecord:
        """The lease of an operation in a workspace, as it lies in the run records."""
        key = lease_key(sim.store.id, operation)
        found = lease_of(open_store(str(self.runs)), key, operation)
        assert found is not None
        return found[0]


def wait_for(reached: Callable[[], bool], *, seconds: float = WAIT_SECONDS) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it has not come to that in time.
    """
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(POLL_SECONDS)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
