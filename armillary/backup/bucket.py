"""What is done with S3: streams in, streams out, small pages written once, lists, removal.

boto3 repeats by itself what may be repeated. Nothing here trusts the store's own checksums: the
hash of what was written stands in the manifest (design, Backup 5).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from armillary.backup.body import Body
from armillary.backup.place import BucketPlace
from armillary.backup.store_faults import ABSENT, code_of, told
from armillary.errors import ConfigurationError, StoreFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 6
"""Of one request, by boto3 itself, with growing pauses (S01)."""

NOT_WON = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
NO_CONDITIONS = frozenset({"NotImplemented", "501"})
NO_VERSIONS = frozenset({"NotImplemented", "501", "405", "MethodNotAllowed", "InvalidRequest"})

CHECKSUMS = (
    "ChecksumCRC32",
    "ChecksumCRC32C",
    "ChecksumCRC64NVME",
    "ChecksumSHA1",
    "ChecksumSHA256",
)


@dataclass(frozen=True)
class Stored:
    """An object as the store describes it."""

    key: str
    bytes: int
    etag: str
    version_id: str | None
    checksums: dict[str, str]
    """Where the store keeps any, by its own names."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Our own; names in lower case, because some stores change them."""


@dataclass(frozen=True)
class Listed:
    """An object in a list."""

    key: str
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class NotDeleted:
    """An object that is still there."""

    key: str
    reason: str
    locked_until: datetime | None
    """By Object Lock; None for any other reason."""


@dataclass(frozen=True)
class UnfinishedUpload:
    """A multipart upload that was begun: its parts are stored, paid for, and no object."""

    key: str
    upload_id: str
    started: datetime


_Versions: TypeAlias = list[str | None]
_Left: TypeAlias = list[NotDeleted]


