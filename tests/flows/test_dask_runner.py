"""What is said of a task runner that cannot be used, before anything is written."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from armillary.api.meter import Meter
from armillary.errors import ConfigurationError
from armillary.settings import Settings
from cli.prefect_server import free_port
from tasks import dask_runner as under_test
from tasks.call_count import CallCount
from tasks.dask_runner import dask_runner

UNDONE = "Nothing was written."


def refusal(chosen: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised, dask_runner(chosen, 4):
        pass
    return raised.value


def test_an_open_network_is_refused() -> None:
    error = refusal("tcp://10.1.2.3:8786")
    assert error.message == (
        "ARMILLARY_TASK_RUNNER is tcp://10.1.2.3:8786: between machines, tokens would travel in "
        "clear to a scheduler that anybody on the network could use. Nothing was written."
    )
    assert "an address that begins with tls://" in error.advice


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "CONNECT_SECONDS", 0.3)
    port = free_port()
    error = refusal(f"tcp://127.0.0.1:{port}")
    assert error.message.startswith(
        f"The Dask scheduler of ARMILLARY_TASK_RUNNER (tcp://127.0.0.1:{port}) does not answer: "
    )
    assert "Start it (dask scheduler, dask worker)" in error.advice


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_what_ends_a_run_does_not_end_the_workers_of_its_own_cluster(told: signal.Signals) -> None:
    """They are in its process group; each would die in the middle of a write."""
    hook = under_test._own_cluster(4)["preload"]
    worker = f"from {hook} import dask_setup; import signal; dask_setup(None); "
    ended = subprocess.run(
        [sys.executable, "-c", f"{worker} signal.raise_signal({int(told)}); print('at work')"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "at work\n", "")


class Workers:
    """A scheduler's client, as far as it is asked."""

    def __init__(self, **found: object) -> None:
        self.found = found

    def run(self, question: object, on_error: str) -> dict[str, object]:
        assert on_error == "return"
        assert question is under_test._own_version
        return self.found


def test_a_scheduler_without_workers_would_wait_for_ever() -> None:
    with pytest.raises(ConfigurationError, match="has no workers"):
        under_test._refuse_other_versions(Workers(), "tls://dask:8786", UNDONE)


def test_workers_with_other_code_are_refused() -> None:
    own = under_test._own_version()
    under_test._refuse_other_versions(
        Workers(one=own, two=own), "tls://dask:8786", "Nothing was written."
    )
    others = Workers(one=own, two="0.0.9", three=ModuleNotFoundError("No module named 'tasks'"))
    with pytest.raises(ConfigurationError) as raised:
        under_test._refuse_other_versions(others, "tls://dask:8786", UNDONE)
    assert raised.value.message == (
        f"2 of 3 workers of the Dask scheduler tls://dask:8786 have not Armillary {own}, as this "
        "run has: 0.0.9; No module named 'tasks'. Nothing was written."
    )


def test_a_word_that_is_no_runner_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMILLARY_TASK_RUNNER", "processes")
    with pytest.raises(ConfigurationError, match="ARMILLARY_TASK_RUNNER: "):
        Settings()


def test_calls_of_other_processes_count() -> None:
    meter = Meter()
    calls = CallCount(meter)
    meter.hear({"x-ratelimit-remaining": "1000"}, meter.spend("GET", "/instruments"))
    assert (calls.used, calls.remaining) == (1, 1000)
    calls.add(250, None)
    assert (calls.used, calls.remaining) == (251, 750)
    calls.add(100, 640)
    calls.add(50, 700)  # an answer that was overtaken
    assert (calls.used, calls.remaining) == (401, 600)
