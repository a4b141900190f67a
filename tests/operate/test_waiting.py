"""Ctrl-C while Cadenza refreshes a venue: nothing can stop it there, so the run says it waits."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from armillary import progress
from simulator import Simulator
from tests.venues.conftest import config_of

pytestmark = pytest.mark.flow

SYNC = "/api/v3/market/instrument/sync"
TIMES_PRESSED = 3
SEEN_SECONDS = 0.5


def test_p02_a_cancelled_refresh_says_what_it_waits_for(prefect_server: None) -> None:
    from blocks import CadenzaAccount  # noqa: PLC0415 - after the server's settings
    from flows.sync_venues import sync_venues  # noqa: PLC0415

    heard: list[str] = []
    with Simulator(config_of("BINANCE")) as sim:
        sim.faults = [{"path": SYNC, "action": "delay", "seconds": 2.0}]
        facts = {"email": sim.cadenza.email, "password": sim.cadenza.password}
        account = CadenzaAccount(url=sim.cadenza_url, **facts)

        def interrupt() -> None:
            deadline = time.monotonic() + 60
            while not any(SYNC in entry["path"] for entry in sim.log()):
                if time.monotonic() > deadline:
                    return
                time.sleep(0.02)
            # As a person would: once more where Python dropped it, which it does in a callback.
            for _ in range(TIMES_PRESSED):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(SEEN_SECONDS)
                if any(said.startswith("Cancelled: waiting") for said in heard):
                    return

        at_the_keyboard = threading.Thread(target=interrupt)
        at_the_keyboard.start()
        with (
            progress.listening(lambda said: heard.append(said.step)),
            pytest.raises(KeyboardInterrupt),
        ):
            sync_venues(account, venues=["BINANCE"])
        at_the_keyboard.join()
    assert (
        "Cancelled: waiting for Cadenza, which refreshes BINANCE (30 minutes at most); no other "
        "venue is asked"
    ) in heard
