"""Which Prefect server the command works with."""

from __future__ import annotations

import pytest

from armillary.errors import ConfigurationError
from cli.prefect_server import free_port, prefect_api
from simulator import Simulator


def test_a_server_that_does_not_answer_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("PREFECT_API_URL", f"http://somebody:s3cret@{address}/api")
    with pytest.raises(ConfigurationError) as caught, prefect_api(verbose=True):
        pass
    told = str(caught.value)
    assert f"The Prefect server at {address} does not answer (ConnectError)." in told
    assert "Nothing was done." in told
    assert "s3cret" not in told


def test_any_answer_will_do(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect Cloud answers 401 or 404 without a key."""
    monkeypatch.setenv("PREFECT_API_URL", f"{sim.url}/api")
    entered = False
    with prefect_api(verbose=True):
        entered = True
    assert entered
