"""Where backups lie."""

from __future__ import annotations

from typing import Literal

from prefect_aws.credentials import AwsCredentials
from pydantic import Field, HttpUrl

from armillary.backup.bucket import Bucket
from armillary.backup.place import LEAST_PART_BYTES, MIB, BucketPlace
from blocks.schema_once import SchemaOnce


class BackupStore(SchemaOnce):
    """A prefix of an S3 bucket where backups of workspaces lie.

    Example:
        Load a stored backup store and list the backups of a workspace:
        ```python
        from armillary.backup.catalogue import Catalogue
        from blocks import BackupStore

        bucket = BackupStore.load("BLOCK_NAME").open()
        for backup in Catalogue(bucket, "my-workspace").list():
            print(backup.backup_id, backup.state)
        ```
    """

    _block_type_name = "Backup Store"
    _block_type_slug = "backup-store"
    _description = "A prefix of an S3 bucket where backups of Ptolemy workspaces lie."
    _documentation_url = HttpUrl(
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html"
    )

    bucket: str = Field(title="Bucket", description="Name of the bucket.")
    prefix: str = Field(
        default="",
        title="Prefix",
        description="Below which everything lies; empty means the whole bucket.",
    )
    region: str | None = Field(
        default=None,
        title="Region",
        description="Region of the bucket; empty means that of the credentials or the machine.",
    )
    endpoint_url: str | None = Field(
        default=None,
        title="Endpoint",
        description="Address of an S3 service that is not Amazon's.",
    )
    credentials: AwsCredentials | None = Field(
        default=None,
        title="Credentials",
        description="An AWS Credentials block; empty means the credentials of the machine.",
    )
    checksum: Literal["when_supported", "when_required"] = Field(
        default="when_supported",
        title="Checksums",
        description="Older S3 services over TLS answer 411 to checksums: then choose "
        "when_required.",
    )
    encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None,
        title="Encryption",
        description="By the store; empty means what the bucket does by default.",
    )
    kms_key_id: str | None = Field(
        default=None,
        title="KMS key",
        description="Key for aws:kms; empty means the default key.",
    )
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None = Field(
        default=None,
        title="Object Lock mode",
        description="Nobody can change or remove what is written; the bucket must have Object "
        "Lock.",
    )
    object_lock_days: int | None = Field(
        default=None,
        ge=1,
        title="Object Lock days",
        description="For how long; together with the mode.",
    )
    storage_class: str | None = Field(
        default=None,
        title="Storage class",
        description="Of the files; empty means the store's default.",
    )
    part_bytes: int = Field(
        default=8 * MIB,
        ge=LEAST_PART_BYTES,
        title="Part size in bytes",
        description="Of a multipart upload. 10,000 parts make the largest file, so 8 MiB allow "
        "78 GiB.",
    )
    upload_threads: int = Field(
        default=4,
        ge=1,
        le=32,
        title="Upload threads",
        description="Parts of one file under way at once; each is held in memory.",
    )

    def open(self) -> Bucket:
        """The bucket; nothing is asked of it yet.

        Raises:
            ConfigurationError: the fields contradict each other.
        """
        own = set(BucketPlace.__dataclass_fields__)
        place = BucketPlace(**{name: getattr(self, name) for name in own})
        session = self.credentials.get_boto3_session() if self.credentials else None
        return Bucket(place, session)
