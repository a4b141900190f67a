from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from simulator import Config, Simulator
from tests.simulator.desk import EMAIL, PASSWORD, Desk

Start = Callable[..., Simulator]
Connect = Callable[..., httpx.Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts simulators with configuration keys; all stop with the test."""
    with ExitStack() as stack:

        def begin(config: Config | None = None, **keys: Any) -> Simulator:
            return stack.enter_context(Simulator(config or Config(**keys)))

        yield begin


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Clients bound to a workspace with the token of a role."""
    with ExitStack() as stack:

        def bind(
            sim: Simulator, role: Any = "member", workspace: str | None = None
        ) -> httpx.Client:
            base = sim.url_of(workspace) if workspace else sim.workspace_url
            headers = {"Authorization": f"Bearer {sim.token_for(role, workspace)}"}
            client = httpx.Client(base_url=base, headers=headers, timeout=5, verify=False)
            return stack.enter_context(client)

        yield bind


@pytest.fixture
def sim(start: Start) -> Simulator:
    return start()


@pytest.fixture
def client(sim: Simulator, connect: Connect) -> httpx.Client:
    return connect(sim)


@pytest.fixture
def bhp() -> dict[str, Any]:
    """A create body that is right."""
    return {
        "name": "BHP Group",
        "identifier": "bhp.xasx",
        "type_id": "equity",
        "field_values": {"isin": "AU000000BHP4", "currency": "AUD", "lot_size": "1.10"},
    }


@pytest.fixture
def shares() -> Callable[[int], list[dict[str, Any]]]:
    """Create bodies ``s0``, ``s1``, ...; every third is archived."""

    def make(count: int) -> list[dict[str, Any]]:
        return [
            {
                "name": f"Share {number}",
                "identifier": f"s{number}",
                "type_id": "equity",
                "field_values": {
                    "lot_size": str(number),
                    "currency": "AUD" if number % 2 else "NZD",
                },
                "archived": number % 3 == 2,
            }
            for number in range(count)
        ]

    return make


@pytest.fixture
def desk(start: Start) -> Iterator[Callable[..., Desk]]:
    """Opens a Cadenza with some switches changed, signed in: ``desk(order="shuffled")``."""
    with ExitStack() as stack:

        def begin(role: str = "trader", **switches: Any) -> Desk:
            account = {"email": EMAIL, "password": PASSWORD, "role": role}
            sim = start(cadenza={"accounts": [account], **switches})
            return stack.enter_context(Desk(sim))

        yield begin
