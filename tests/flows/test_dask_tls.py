"""A scheduler that is reached by TLS, with an authority of its own, on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from armillary.errors import ConfigurationError
from tasks import dask_runner as under_test
from tasks.dask_runner import dask_runner

PREFIX = "DASK_DISTRIBUTED__COMM__TLS__"


class Authority:
    """An authority, and what it has signed, as Dask makes both."""

    def __init__(self, folder: Path) -> None:
        from distributed.security import Security  # noqa: PLC0415 - seconds, for this module alone

        make: Any = Security.temporary
        self.security = make()
        folder.mkdir()
        self.named: dict[str, str] = {}
        for name, content in {
            "CA_FILE": self.security.tls_ca_file,
            "CLIENT__CERT": self.security.tls_client_cert,
            "CLIENT__KEY": self.security.tls_client_key,
        }.items():
            path = folder / f"{name}.pem"
            path.write_text(content)
            self.named[f"{PREFIX}{name}"] = str(path)


def configured(environment: Mapping[str, str]) -> AbstractContextManager[object]:
    """As if Dask had found these variables when it was imported."""
    import dask  # noqa: PLC0415 - as above

    of_dask: Any = dask
    found = of_dask.config.collect_env(environment)["distributed"]["comm"]["tls"]
    keys = {"ca_file": found["ca_file"], **{f"client.{k}": v for k, v in found["client"].items()}}
    context: AbstractContextManager[object] = of_dask.config.set(
        {f"distributed.comm.tls.{key}": path for key, path in keys.items()}
    )
    return context


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def own(folder: Path) -> Authority:
    return Authority(folder / "own")


@pytest.fixture(scope="module")
def scheduler(own: Authority) -> Iterator[str]:
    """The address of one with a worker, both in this process, and TLS between them."""
    from distributed import LocalCluster  # noqa: PLC0415 - as above

    make: Any = LocalCluster
    with make(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tls://",
        host="127.0.0.1",
        security=own.security,
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        address: str = cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        yield address


def refusal(address: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised, dask_runner(address, 4):
        pass
    return raised.value


def test_a_run_connects_by_the_certificates_that_dask_is_told_of(
    scheduler: str, own: Authority
) -> None:
    with configured(own.named), dask_runner(scheduler, 4) as runner:
        client: Any = runner.client
        assert client.scheduler.address == scheduler
        assert client.submit(int, "7").result(timeout=20) == 7


def test_without_certificates_it_is_said_which_variables_name_them(scheduler: str) -> None:
    error = refusal(scheduler)
    assert error.message == (
        f"ARMILLARY_TASK_RUNNER is {scheduler}, and Dask's configuration of this machine names no "
        f"certificates: {PREFIX}CA_FILE and {PREFIX}CLIENT__CERT must be set. Nothing was written."
    )
    assert error.advice.startswith(
        "Whoever keeps the scheduler has the files: name them in the environment of this machine "
        f"({PREFIX}CA_FILE, {PREFIX}CLIENT__CERT, {PREFIX}CLIENT__KEY), or under "
        "distributed.comm.tls in Dask's own configuration"
    )


def test_a_file_that_is_not_there_is_named(scheduler: str, own: Authority, folder: Path) -> None:
    gone = str(folder / "gone.pem")
    with configured(own.named | {f"{PREFIX}CLIENT__KEY": gone}):
        error = refusal(scheduler)
    assert (
        f"cannot be read here ({PREFIX}CLIENT__KEY: {gone}). Nothing was written." in error.message
    )


def test_another_authority_is_no_scheduler_that_does_not_answer(
    scheduler: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "CONNECT_SECONDS", 5)
    with configured(Authority(folder / "another").named):
        error = refusal(scheduler)
    assert error.message == (
        f"The Dask scheduler of ARMILLARY_TASK_RUNNER ({scheduler}) and this machine do not accept "
        "each other's certificates: CERTIFICATE_VERIFY_FAILED. Nothing was written."
    )
    assert f"({PREFIX}CA_FILE) must be the one that signed the scheduler's" in error.advice
