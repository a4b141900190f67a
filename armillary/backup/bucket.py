"""What is done with S3: streams in, streams out, small pages written once, lists, removal.

boto3 repeats by itself what may be repeated. Nothing here trusts the store's own checksums: the
hash of what was written stands in the manifest (design, Backup 5).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from armillary.backup.body import Body
from armillary.backup.digests import send_digests
from armillary.backup.place import BucketPlace
from armillary.backup.probe import has_lock, send_probe
from armillary.backup.removal import NotDeleted, Removal
from armillary.backup.store_faults import ABSENT, code_of, told
from armillary.backup.upload import Upload
from armillary.errors import ConfigurationError, StoreFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Bucket", "Listed", "NotDeleted", "Stored", "UnfinishedUpload"]

ATTEMPTS = 6
"""Of one request, by boto3 itself, with growing pauses (S01)."""

TURNS = 3
"""Of a write that another one crossed."""

PROBE = "_probe"

UPLOAD_ID = "upload-id"
"""Metadata by which an upload knows its own object from another's, when an answer was lost."""

NOT_WON = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
NO_CONDITIONS = frozenset({"NotImplemented", "501"})

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
    locked: bool = False
    """Whether the store tells of an Object Lock on it."""


@dataclass(frozen=True)
class Listed:
    """An object in a list."""

    key: str
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class UnfinishedUpload:
    """A multipart upload that was begun: its parts are stored, paid for, and no object."""

    key: str
    upload_id: str
    started: datetime


