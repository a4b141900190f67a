"""What runs leave: the same from a folder and from a bucket, and clear words when it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from armillary.errors import ConfigurationError
from armillary.runs.memory import EchoEntry, FeedMemory, memory_key, recall, remember
from armillary.runs.store import RunStore, open_store


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunStore]:
    if request.param == "folder":
        yield open_store(str(tmp_path / "runs"))
        return
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    s3 = boto3.client("s3", endpoint_url=s3_url)
    s3.create_bucket(
        Bucket="records", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    yield open_store("s3://records/armillary", endpoint_url=s3_url)
    bucket = boto3.resource("s3", endpoint_url=s3_url).Bucket("records")
    bucket.objects.all().delete()
    bucket.delete()


def test_a_first_run_remembers_nothing(store: RunStore) -> None:
    assert recall(store, "w-1", "vendor") == FeedMemory()


def test_memory_survives_and_is_kept_apart_by_workspace_and_feed(store: RunStore) -> None:
    memory = FeedMemory(7, 9, {"uuid-a": "run-1"}, [EchoEntry("a", "name", "x", "X")])
    remember(store, "w-1", "a/b vendor", memory)
    assert recall(store, "w-1", "a/b vendor") == memory
    assert recall(store, "w-2", "a/b vendor") == FeedMemory()
    remember(store, "w-1", "a/b vendor", memory.after(feed_records=8))
    assert recall(store, "w-1", "a/b vendor").feed_records == 8


def test_damaged_memory_is_named_with_what_to_do(store: RunStore) -> None:
    store.write(memory_key("w-1", "vendor"), b'{"feed_records": "many"}')
    with pytest.raises(ConfigurationError) as raised:
        recall(store, "w-1", "vendor")
    assert "w-1/vendor/memory.json is damaged" in str(raised.value)
    assert "Move the file away" in str(raised.value)


def test_a_missing_bucket_is_a_configuration_error(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    store = open_store("s3://absent", endpoint_url=s3_url)
    with pytest.raises(ConfigurationError, match="NoSuchBucket"):
        store.write("key", b"")


def test_another_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="s3://bucket/prefix"):
        open_store("gs://bucket")
