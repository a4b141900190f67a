"""The practice stack: its parts are started, filled, and ended the other way round."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from armillary.alerts.described import FILE as AUTOMATIONS
from armillary.alerts.described import described
from armillary.settings import Settings
from cli.console import say
from cli.demo import FEED, FILES
from cli.demo_backup import fill
from cli.parts import Store, s3_service, simulator
from cli.up_notices import receiver
from cli.up_processes import (
    SETTINGS,
    Process,
    free_port_from,
    prefect_server,
    wait_until_healthy,
    worker,
)

if TYPE_CHECKING:
    from cli.up_runs import Run

DESCRIBED = Path(__file__).resolve().parent.parent / "prefect.yaml"
"""The deployments."""

FIRST, NEXT = (FILES / f"northwind-equities-{day}.csv" for day in ("2026-11-19", "2026-11-20"))
"""The vendor's file that is synced at the start, and that of the day after."""

NEEDED = (DESCRIBED, AUTOMATIONS, FEED, FIRST, NEXT)

SYNC = "sync-instruments/sync-weekdays"
REFRESH = "sync-venues/venues-hourly"
BACKUP = "backup-workspace/backup-nightly"


RUNS = "s3://runs/practice"
"""Where runs leave their records: in a bucket, as several workers and commands share it."""


@dataclass(frozen=True)
class Stack:
    """What runs, and what is in it."""

    ui: str
    """Address of the Prefect UI."""
    settings: Settings
    store: Store
    notices: str
    """Address of the page with the notifications."""
    blocks: Mapping[str, str]
    """Their ids, by what a deployment calls them, as in ``ptolemy-workspace/main``."""
    deployments: Mapping[str, UUID]
    """Their ids by their full names, as in ``sync-instruments/sync-by-hand``."""
    runs: list[Run]
    """What has run already."""
    processes: tuple[Process, ...]

    @property
    def places(self) -> dict[str, dict[str, str]]:
        """Addresses, with accounts and tokens: they open the simulators and nothing else."""
        known, credentials = self.settings, self.store.environment
        return {
            "Prefect UI": {"url": self.ui},
            "Prefect API": {"url": f"{self.ui}/api"},
            "Notifications": {"url": self.notices},
            "Ptolemy": {
                "url": known.ptolemy_url,
                "workspace": known.ptolemy_workspace,
                "token": known.ptolemy_token.get_secret_value(),
            },
            "Ptolemy, for drills": {
                "url": known.ptolemy_url,
                "workspace": known.scratch_workspace,
                "token": known.scratch_token.get_secret_value(),
            },
            "Cadenza": {
                "url": known.cadenza_url,
                "email": known.cadenza_email,
                "password": known.cadenza_password.get_secret_value(),
            },
            "S3": {
                "url": self.store.endpoint_url,
                "bucket": self.store.bucket,
                "key": credentials["AWS_ACCESS_KEY_ID"],
                "secret": credentials["AWS_SECRET_ACCESS_KEY"],
            },
        }

    @property
    def environment(self) -> dict[str, str]:
        """What lets a command in another terminal work with the same stack."""
        return {
            "PREFECT_API_URL": f"{self.ui}/api",
            "ARMILLARY_RUNS": RUNS,
            "ARMILLARY_STORE_ENDPOINT_URL": self.store.endpoint_url,
            "ARMILLARY_STORE_BUCKET": self.store.bucket,
            **self.store.environment,
            "ARMILLARY_PTOLEMY_URL": self.settings.ptolemy_url,
            "ARMILLARY_PTOLEMY_WORKSPACE": self.settings.ptolemy_workspace,
            "ARMILLARY_PTOLEMY_TOKEN": self.settings.ptolemy_token.get_secret_value(),
        }

    def require_alive(self) -> None:
        """Make sure that nothing has ended by itself.

        Raises:
            ArmillaryError: something has; its last words are told.
        """
        for process in self.processes:
            process.require_alive()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ui": self.ui,
            "places": self.places,
            "environment": self.environment,
            "blocks": list(self.blocks),
            "deployments": {name: str(found) for name, found in self.deployments.items()},
            "runs": [run.as_dict() for run in self.runs],
        }


