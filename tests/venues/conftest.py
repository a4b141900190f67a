"""Running the refresh of venues against the simulator's Cadenza."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from armillary.venues.patience import Patience
from simulator import Config, Simulator

RunVenues = Callable[..., Any]

IMPATIENT = Patience(
    first_busy_wait_seconds=0.01, first_wait_seconds=0.01, unknown_wait_seconds=0.01
)


def config_of(*names: str, **switches: Any) -> Config:
    """Venues of these names, all ONLINE, each with two instruments."""
    rows = [{"symbol": "BTC/USDT"}, {"symbol": "ETH/USDT"}]
    venues = [{"name": name, "instruments": rows} for name in names]
    return Config.preset("reference", cadenza={"venues": venues, **switches})


@pytest.fixture
def run_venues(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> RunVenues:
    """``run_venues(sim, venues, symbols)`` returns the final state of a flow run."""
    from blocks import CadenzaAccount  # noqa: PLC0415 - after the server's settings
    from flows.sync_venues import sync_venues  # noqa: PLC0415
    from tasks import venues as tasks_of_venues  # noqa: PLC0415

    monkeypatch.setattr(tasks_of_venues, "PATIENCE", IMPATIENT)

    def run(
        sim: Simulator,
        venues: list[str] | None = None,
        symbols: list[str] | None = None,
        **changed: Any,
    ) -> Any:
        facts = {"email": sim.cadenza.email, "password": sim.cadenza.password} | changed
        account = CadenzaAccount(url=sim.cadenza_url, **facts)
        return sync_venues(account, venues, symbols, return_state=True)

    return run
