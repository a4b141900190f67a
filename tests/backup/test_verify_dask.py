"""A backup verified by two processes of a Dask cluster, one of which is killed meanwhile."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import Any

import pytest

from armillary.backup.place import BucketPlace
from tasks import dask_readers
from tests.backup.made import Shelf
from tests.backup.test_readers import harmed
from tests.backup.test_verify_flow import RunVerify, finding, run_verify
from tests.flows.test_dask import two_processes
from tests.runs.s3 import Asked, Fault, LoopbackS3

__all__ = ["run_verify"]

pytestmark = [pytest.mark.flow, pytest.mark.long, pytest.mark.timeout(600)]


@dataclass
class Killing(Fault):
    """Kills processes when a file is asked for; the request itself is answered."""

    pids: list[int] = field(default_factory=list)

    def strikes(self, asked: Asked) -> bool:
        if super().strikes(asked):
            for pid in self.pids:
                os.kill(pid, signal.SIGKILL)
        return False


def test_a_killed_worker_changes_nothing_of_what_is_found(
    run_verify: RunVerify,
    shelf: Shelf,
    place: BucketPlace,
    s3_server: LoopbackS3,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from distributed import Client  # noqa: PLC0415 - seconds, for this module alone

    connect: Any = Client
    harmed(shelf)
    threads = finding(run_verify(backup="2026-11-20T02-00-00Z"))
    assert (threads.files_read, len(threads.problems)) == (6, 4)
    monkeypatch.setattr(dask_readers, "LARGE_BYTES", 1)
    with two_processes() as address, connect(address, set_as_default=False) as client:
        monkeypatch.setenv("ARMILLARY_TASK_RUNNER", address)
        assert finding(run_verify(backup="2026-11-20T02-00-00Z")) == threads
        before = set(client.run(os.getpid).values())
        killing = Killing("GET", "instruments.json", pids=sorted(before)[:1])
        s3_server.faults = [killing]
        assert finding(run_verify(backup="2026-11-20T02-00-00Z")) == threads
        assert killing.times == 0
        assert set(client.run(os.getpid).values()) != before