class Bucket:
    """One prefix of a bucket; keys are below it. May be used by several threads."""

    def __init__(self, place: BucketPlace, session: boto3.session.Session | None = None) -> None:
        """Nothing is asked yet.

        Args:
            place: which one, and how things are kept there.
            session: has the credentials; by default the machine's own.
        """
        self._asked = place
        self._name = place.bucket
        prefix = place.prefix.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self.place = place.words
        session = session or boto3.session.Session()
        self._s3: S3Client = session.client("s3", **_client(place))
        self._transfer = _transfer(place)

    def prove(self) -> None:
        """Write, read, list and remove a probe; look for the lock that is asked for (S09 to S11).

        Raises:
            ConfigurationError: a right, the bucket or its Object Lock is missing.
            StoreFailed: the store does not answer.
        """
        key = f"_probe-{uuid.uuid4().hex}"
        content = b"armillary proves that it can write and read here\n"
        self._prove_lock()
        self._put(key, content)
        if self.read(key) != content:
            raise StoreFailed(f"{self.place}: what was just written does not read back.")
        if [found.key for found in self.list(key)] != [key]:
            raise StoreFailed(f"{self.place}: what was just written is not listed.")
        with self._doing(f"removing {key}"):
            self._s3.delete_object(Bucket=self._name, Key=self._prefix + key)

    def upload(self, key: str, stream: IO[bytes], *, metadata: Mapping[str, str]) -> Stored:
        """Store a stream of unknown length; if it breaks, nothing is left behind (S03).

        Args:
            key: of the object.
            stream: read once, in parts; an exception of it ends the upload.
            metadata: stored with it.

        Raises:
            StoreFailed, ConfigurationError: it is not there.
        """
        extra = {"Metadata": dict(metadata), **self._kept(), **self._classed()}
        with self._doing(f"storing {key}"):
            self._s3.upload_fileobj(
                stream, self._name, self._prefix + key, ExtraArgs=extra, Config=self._transfer
            )
        stored = self.head(key)
        if stored is None:
            raise StoreFailed(f"{self.place}: {key} was stored and is not there.")
        return stored

    def write(self, key: str, content: bytes, *, only_if_absent: bool = False) -> bool:
        """Store a small page. False if one is there already that must not be replaced.

        A store without conditional writes is asked first and may be wrong when two write at once;
        the lease keeps the second away.
        """
        if not only_if_absent:
            self._put(key, content, **self._kept())
            return True
        with self._doing(f"writing {key}"):
            try:
                self._put_raw(key, content, IfNoneMatch="*", **self._kept())
                return True
            except ClientError as error:
                if code_of(error) in NOT_WON:
                    # Ours, if only the answer of an earlier attempt was lost (S06).
                    return self.read(key) == content
                if code_of(error) not in NO_CONDITIONS:
                    raise
        if self.head(key):
            return False
        self._put(key, content, **self._kept())
        return True

    def read(self, key: str) -> bytes | None:
        """A small page, or None where there is none."""
        with self._doing(f"reading {key}"):
            try:
                answer = self._s3.get_object(Bucket=self._name, Key=self._prefix + key)
                return answer["Body"].read()
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                raise

    @contextmanager
    def open(self, key: str, *, version_id: str | None = None) -> Iterator[IO[bytes]]:
        """An object as a stream; a broken one goes on where it broke, while nobody replaced it."""
        version = {"VersionId": version_id} if version_id else {}

        def get(**more: Any) -> Any:
            return self._s3.get_object(
                Bucket=self._name, Key=self._prefix + key, **cast("Any", version | more)
            )

        with self._doing(f"reading {key}"):
            body = Body(get)
        try:
            yield cast("IO[bytes]", body.told_by(lambda: self._doing(f"reading {key}")))
        finally:
            body.close()

    def head(self, key: str, *, version_id: str | None = None) -> Stored | None:
        """What the store says of an object, or None where there is none."""
        asked: dict[str, Any] = {"Bucket": self._name, "Key": self._prefix + key}
        if version_id:
            asked["VersionId"] = version_id
        if self._asked.checksum == "when_supported":
            asked["ChecksumMode"] = "ENABLED"
        with self._doing(f"looking at {key}"):
            try:
                answer = self._s3.head_object(**asked)
            except ClientError as error:
                # A version that is a delete marker answers 405, an unknown one 400.
                if code_of(error) in ABSENT or (version_id and code_of(error) in {"400", "405"}):
                    return None
                raise
        facts = cast("Mapping[str, Any]", answer)
        version = facts.get("VersionId")
        return Stored(
            key=key,
            bytes=int(facts["ContentLength"]),
            etag=str(facts["ETag"]),
            version_id=None if version in (None, "null") else str(version),
            checksums={name: str(facts[name]) for name in CHECKSUMS if facts.get(name)},
            metadata={name.lower(): str(value) for name, value in facts["Metadata"].items()},
        )

    def list(self, prefix: str) -> Iterator[Listed]:
        """Everything whose key begins so, page by page."""
        for page in self._pages("list_objects_v2", prefix):
            for entry in page.get("Contents", []):
                key = entry["Key"].removeprefix(self._prefix)
                yield Listed(key, int(entry["Size"]), entry["LastModified"])

    def folders(self, prefix: str) -> Iterator[str]:
        """The names between this prefix and the next slash."""
        for page in self._pages("list_objects_v2", prefix, Delimiter="/"):
            for entry in page.get("CommonPrefixes", []):
                yield entry["Prefix"].removeprefix(self._prefix + prefix).rstrip("/")

    def delete(self, keys: Iterable[str]) -> _Left:
        """Remove objects with all their versions, one by one: not every store has a bulk delete.

        Returns:
            What is left, and why: locked, or denied.

        Raises:
            StoreFailed, ConfigurationError: the store could not be asked.
        """
        left = []
        for key in keys:
            for version_id in self._versions(key):
                refused = self._delete_version(key, version_id)
                if refused is not None:
                    left.append(refused)
                    break
        return left

    def unfinished_uploads(self, prefix: str) -> Iterator[UnfinishedUpload]:
        """Multipart uploads that were begun and never ended."""
        for page in self._pages("list_multipart_uploads", prefix):
            for entry in page.get("Uploads", []):
                key = entry["Key"].removeprefix(self._prefix)
                yield UnfinishedUpload(key, entry["UploadId"], entry["Initiated"])

    def abort(self, upload: UnfinishedUpload) -> None:
        """End such an upload; its parts are removed."""
        with self._doing(f"ending the upload of {upload.key}"):
            try:
                self._s3.abort_multipart_upload(
                    Bucket=self._name, Key=self._prefix + upload.key, UploadId=upload.upload_id
                )
            except ClientError as error:
                if code_of(error) not in {"NoSuchUpload", *ABSENT}:
                    raise

    def _pages(self, operation: Any, prefix: str, **more: Any) -> Iterator[Mapping[str, Any]]:
        with self._doing(f"listing {prefix or 'everything'}"):
            paginator = self._s3.get_paginator(operation)
            yield from paginator.paginate(Bucket=self._name, Prefix=self._prefix + prefix, **more)

    def _versions(self, key: str) -> _Versions:
        """Of one object, newest first; ``[None]`` for a store that keeps none."""
        try:
            found = [
                str(entry["VersionId"])
                for page in self._pages("list_object_versions", key)
                for kind in ("Versions", "DeleteMarkers")
                for entry in page.get(kind, [])
                if entry["Key"] == self._prefix + key
            ]
        except (StoreFailed, ConfigurationError):
            return [None]  # not known or not allowed there: the object itself can still be removed
        return [None if version == "null" else version for version in found] or [None]

    def _delete_version(self, key: str, version_id: str | None) -> NotDeleted | None:
        asked: dict[str, Any] = {"Bucket": self._name, "Key": self._prefix + key}
        if version_id:
            asked["VersionId"] = version_id
        with self._doing(f"removing {key}"):
            try:
                self._s3.delete_object(**asked)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                if code_of(error) not in {"AccessDenied", "403", "InvalidRequest", "ObjectLocked"}:
                    raise
                until = self._locked_until(asked)
                return NotDeleted(key, f"The store refuses it ({code_of(error)}).", until)
        return None

    def _locked_until(self, asked: Mapping[str, Any]) -> datetime | None:
        try:
            answer = self._s3.get_object_retention(**cast("Any", asked))
        except ClientError:
            return None
        return answer.get("Retention", {}).get("RetainUntilDate")

    def _prove_lock(self) -> None:
        if self._asked.object_lock_mode is None:
            return
        with self._doing("looking for Object Lock"):
            try:
                answer = self._s3.get_object_lock_configuration(Bucket=self._name)
                if answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled":
                    return
            except ClientError as error:
                known = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
                if code_of(error) not in known | ABSENT | NO_VERSIONS:
                    raise
        raise ConfigurationError(
            f"{self.place}: Object Lock is asked for, and the bucket does not have it.",
            next_step="Object Lock is switched on when a bucket is made: use such a bucket, or "
            "take the lock out of the backup store.",
        )

    def _put(self, key: str, content: bytes, **more: Any) -> None:
        with self._doing(f"writing {key}"):
            self._put_raw(key, content, **more)

    def _put_raw(self, key: str, content: bytes, **more: Any) -> None:
        self._s3.put_object(Bucket=self._name, Key=self._prefix + key, Body=content, **more)

    def _kept(self) -> dict[str, Any]:
        """How every object is to be kept by the store."""
        asked, kept = self._asked, dict[str, Any]()
        if asked.encryption:
            kept["ServerSideEncryption"] = asked.encryption
            if asked.kms_key_id:
                kept["SSEKMSKeyId"] = asked.kms_key_id
        if asked.object_lock_mode:
            until = datetime.now(UTC) + timedelta(days=asked.object_lock_days or 0)
            kept["ObjectLockMode"] = asked.object_lock_mode
            kept["ObjectLockRetainUntilDate"] = until
        return kept

    def _classed(self) -> dict[str, Any]:
        return {"StorageClass": self._asked.storage_class} if self._asked.storage_class else {}

    def _doing(self, what: str) -> Any:
        return told(self.place, what)


def _client(place: BucketPlace) -> dict[str, Any]:
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        request_checksum_calculation=place.checksum,
        response_checksum_validation=place.checksum,
        max_pool_connections=max(10, 8 * place.upload_threads),
        s3={"addressing_style": "path"} if place.endpoint_url else None,
    )
    where = {"region_name": place.region, "endpoint_url": place.endpoint_url}
    return {**{name: value for name, value in where.items() if value}, "config": config}


def _transfer(place: BucketPlace) -> TransferConfig:
    config = TransferConfig(
        multipart_threshold=place.part_bytes,
        multipart_chunksize=place.part_bytes,
        max_concurrency=place.upload_threads,
        use_threads=True,
    )
    # Of a stream, parts wait in memory: ten by default, whatever the threads.
    config.max_in_memory_upload_chunks = place.upload_threads
    return config
