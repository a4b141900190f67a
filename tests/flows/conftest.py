"""Running the flow itself, against a temporary Prefect server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from armillary.feeds.definition import FeedDefinition
from simulator import Simulator

RunSync = Callable[..., Any]
RunRevert = Callable[..., Any]


@pytest.fixture
def run_sync(prefect_server: None) -> RunSync:
    """``run_sync(sim, definition, mode, only)`` returns the final state of a flow run."""
    from blocks import FileFeed, PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.sync_instruments import sync_instruments  # noqa: PLC0415

    def run(
        sim: Simulator,
        definition: FeedDefinition,
        mode: str = "apply",
        only: list[str] | None = None,
        approve: str | None = None,
        **changed: Any,
    ) -> Any:
        facts = {"url": f"{sim.url}/v1", "workspace": "demo", "token": sim.token} | changed
        feed = FileFeed(**dict(definition))
        block = PtolemyWorkspace(**facts)
        return sync_instruments(block, feed, mode, only, approve, return_state=True)

    return run


@pytest.fixture
def run_revert(prefect_server: None) -> RunRevert:
    """``run_revert(sim, run_id, mode, approve)`` returns the final state of a flow run."""
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings
    from flows.revert_run import revert_run  # noqa: PLC0415

    def run(sim: Simulator, run_id: str, mode: str = "apply", approve: str | None = None) -> Any:
        block = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
        return revert_run(block, run_id, mode, approve, return_state=True)

    return run


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A client of a real scheduler, with one worker of this very process."""
    from distributed import Client  # noqa: PLC0415 - seconds, for this module alone

    make: Any = Client
    with make(
        processes=False, n_workers=1, threads_per_worker=4, dashboard_address="127.0.0.1:0"
    ) as client:
        yield client
