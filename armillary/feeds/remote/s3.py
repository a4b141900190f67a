"""A prefix of a bucket, by boto3: the credentials and the endpoint are the usual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from armillary.feeds.credentials import Credentials
from armillary.feeds.remote.failures import why_lost, why_no_connection
from armillary.feeds.remote.place import (
    CONNECT_SECONDS,
    IDLE_SECONDS,
    Entry,
    Lost,
    Unreachable,
    Unusable,
)
from armillary.feeds.remote.stream import limited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
_FORBIDDEN = frozenset(
    {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
)
_CHANGED = frozenset({"412", "PreconditionFailed"})


class S3Place:
    """Objects with one prefix. An object appears whole, so one look is enough."""

    settle_seconds = 0.0

    def __init__(self, url: str, credentials: Credentials) -> None:
        parts = urlsplit(url)
        self._bucket = parts.netloc.rpartition("@")[2]
        self._folder = unquote(parts.path).lstrip("/").rpartition("/")[0]
        self._client = _client(credentials)
        self._etags: dict[str, str] = {}

    def entries(self, prefix: str) -> list[Entry]:
        """Objects right under the prefix whose name starts so."""
        try:
            return cast("list[Entry]", _worded(self._listed, prefix))
        except FileNotFoundError:  # a prefix is never absent: it only holds nothing
            raise Unreachable(f"there is no bucket '{self._bucket}'") from None

    def describe(self, name: str) -> Entry:
        """The object as it is now."""
        try:
            found = _worded(self._client.head_object, Bucket=self._bucket, Key=self._key(name))
        except FileNotFoundError:
            self._refuse_missing_bucket()
            raise
        self._etags[name] = found["ETag"]
        return Entry(
            name,
            size_bytes=found["ContentLength"],
            mark=found["ETag"].strip('"'),
            changed_at=found["LastModified"].timestamp(),
        )

    def read(self, name: str, expected_bytes: int | None) -> bytes:
        """The whole content of what was described, or nothing."""
        return cast("bytes", _worded(self._read, name, expected_bytes))

    def probe(self, name: str) -> None:
        """By HEAD, which takes the same right as reading."""
        self.describe(name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _refuse_missing_bucket(self) -> None:
        """S3 says of an object in a bucket that is not there only that it is not there."""
        try:
            _worded(self._client.head_bucket, Bucket=self._bucket)
        except FileNotFoundError:
            raise Unreachable(f"there is no bucket '{self._bucket}'") from None
        except PermissionError:
            return  # who may read an object may not always look at its bucket

    def _listed(self, prefix: str) -> list[Entry]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._key(prefix), Delimiter="/"
        )
        return [
            Entry(
                each["Key"].rpartition("/")[2],
                size_bytes=each["Size"],
                mark=each["ETag"].strip('"'),
            )
            for page in cast("Iterator[dict[str, Any]]", pages)
            for each in page.get("Contents", [])
        ]

    def _read(self, name: str, expected_bytes: int | None) -> bytes:
        asked: dict[str, Any] = {"Bucket": self._bucket, "Key": self._key(name)}
        if name in self._etags:
            asked["IfMatch"] = self._etags[name]
        body = self._client.get_object(**asked)["Body"]
        try:
            return limited(body, expected_bytes)
        finally:
            body.close()

    def _key(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name


def _client(credentials: Credentials) -> S3Client:
    import boto3  # noqa: PLC0415 -- half a second, which no other source needs
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=IDLE_SECONDS,
        retries={"total_max_attempts": 3, "mode": "standard"},
    )
    given = dict(credentials.client_settings)
    if isinstance(given.get("config"), Config):
        config = config.merge(given["config"])
    try:
        session = credentials.session or boto3.session.Session()
        # Listing and reading ask no region of the bucket; without any, boto3 makes no client.
        if not session.region_name and not given.get("region_name"):
            given["region_name"] = "us-east-1"
        return cast("S3Client", session.client("s3", **{**given, "config": config}))
    except (BotoCoreError, ValueError) as error:
        said = f"no client of S3 can be made of the settings here ({type(error).__name__})"
    raise Unusable(said)


def _worded(call: Any, *asked: Any, **named: Any) -> Any:
    """What the call gives; errors of boto3 as what they mean."""
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        IncompleteReadError,
        NoCredentialsError,
        ReadTimeoutError,
        ResponseStreamingError,
    )

    found: Exception
    try:
        return call(*asked, **named)
    except NoCredentialsError:
        found = Unusable(
            "there are no credentials for S3 here: set the usual AWS_… variables, or give the "
            "feed block an AWS Credentials block"
        )
    except (IncompleteReadError, ResponseStreamingError, ReadTimeoutError) as error:
        found = Lost(why_lost(error))
    except BotoCoreError as error:
        found = Unreachable(f"the S3 service {why_no_connection(error)}")
    except ClientError as error:
        found = _meant(str(error.response.get("Error", {}).get("Code", "")))
    raise found


def _meant(code: str) -> Exception:
    if code in _ABSENT:
        return FileNotFoundError(code)
    if code in _FORBIDDEN:
        return PermissionError(code)
    if code in _CHANGED:
        return Lost("it was replaced while it was read")
    return Unreachable(f"the S3 service answered {code or 'with an error'}")
