"""Where backups lie, and how what lies there is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from armillary.errors import ConfigurationError
from armillary.settings import Settings

MIB = 1024**2

LEAST_PART_BYTES = 5 * MIB
"""S3 takes no smaller part of an upload, the last one excepted."""


@dataclass(frozen=True)
class BucketPlace:
    """A prefix of a bucket, the way to it, and what is asked of the store.

    Attributes:
        bucket: its name.
        prefix: below which everything lies; blank for the whole bucket.
        region: of the bucket; None leaves it to the machine's own configuration.
        endpoint_url: of a store that is not Amazon's.
        checksum: ``when_supported`` sends checksums with every part; older stores over TLS answer
            411 to that and need ``when_required``.
        encryption: by the store; None leaves it to the bucket's default.
        kms_key_id: of ``aws:kms``; None for the store's default key.
        object_lock_mode: nobody may change or remove what is written, for ``object_lock_days``.
        object_lock_days: see above.
        storage_class: of the files; None for the store's default.
        part_bytes: of a multipart upload. 10,000 parts make the largest file.
        upload_threads: parts under way at once; each is held in memory.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint_url: str | None = None
    checksum: Literal["when_supported", "when_required"] = "when_supported"
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key_id: str | None = None
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None = None
    object_lock_days: int | None = None
    storage_class: str | None = None
    part_bytes: int = 8 * MIB
    upload_threads: int = 4

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ConfigurationError: the message says what.
        """
        if not self.bucket:
            raise ConfigurationError(
                "The backup store has no bucket.",
                next_step="Name it in the Backup Store block, or in ARMILLARY_STORE_BUCKET.",
            )
        if (self.object_lock_mode is None) != (self.object_lock_days is None):
            raise ConfigurationError(
                f"The backup store {self.words} has half of an Object Lock: a mode and a number "
                "of days belong together.",
                next_step="Give both, or none for no lock.",
            )
        if self.part_bytes < LEAST_PART_BYTES:
            raise ConfigurationError(
                f"Parts of {self.part_bytes:,} bytes are too small: S3 takes none below 5 MiB.",
                next_step="Set part_bytes (ARMILLARY_STORE_PART_BYTES) to 8388608.",
            )

    @property
    def words(self) -> str:
        """For people: ``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix.strip('/')}".rstrip("/")


def place_of(settings: Settings) -> BucketPlace:
    """Where this machine's settings say that backups lie.

    Raises:
        ConfigurationError: no bucket is named.
    """
    if not settings.store_bucket:
        raise ConfigurationError(
            "ARMILLARY_STORE_BUCKET must be set in the environment.",
            next_step="Name the bucket where backups lie; see docs/guides/backup.md.",
        )
    return BucketPlace(
        bucket=settings.store_bucket,
        prefix=settings.store_prefix,
        endpoint_url=settings.store_endpoint_url,
        checksum=settings.store_checksum,
        part_bytes=settings.store_part_bytes,
        upload_threads=settings.store_upload_threads,
    )
