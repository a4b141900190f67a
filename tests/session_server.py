"""The Prefect server that all tests of a session share, without what none of them asks of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path

import pytest
from prefect.testing import utilities

from tests.servers import MIGRATED

DATABASE = "prefect-test.db"
"""As Prefect names it."""

START_SECONDS = 150

LEANER = {
    # Block types of Prefect's own; ours are registered when they are first saved.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    # Automations, and the pages of events: what is emitted is taken as before, and then forgotten.
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    # States of task runs are written together, once a second, not each by itself.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""Most of the server's work for each task run; who reads them waits: ``tests/task_runs.py``."""


@contextmanager
def session_server(folders: pytest.TempPathFactory) -> Iterator[None]:
    """Prefect's own test harness. Of several workers the first migrates a database for all."""
    home = folders.mktemp("prefect")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in LEANER.items():
                patch.setenv(name, value)
            # The harness has no parameter for the folder of its database.
            patch.setattr(utilities, "mkdtemp", lambda: str(home))
            harness: AbstractContextManager[None] = utilities.prefect_test_harness(START_SECONDS)
            if "PYTEST_XDIST_WORKER" in os.environ:
                migrated = folders.getbasetemp().parent / MIGRATED
                with migrated.with_suffix(".lock").open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    if migrated.exists():
                        shutil.copy(migrated, home / DATABASE)
                    else:
                        stack.enter_context(harness)
                        _copy(home / DATABASE, migrated)
                        harness = nullcontext()
            stack.enter_context(harness)
        yield


def _copy(running: Path, to: Path) -> None:
    """Copy the database of a server at work; it is there at once, and whole."""
    part = to.with_suffix(".part")
    with closing(sqlite3.connect(running)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
    part.rename(to)