_Left: TypeAlias = list[NotDeleted]
_Keys: TypeAlias = list[str]


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
        self._s3 = _client(place, session)
        self._removal = Removal(self._s3, self._name, self._prefix, self._doing)

    def prove(self, folder: str = "") -> None:
        """Write, read, list and remove a probe; look for the lock that is asked for (S09 to S11).

        The probe is not locked and always has the same key. Credentials that may not remove it
        are as good: then it stays.

        Args:
            folder: where the probe lies; blank for the prefix itself.

        Raises:
            ConfigurationError: a right, the bucket or its Object Lock is missing.
            StoreFailed: the store does not answer, or does not keep what it took.
        """
        if self._asked.object_lock_mode:
            with self._doing("looking for Object Lock"):
                found = has_lock(self._s3, self._name)
            if not found:
                raise ConfigurationError(
                    f"{self.place}: Object Lock is asked for, and the bucket does not have it.",
                    next_step="Object Lock is switched on when a bucket is made: use such a "
                    "bucket, or take the lock out of the backup store.",
                )
        send_probe(self, f"{folder}/{PROBE}" if folder else PROBE)

    def upload(self, key: str, stream: IO[bytes], *, metadata: Mapping[str, str]) -> Stored:
        """Store a stream of unknown length; if it breaks, nothing is left behind (S03).

        Args:
            key: of the object.
            stream: read once, in parts; an exception of it ends the upload.
            metadata: stored with it.

        Raises:
            StoreFailed, ConfigurationError: it is not there.
        """
        own = uuid.uuid4().hex
        asked = {"Metadata": {**metadata, UPLOAD_ID: own}, **self._kept(), **self._classed()}
        upload = Upload(self._s3, self._asked, stream)
        try:
            with self._doing(f"storing {key}"):
                upload.run(self._prefix + key, asked)
        except StoreFailed:
            # Only the answer may be lost, and the repeat told that there is no such upload (S06).
            stored = self._own(key, own) if upload.read_whole else None
            if stored is None:
                raise
            self._lock(stored, asked)
            return stored
        stored = self.head(key)
        if stored is None:
            raise StoreFailed(f"{self.place}: {key} was stored and is not there.")
        if stored.metadata.get(UPLOAD_ID) != own:
            raise StoreFailed(
                f"{self.place}: {key} was stored, and what lies there is not what was sent: it "
                "does not carry the metadata given to it."
            )
        self._lock(stored, asked)
        return stored

    def _lock(self, stored: Stored, asked: Mapping[str, Any]) -> None:
        """Ceph (16 at least) leaves out the lock of what comes in parts, and says nothing."""
        if "ObjectLockMode" not in asked or stored.locked:
            return
        version = {"VersionId": stored.version_id} if stored.version_id else {}
        with self._doing(f"locking {stored.key}"):
            self._s3.put_object_retention(
                Bucket=self._name,
                Key=self._prefix + stored.key,
                Retention={
                    "Mode": asked["ObjectLockMode"],
                    "RetainUntilDate": asked["ObjectLockRetainUntilDate"],
                },
                **cast("Any", version),
            )

    def _own(self, key: str, upload_id: str) -> Stored | None:
        with suppress(StoreFailed, ConfigurationError):
            stored = self.head(key)
            if stored is not None and stored.metadata.get(UPLOAD_ID) == upload_id:
                return stored
        return None

    def write(
        self, key: str, content: bytes, *, only_if_absent: bool = False, locked: bool = True
    ) -> bool:
        """Store a small page. False if one is there already that must not be replaced.

        A store without conditional writes is asked first and may be wrong when two write at once;
        the lease keeps the second away.

        Args:
            key: of the page.
            content: of the page.
            only_if_absent: leave alone what is there.
            locked: by Object Lock, where the place asks for it. A page that is written often is
                not: each of its versions would stay for the whole time.

        Raises:
            StoreFailed, ConfigurationError: it is not there.
        """
        kept = self._kept() if locked else self._encrypted()
        with self._doing(f"writing {key}"):
            if not only_if_absent:
                self._put(key, content, **kept)
                return True
            for _ in range(TURNS):
                try:
                    self._put(key, content, IfNoneMatch="*", **kept)
                    return True
                except ClientError as error:
                    if code_of(error) in NO_CONDITIONS:
                        break
                    if code_of(error) not in NOT_WON:
                        raise
                # Ours, if only the answer of an earlier attempt was lost (S06).
                found = self.read(key)
                if found is not None:
                    return found == content
            else:
                raise StoreFailed(
                    f"{self.place}: {key} can be neither written nor read: something else "
                    "writes it and removes it all the time."
                )
            if self.head(key):
                return False
            self._put(key, content, **kept)
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
            locked=bool(facts.get("ObjectLockMode")),
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

    def kept(self, prefix: str) -> _Keys:
        """The keys of all that lies there, also where only older versions or markers are left."""
        return sorted({found.key for found in self.list(prefix)} | self._removal.kept(prefix))

    def delete(self, keys: Iterable[str]) -> _Left:
        """Remove objects with all their versions, one by one: not every store has a bulk delete.

        Returns:
            What is left, and why: locked, or denied.

        Raises:
            StoreFailed, ConfigurationError: the store could not be asked.
        """
        return [left for key in keys if (left := self._removal.remove(key)) is not None]

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

    def _put(self, key: str, content: bytes, **more: Any) -> None:
        self._s3.put_object(Bucket=self._name, Key=self._prefix + key, Body=content, **more)

    def _encrypted(self) -> dict[str, Any]:
        """How every object is to be encrypted by the store."""
        asked, found = self._asked, dict[str, Any]()
        if asked.encryption:
            found["ServerSideEncryption"] = asked.encryption
            if asked.kms_key_id:
                found["SSEKMSKeyId"] = asked.kms_key_id
        return found

    def _kept(self) -> dict[str, Any]:
        """How what a backup consists of is to be kept by the store."""
        asked, kept = self._asked, self._encrypted()
        if asked.object_lock_mode:
            until = datetime.now(UTC) + timedelta(days=asked.object_lock_days or 0)
            kept["ObjectLockMode"] = asked.object_lock_mode
            kept["ObjectLockRetainUntilDate"] = until
        return kept

    def _classed(self) -> dict[str, Any]:
        return {"StorageClass": self._asked.storage_class} if self._asked.storage_class else {}

    def _doing(self, what: str) -> AbstractContextManager[None]:
        return told(self.place, what)


def _client(place: BucketPlace, session: boto3.session.Session | None) -> S3Client:
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        request_checksum_calculation=place.checksum,
        # Whoever reads compares with the manifest. Some stores send the checksum of the whole
        # object with a part of it, and every resumed reading would fail.
        response_checksum_validation="when_required",
        max_pool_connections=max(10, 8 * place.upload_threads),
        s3={"addressing_style": "path"} if place.endpoint_url else None,
    )
    where = {"region_name": place.region, "endpoint_url": place.endpoint_url}
    given: dict[str, Any] = {name: value for name, value in where.items() if value}
    try:
        client = (session or boto3.session.Session()).client("s3", config=config, **given)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"The way to the backup store {place.words} is not usable: {error}.",
            next_step="Check region, endpoint and credentials of the backup store.",
        ) from None
    if place.object_lock_mode:
        send_digests(client, checksum=place.checksum == "when_supported")
    return client
