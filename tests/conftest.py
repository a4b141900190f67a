"""What every test may use: a simulator on loopback, a Prefect server, and no way out."""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

# Before anything imports Prefect: no telemetry, and nothing of the person who runs the tests.
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
# A client loads the authorities it trusts when it is made, and on loopback none is asked: the
# machine's hundred and fifty take 25 ms each time. Tests of TLS name their own.
os.environ["SSL_CERT_FILE"] = os.environ["PREFECT_API_SSL_CERT_FILE"] = str(
    Path(__file__).with_name("no_authority.pem")
)
# Before polars is imported: its threads wait by spinning, and frames of tests are small.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
REAL_IS_REQUIRED = os.environ.get("ARMILLARY_REQUIRE_REAL") == "1"
"""Whether a test fails, rather than being skipped, where its real server is not installed."""
LONG_ONES_RUN = os.environ.get("ARMILLARY_LONG") == "1"
"""Whether tests run that take minutes, and that all others together leave no time for."""
for name in [name for name in os.environ if name.startswith("ARMILLARY_")]:
    del os.environ[name]
os.environ.pop("PREFECT_API_URL", None)

from simulator import Config, Simulator  # noqa: E402

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
"""Real daily files; tests that need them are skipped where they are absent."""

MakeSimulator = Callable[..., Simulator]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Of several workers the first compiles a file, and the others read what it compiled.

    They collect the same files in the same order: without this all of them compile each.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or not isinstance(collector, pytest.Module):
        return (yield)
    with collector.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, and say so."""
    for item in items:
        if item.get_closest_marker("long") and not LONG_ONES_RUN:
            item.add_marker(pytest.mark.skip(reason="takes minutes: ARMILLARY_LONG=1 runs it"))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the collector of garbage need not look at it again.

    With thousands of tests and the libraries they import that is a tenth of the processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture
def make_simulator() -> Iterator[MakeSimulator]:
    """Start a simulator: ``make_simulator("reference", count_body="bare")``."""
    with ExitStack() as stack:

        def start(preset: str = "reference", **switches: Any) -> Simulator:
            config = Config.preset(preset, **switches)  # type: ignore[arg-type]
            return stack.enter_context(Simulator(config))

        yield start


@pytest.fixture
def sim(make_simulator: MakeSimulator) -> Simulator:
    """A simulator of preset ``reference`` with an empty workspace ``demo``."""
    return make_simulator()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary Prefect server for the session."""
    os.environ["PREFECT_LOCAL_STORAGE_PATH"] = str(tmp_path_factory.mktemp("results"))
    from tests.session_server import session_server  # noqa: PLC0415 - it imports Prefect

    with session_server(tmp_path_factory):
        yield


@pytest.fixture(autouse=True)
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test's runs remember nothing of another's."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("ARMILLARY_RUNS", str(folder))
    return folder
