"""Objects of a bucket, in moto behind a gate that misbehaves."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from prefect_aws.client_parameters import AwsClientParameters
from prefect_aws.credentials import AwsCredentials
from pydantic import SecretStr

from armillary.errors import ArmillaryError, ConfigurationError
from armillary.feeds import read_feed
from armillary.feeds.credentials import Credentials
from armillary.feeds.source import Fetched, Fetching, fetch
from armillary.runs.memory import Delivery, FeedMemory
from armillary.sync.sanity import examine
from blocks import FileFeed
from tests.api.clocks import JumpClock
from tests.feeds.vendor import DATA_TYPES, HEADER, definition
from tests.runs.s3 import Fault, LoopbackS3

ROWS = HEADER + b"A,xasx,Alpha,AU1,100\n"
BEFORE = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
SAID = (
    "Look at the delivery: it is the last good delivery once more: the server's mark of it is that "
    "of run run-1, applied on 2026-11-24 06:30 UTC."
)
SECRET = "store-secret-1f77e0b2c4"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackS3]:
    store = LoopbackS3()
    yield store
    store.stop()


@pytest.fixture
def store(server: LoopbackS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackS3]:
    server.client.create_bucket(Bucket="drop")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield server
    server.behave()
    server.remove("drop")


def put(store: LoopbackS3, key: str, content: bytes = ROWS) -> str:
    store.client.put_object(Bucket="drop", Key=key, Body=content)
    return f"s3://drop/{key}"


def get(url: str, **how: Any) -> Fetched:
    return fetch(url, Fetching(**how), JumpClock())


def refusal(url: str, **how: Any) -> str:
    with pytest.raises(ArmillaryError) as refused:
        get(url, **how)
    assert refused.value.__context__ is None
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_an_object_and_its_etag(store: LoopbackS3) -> None:
    url = put(store, "out/asx.csv.gz", gzip.compress(ROWS, mtime=0))
    fetched = get(url)
    assert fetched.content == ROWS
    etag = store.client.head_object(Bucket="drop", Key="out/asx.csv.gz")["ETag"].strip('"')
    assert fetched.fingerprint.startswith(f"{etag} ")
    assert get(put(store, "asx.csv")).content == ROWS


def test_f06_the_newest_of_a_prefix(store: LoopbackS3) -> None:
    for key in (
        "out/asx_20261119.csv",
        "out/asx_20261120.csv",
        "out/old/asx_20261120_v9.csv",
        "asx_20261120_v8.csv",
    ):
        put(store, key, ROWS + key.encode() + b",xasx,N,AU2,1\n")
    store.page_keys = 1
    fetched = get("s3://drop/out/asx_{date:%Y%m%d}*.csv")
    assert b"out/asx_20261120.csv" in fetched.content
    assert fetched.business_date == date(2026, 11, 20)


def test_prefects_own_block_of_credentials_is_accepted(
    store: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put(store, "asx.csv")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    credentials = AwsCredentials(
        aws_access_key_id="made-up-by-block",
        aws_secret_access_key=SecretStr(SECRET),
        aws_client_parameters=AwsClientParameters(endpoint_url=store.url),
    )
    feed = FileFeed(**dict(definition(url=url)), credentials=credentials)
    assert feed.deliver().content == ROWS
    assert "made-up-by-block" in store.asked[-1].headers["authorization"]
    assert SECRET not in repr(feed)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody(boto3.session.Session):
        def get_credentials(self) -> None:
            return None

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    session = Nobody(region_name="us-east-1")
    session._session.get_credentials = lambda: None  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError) as refused:
        get("s3://drop/asx.csv", credentials=Credentials(session=session))
    assert str(refused.value).startswith(
        "The address s3://drop/asx.csv cannot be opened: there are no credentials for S3 here: set "
        "the usual AWS_… variables, or give the feed block an AWS Credentials block."
    )


def test_f01_not_there(store: LoopbackS3) -> None:
    url = "s3://drop/none.csv"
    assert refusal(url).startswith(f"{url} has not been delivered: there is no such file.")
    for url in ("s3://nowhere/asx.csv", "s3://nowhere/asx_*.csv"):
        assert refusal(url).startswith(f"{url} cannot be had: there is no bucket 'nowhere'.")
    assert "no file there matches the pattern" in refusal("s3://drop/asx_*.csv")


def test_forbidden(store: LoopbackS3) -> None:
    url = put(store, "asx.csv")
    store.faults = [Fault("HEAD", status="403 AccessDenied")]
    assert "may not be read by this user or with these credentials" in refusal(url)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, store: LoopbackS3) -> None:
    settings = {
        "endpoint_url": "http://127.0.0.1:9",
        "config": Config(retries={"total_max_attempts": 1}),
    }
    said = refusal("s3://drop/asx.csv", credentials=Credentials(client_settings=settings))
    assert said.startswith(
        "s3://drop/asx.csv cannot be had: the S3 service refuses the connection: no service "
        "listens at that port."
    )


def test_f25_an_answer_cut_in_the_middle_is_read_again(store: LoopbackS3) -> None:
    url = put(store, "asx.csv")
    store.faults = [Fault("GET", part="asx.csv", cut_at=30)]
    assert get(url).content == ROWS
    store.faults = [Fault("GET", part="asx.csv", cut_at=30, times=9)]
    assert refusal(url).startswith(f"{url} could not be read to its end, 3 times (")


def test_f03_a_marker_that_is_older_than_its_object_is_of_an_earlier_delivery(
    store: LoopbackS3,
) -> None:
    url = put(store, "asx.csv")
    put(store, "asx.csv.done", b"")
    assert get(url, done_suffix=".done").content == ROWS
    kept = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["drop"].keys
    kept["asx.csv.done"].last_modified -= timedelta(hours=1)
    assert refusal(url, done_suffix=".done").startswith(
        f"{url} is newer than asx.csv.done: that marker is of an earlier delivery. Nothing was"
    )


def test_f05_the_same_etag_as_that_of_the_last_good_run_is_said(store: LoopbackS3) -> None:
    feed = definition(url=put(store, "asx.csv"), sanity={"check_digits": "off"})
    first = read_feed(feed, DATA_TYPES)
    run = Delivery("of another content", 1, "run-1", BEFORE, fingerprint=first.fingerprint)
    memory = FeedMemory(deliveries=[run])
    assert examine(feed, read_feed(feed, DATA_TYPES), memory, now=BEFORE).warnings == (SAID,)
    put(store, "asx.csv", ROWS + b"B,xasx,Beta,AU2,100\n")
    assert examine(feed, read_feed(feed, DATA_TYPES), memory, now=BEFORE).warnings == ()


def test_f03_an_object_replaced_between_two_looks(store: LoopbackS3) -> None:
    url = put(store, "asx.csv")

    class Replacing(JumpClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            put(store, "asx.csv", ROWS + ROWS)

    with pytest.raises(ArmillaryError, match="changed within 1 seconds: it is still being written"):
        fetch(url, Fetching(settle_seconds=1), Replacing())
    assert get(url).content == ROWS + ROWS


def test_f03_an_object_replaced_between_looking_and_reading(store: LoopbackS3) -> None:
    """What was looked at is no longer to be had: it is looked at again."""
    url = put(store, "asx.csv")
    store.faults = [Fault("GET", part="asx.csv", status="412 PreconditionFailed")]
    assert get(url).content == ROWS
    assert [asked.headers.get("if-match") for asked in store.asked if asked.method == "GET"] == [
        f'"{get(url).fingerprint.split()[0]}"'
    ] * 2
