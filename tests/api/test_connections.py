"""One client for all of a run, and settings that cannot work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from armillary.api import Connection, Ptolemy, shared
from armillary.errors import ConfigurationError
from tests.api.clocks import JumpClock
from tests.api.wire import WireServer, json

URL = "http://127.0.0.1:9/v1"


def connection(workspace: str = "acme", token: str = "ptk_live_1", **limits: Any) -> Connection:
    return Connection(limits.pop("url", URL), workspace, SecretStr(token), **limits)


def test_everybody_inside_gets_the_same_client() -> None:
    with shared(connection()) as outer:
        with shared(connection(max_in_flight=3)) as inner:
            assert inner is outer
        with shared(connection(workspace="scratch")) as elsewhere:
            assert elsewhere is not outer
        with shared(connection(token="ptk_live_2")) as other:
            assert other is not outer
    with shared(connection()) as later:
        assert later is not outer


def test_the_last_one_out_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Ptolemy] = []

    def close(client: Ptolemy) -> None:
        closed.append(client)

    monkeypatch.setattr(Ptolemy, "close", close)
    with shared(connection()) as outer:
        with pytest.raises(ValueError, match="oops"), shared(connection()):
            raise ValueError("oops")
        assert closed == []
    assert closed == [outer]


def test_threads_share_pool_count_and_turns() -> None:
    with WireServer([json({"id": "1"})]) as server:
        where = connection(url=server.url, max_in_flight=5)
        with shared(where, clock=JumpClock()) as ptolemy:

            def work(number: int) -> None:
                with shared(where) as mine:
                    assert mine is ptolemy
                    mine.instruments.get(f"i{number}")

            with ThreadPoolExecutor(20) as workers:
                list(workers.map(work, range(100)))
            assert ptolemy.meter.used == 100
        assert server.connections <= 5


def test_a_workspace_survives_its_address() -> None:
    assert connection("a/b c", url=" https://h.test/v1/ ").base_url == (
        "https://h.test/v1/workspaces/a%2Fb%20c"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"workspace": ""},
        {"workspace": ".."},
        {"max_in_flight": 0},
        {"attempts": 0},
        {"requests_per_second": 0.0},
        {"connect_timeout_seconds": 0},
        {"read_timeout_seconds": -1},
        {"total_timeout_seconds": 0},
        {"upload_timeout_seconds": 0},
    ],
)
def test_a_setting_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        connection(**wrong)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with WireServer([json({"id": "1"})]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with shared(connection(url="http://ptolemy.test/v1"), clock=JumpClock()) as ptolemy:
            ptolemy.instruments.get("bhp.ax")
        assert proxy.received[0].target == (
            "http://ptolemy.test/v1/workspaces/acme/instruments/bhp.ax"
        )


def test_a_proxy_is_not_used_for_the_machine_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with (
        WireServer([json({"id": "1"})]) as server,
        shared(connection(url=server.url), clock=JumpClock()) as ptolemy,
    ):
        assert ptolemy.instruments.get("bhp.ax") == {"id": "1"}


def test_a_proxy_of_a_kind_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with (
        pytest.raises(ConfigurationError, match="proxy of kind 'socks5'"),
        shared(connection(url="https://ptolemy.test/v1")),
    ):
        pass
