"""The same store in a folder and in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from armillary.runs.store import RunStore, open_store
from tests.runs.s3 import LoopbackS3


@dataclass(frozen=True)
class Place:
    """Where a store lies; ``open`` gives another process's view of it."""

    address: str
    endpoint_url: str | None = None

    def open(self) -> RunStore:
        return open_store(self.address, endpoint_url=self.endpoint_url)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[LoopbackS3]:
    server = LoopbackS3()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3_server: LoopbackS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    s3_server.client.create_bucket(
        Bucket="run-records", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    yield Place("s3://run-records/armillary", s3_server.url)
    s3_server.behave()
    s3_server.remove("run-records")


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "records"))


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def store(place: Place) -> RunStore:
    return place.open()
