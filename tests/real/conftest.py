"""A gateway of Ceph and moto side by side, and whole backups in both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from simulator import Config, Simulator
from tests.api import conftest
from tests.real import aws_command, ceph
from tests.real.aws_command import AwsCommand
from tests.real.made_backup import MadeBackup, make_backup
from tests.real.programs import needed
from tests.real.service import Service
from tests.runs.s3 import LoopbackS3

self_signed = conftest.self_signed
"""Of the tests of the API: a certificate for 127.0.0.1."""

MakeAwsCommand = Callable[[Service], AwsCommand]


@pytest.fixture(scope="package", autouse=True)
def nobodys_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No keys, profiles or metadata service of whoever runs the tests."""
    home = tmp_path_factory.mktemp("nobody")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(home / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="package")
def gateway(self_signed: tuple[str, str]) -> Iterator[Service]:
    """Ceph's S3 gateway."""
    needed(ceph.PROGRAMS, ceph.PACKAGES)
    with ceph.ceph(*self_signed) as service:
        yield service


@pytest.fixture(scope="package")
def moto() -> Iterator[Service]:
    """The store that all other tests use."""
    server = LoopbackS3()
    yield Service(server.url, "made-up", "made-up-secret")
    server.stop()


@pytest.fixture(scope="package")
def packed(gateway: Service, prefect_server: None) -> MadeBackup:
    """A backup in Ceph, in a bucket that keeps versions. It is read, never changed."""
    return _backup(gateway, gateway.make_bucket(versions=True), "zstd")


@pytest.fixture(scope="package")
def plain(gateway: Service, prefect_server: None, self_signed: tuple[str, str]) -> MadeBackup:
    """Another one, not packed, brought there over TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CA_BUNDLE", self_signed[0])
        made = _backup(gateway.over_tls, gateway.make_bucket(), "none", checksum="when_required")
    return replace(made, service=gateway)


@pytest.fixture(scope="package")
def in_moto(moto: Service, prefect_server: None) -> MadeBackup:
    """One in moto, to tell what is Ceph's own."""
    return _backup(moto, moto.make_bucket(), "zstd")


@pytest.fixture
def aws(tmp_path: Path) -> MakeAwsCommand:
    """``aws(service)``: the AWS command line."""
    needed(aws_command.PROGRAMS, aws_command.PACKAGES)
    return lambda service: AwsCommand(service, tmp_path)


def _backup(service: Service, bucket_name: str, compression: str, **asked: Any) -> MadeBackup:
    with (
        TemporaryDirectory() as runs,
        pytest.MonkeyPatch.context() as patch,
        Simulator(Config.preset("reference")) as sim,
    ):
        patch.setenv("ARMILLARY_RUNS", runs)
        return make_backup(sim, service, bucket_name, compression=compression, **asked)
