"""What runs leave: the same from a folder and from a bucket, and clear words when it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from armillary.errors import ConfigurationError
from armillary.runs.memory import (
    ColumnFacts,
    Delivery,
    EchoEntry,
    FeedMemory,
    memory_key,
    recall,
    remember,
)
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
    echoes = [EchoEntry("a", "name", "x", "X")]
    memory = FeedMemory([delivery(1)], 9, {"uuid-a": "run-1"}, echoes)
    remember(store, "w-1", "a/b vendor", memory)
    assert recall(store, "w-1", "a/b vendor") == memory
    assert recall(store, "w-2", "a/b vendor") == FeedMemory()
    remember(store, "w-1", "a/b vendor", memory.with_delivery(delivery(2)))
    assert recall(store, "w-1", "a/b vendor").feed_records == 2


def test_a_delivery_is_an_old_one_only_while_a_newer_one_stands() -> None:
    memory = FeedMemory()
    for number in (1, 2, 3):
        memory = memory.with_delivery(delivery(number))
    assert memory.applied_before("3" * 64) is None, "the latest one again is no accident"
    assert memory.applied_before("4" * 64) is None
    assert memory.applied_before("") is None
    assert memory.applied_before("1" * 64) == (delivery(1), 2)
    again = memory.with_delivery(delivery(1))
    assert again.applied_before("1" * 64) is None, "it was approved: now it is the latest"
    assert again.applied_before("2" * 64) == (delivery(2), 2)
    undone = memory.without_run("run-3")
    assert undone.feed_records == 2
    assert undone.applied_before("2" * 64) is None


def test_a_run_that_was_undone_leaves_nothing_of_what_its_delivery_was_like() -> None:
    """Else the next delivery is compared with columns, and counted on absences, of no run."""
    kept = FeedMemory([delivery(1)], 9, {"uuid-a": "run-1"}, [EchoEntry("a", "name", "x", "X")])
    memory = kept.with_delivery(delivery(2)).after(
        columns={"name": ColumnFacts(2)}, absent={"uuid-b": 2}
    )
    assert memory.without_run("run-2") == kept
    assert memory.without_run("run-3") == memory, "it brought no delivery"


def delivery(number: int) -> Delivery:
    applied_at = datetime(2026, 11, number, 2, tzinfo=UTC)
    return Delivery(str(number) * 64, number, f"run-{number}", applied_at)


def test_damaged_memory_is_named_with_what_to_do(store: RunStore) -> None:
    store.write(memory_key("w-1", "vendor"), b'{"workspace_records": "many"}')
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
