"""A workspace with something in it, and a real bucket to back it up into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.place import BucketPlace
from simulator import Simulator
from tests.backup.made import Shelf
from tests.runs.s3 import LoopbackS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RunBackup = Callable[..., Any]

NAME = "backups"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[LoopbackS3]:
    server = LoopbackS3()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: LoopbackS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Client]:
    """A plain client, and an empty bucket called ``backups``."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3_server.client.create_bucket(Bucket=NAME)
    yield s3_server.client
    s3_server.behave()
    s3_server.remove(NAME)


@pytest.fixture
def place(s3: S3Client, s3_server: LoopbackS3) -> BucketPlace:
    return BucketPlace(NAME, prefix="desk", endpoint_url=s3_server.url)


@pytest.fixture
def bucket(place: BucketPlace) -> Bucket:
    return Bucket(place)


@pytest.fixture
def shelf(s3: S3Client) -> Shelf:
    return Shelf(s3, NAME, "desk")


@pytest.fixture
def run_backup(
    prefect_server: None, place: BucketPlace, monkeypatch: pytest.MonkeyPatch
) -> RunBackup:
    """``run_backup(sim, compression="none")`` returns the final state of a flow run."""
    monkeypatch.setenv("ARMILLARY_POLL_SECONDS", "0.1")
    from prefect_aws.credentials import AwsCredentials  # noqa: PLC0415 - after its settings

    from blocks import BackupStore, PtolemyWorkspace  # noqa: PLC0415
    from flows.backup_workspace import backup_workspace  # noqa: PLC0415

    def run(sim: Simulator, credentials: Mapping[str, Any] | None = None, **asked: Any) -> Any:
        workspace = PtolemyWorkspace(url=f"{sim.url}/v1", workspace="demo", token=sim.token)
        store = BackupStore(
            bucket=place.bucket,
            prefix=place.prefix,
            endpoint_url=place.endpoint_url,
            credentials=AwsCredentials(**credentials) if credentials else None,
        )
        return backup_workspace(workspace, store, return_state=True, **asked)

    return run
