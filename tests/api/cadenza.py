"""A Cadenza client for tests: of the simulator, or of scripted answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from pydantic import SecretStr

from armillary.api.cadenza import Cadenza, CadenzaConnection, connect
from armillary.clock import Clock
from simulator import Simulator
from tests.api.clocks import JumpClock

TOKEN = "eyJ." + "c0ffee" * 8 + ".sig"


def account(sim: Simulator, **changed: Any) -> CadenzaConnection:
    """The simulator's first account."""
    facts: dict[str, Any] = {
        "email": sim.cadenza.email,
        "password": SecretStr(sim.cadenza.password),
    } | changed
    return CadenzaConnection(sim.cadenza_url, **facts)


def open_cadenza(sim: Simulator, clock: Clock | None = None, **changed: Any) -> Cadenza:
    """A client that waits in no time."""
    return connect(account(sim, **changed), clock=clock or JumpClock())


def scripted(
    handle: Callable[[httpx.Request], httpx.Response], clock: Clock | None = None
) -> Cadenza:
    """A client of a table of answers, for tests of that table alone."""
    connection = CadenzaConnection("https://cadenza.test", token=SecretStr(TOKEN))
    return connect(connection, clock=clock or JumpClock(), wire=httpx.MockTransport(handle))


def enveloped(
    status: int = 200, errno: int = 0, error: str | None = None, data: Any = None, **more: Any
) -> httpx.Response:
    """An answer in Cadenza's envelope."""
    body = {"success": errno == 0, "errno": errno, "error": error, "data": data} | more
    return httpx.Response(status, json=body)


def body_of(request: httpx.Request) -> Any:
    """What was sent."""
    return json.loads(request.content)
