"""The pings that a service outside listens for; nothing of them may harm a run or be logged."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from armillary.alerts import heartbeat
from armillary.alerts.heartbeat import Beat, address, beat
from armillary.errors import ConfigurationError
from tests.alerts.receiver import Receiver, receiving

SECRET = "3f1c-only-you-know"


@pytest.fixture(scope="module")
def service() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def ping(url: str, what: Beat = "success") -> str:
    return beat(url, what, flow="backup-workspace", deployment="backup nightly")


def test_start_success_and_failure_have_their_addresses(service: Receiver) -> None:
    service.pings.clear()
    url = f"{service.url}/{SECRET}/"
    assert [ping(url, what) for what in ("start", "success", "fail")] == ["", "", ""]
    assert service.pings == [f"/{SECRET}/start", f"/{SECRET}", f"/{SECRET}/fail"]


def test_the_names_of_flow_and_deployment_are_filled_in() -> None:
    url = "https://hc.example/key/{flow}-{deployment}?create=1"
    found = address(url, "fail", flow="backup-workspace", deployment="a/b c")
    assert found == "https://hc.example/key/backup-workspace-a%2Fb%20c/fail?create=1"


@pytest.mark.parametrize("url", ["hc.example/key", "file:///etc/passwd", "https://", "http:///x"])
def test_what_is_no_address_is_told_without_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARMILLARY_HEARTBEAT_URL is no http or https"):
        address(url, "success", flow="f", deployment="d")
    assert ping(url) == "ARMILLARY_HEARTBEAT_URL is no http or https address."


def test_a_refusal_is_told_by_its_status(service: Receiver) -> None:
    service.answers[f"/{SECRET}/gone"] = (404, {})
    assert ping(f"{service.url}/{SECRET}/gone") == "the service answered 404."


def test_a_redirect_is_not_followed(service: Receiver) -> None:
    service.answers[f"/{SECRET}/moved"] = (302, {"Location": f"{service.url}/elsewhere"})
    service.pings.clear()
    assert ping(f"{service.url}/{SECRET}/moved") == "the service answered 302."
    assert service.pings == [f"/{SECRET}/moved"]


def test_nobody_there_is_told_by_the_kind_of_fault() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        found = ping(f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}")
    assert found == "it was not taken (ConnectError)."


def test_silence_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "TIMEOUT_SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found = ping(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}")
    assert found == "it was not taken (ReadTimeout)."


def test_it_goes_through_the_proxy_of_the_environment(
    service: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", service.url)
    service.pings.clear()
    assert ping(f"http://hc.example/{SECRET}") == ""
    assert service.pings == [f"http://hc.example/{SECRET}"]


def test_no_logger_hears_the_address(service: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert ping(f"{service.url}/{SECRET}") == ""
        assert ping(f"http://127.0.0.1:1/{SECRET}") != ""
    assert SECRET not in caplog.text