@contextmanager
def practice_stack(port: int) -> Iterator[Stack]:
    """Start everything; however the block is left, everything is ended.

    Must be entered before anything imports Prefect: it reads its settings when imported.

    Args:
        port: of the Prefect UI; the next free one if it is taken.

    Raises:
        ArmillaryError: a part did not start, or a first run did not go as it has to.
    """
    _forget_accounts()
    _end_by_any_signal()
    with (
        tempfile.TemporaryDirectory(prefix="armillary-up-", ignore_cleanup_errors=True) as folder,
        ExitStack() as parts,
    ):
        try:
            yield _started(Path(folder), port, parts)
        finally:
            _end_in_peace()


def _started(folder: Path, port: int, parts: ExitStack) -> Stack:
    os.environ.update(SETTINGS)
    port = free_port_from(port)
    ui = f"http://127.0.0.1:{port}"
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    os.environ["PREFECT_API_URL"] = f"{ui}/api"
    # It takes longest: everything else gets ready beside it.
    server = parts.enter_context(prefect_server(folder, port))
    settings = parts.enter_context(simulator(runs=str(folder)))
    store = parts.enter_context(s3_service())
    os.environ.update(store.environment)
    for bucket in (store.bucket, RUNS.split("/")[2]):
        store.client.create_bucket(Bucket=bucket)
    os.environ["ARMILLARY_RUNS"] = RUNS
    os.environ["ARMILLARY_STORE_ENDPOINT_URL"] = store.endpoint_url
    notices = parts.enter_context(receiver())

    from cli import automations, up_blocks, up_runs  # noqa: PLC0415 - Prefect reads its settings

    say("The simulators and S3 are up; waiting for the Prefect server.")
    wait_until_healthy(server, port)
    say(f"The Prefect server is up: {ui}. Starting a worker, saving blocks, deploying all flows.")
    up_runs.make_work_pool()
    processes = (server, parts.enter_context(worker(folder)))
    up_blocks.register_blocks()
    blocks = up_blocks.save_blocks(settings, store, FEED, FIRST, notices)
    automations.ensure(described())
    deployments = up_runs.deploy_all(DESCRIBED, folder, blocks)
    stack = Stack(ui, settings, store, notices, blocks, deployments, [], processes)

    say("A sync and a refresh of all venues are running, then a backup.")
    _run(stack, SYNC, REFRESH)
    fill(f"{settings.ptolemy_url.removesuffix('/v1')}/_simulator", FIRST)
    _run(stack, BACKUP)
    up_blocks.deliver(FEED, NEXT)
    return stack


def _run(stack: Stack, *names: str) -> None:
    """Run deployments at once, and wait for all of them."""
    from cli import up_runs  # noqa: PLC0415 - Prefect reads its settings when it is imported

    begun = [(name, up_runs.start(stack.deployments[name])) for name in names]
    for name, run_id in begun:
        stack.runs.append(up_runs.ended(name, run_id, stack.require_alive))
        say(f"{name}: {stack.runs[-1].state}.")


def _forget_accounts() -> None:
    """Nothing of the person's own services takes part in a practice."""
    for name in list(os.environ):
        if name.startswith(("ARMILLARY_", "AWS_", "PREFECT_")):
            del os.environ[name]


def _end_by_any_signal() -> None:
    """A closed terminal and a supervisor end the stack as Ctrl-C does.

    A command that a shell starts in the background ignores Ctrl-C otherwise.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _end_in_peace() -> None:
    """An impatient second Ctrl-C would leave processes behind; their ends have limits anyway."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    say("Ending everything that was started (a few seconds).")
