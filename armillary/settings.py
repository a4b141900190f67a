"""What belongs to the machine: environment variables that start with ``ARMILLARY_``."""

from __future__ import annotations

from typing import Any, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from armillary.errors import ConfigurationError

PUBLIC_API = "https://api.ptolemy.cloud/v1"
CADENZA_API = "https://cadenza-api.algo724.com"


def _user_data_folder() -> str:
    return str(platformdirs.user_data_path("armillary") / "runs")


def _name(found: ErrorDetails) -> str:
    return ".".join(str(part) for part in found["loc"]).upper()


class Settings(BaseSettings):
    """Read once per process start; every name is documented in docs/reference/settings.md."""

    model_config = SettingsConfigDict(env_prefix="ARMILLARY_", extra="ignore")

    def __init__(self, **given: Any) -> None:
        """Read the environment; ``given`` wins over it.

        Raises:
            ConfigurationError: a value cannot be; the message names it and never shows it.
        """
        try:
            super().__init__(**given)
        except ValidationError as error:
            wrong = [f"ARMILLARY_{_name(found)}: {found['msg']}." for found in error.errors()]
            raise ConfigurationError(
                f"The environment has values that cannot be. {' '.join(wrong)}",
                next_step="docs/reference/settings.md says what each may be.",
            ) from None

    ptolemy_url: str = Field(PUBLIC_API, description="Base address of the Ptolemy API.")
    ptolemy_workspace: str = Field("", description="Slug or UUID of the workspace.")
    ptolemy_token: SecretStr = Field(SecretStr(""), description="Robot token (Member to apply).")
    ptolemy_concurrency_limit: str = Field(
        "",
        description="Name of a Prefect global concurrency limit that processes with this token "
        "share.",
    )
    scratch_workspace: str = Field(
        "", description="Slug or UUID of the workspace that restore drills write into."
    )
    scratch_token: SecretStr = Field(
        SecretStr(""), description="Robot token of the scratch workspace (Member)."
    )
    scratch_pattern: str = Field(
        "*scratch*",
        min_length=1,
        description="What the slug of a scratch workspace looks like; a drill writes into no other "
        "workspace.",
    )
    cadenza_url: str = Field(
        CADENZA_API,
        description="Base address of Cadenza: production unless another is given, such as UAT.",
    )
    cadenza_email: str = Field("", description="Account of Cadenza; with its password.")
    cadenza_password: SecretStr = Field(SecretStr(""), description="Password of that account.")
    cadenza_token: SecretStr = Field(
        SecretStr(""), description="Access token of Cadenza instead of an account; lasts an hour."
    )
    heartbeat_url: SecretStr = Field(
        SecretStr(""),
        description="Address that scheduled runs ping, as services like healthchecks.io take it; "
        "{flow} and {deployment} in it stand for the names.",
    )
    runs: str = Field(
        default_factory=_user_data_folder,
        description="Folder or s3:// address where runs leave what the next one needs.",
    )
    lease_seconds: float = Field(
        120.0,
        gt=0,
        description="How long a dead run keeps others from the same feed and workspace; a living "
        "one renews its lease every third of it.",
    )
    outage_seconds: float = Field(
        300.0,
        ge=0,
        description="How long an apply waits for a Ptolemy that is down before it gives up.",
    )
    task_runner: str = Field(
        "threads",
        pattern=r"^(threads|dask|(tcp|tls)://\S+)$",
        description="What writes the batches of a large sync and reads a large backup that is "
        "verified: threads of this process, dask (some processes of this machine), or a Dask "
        "scheduler's address (tls://, or tcp:// on this machine).",
    )
    job_seconds: float = Field(
        7200.0,
        gt=0,
        description="How long an export or import job may take before the run gives it up.",
    )
    poll_seconds: float = Field(
        1.0,
        gt=0,
        description="When a job is first asked for after it was submitted; the pauses then grow, "
        "because each poll is an API call.",
    )
    store_bucket: str = Field("", description="Bucket where backups lie.")
    store_prefix: str = Field("", description="Below which they lie there.")
    store_checksum: Literal["when_supported", "when_required"] = Field(
        "when_supported",
        description="Whether checksums go with each part; older stores answer 411 to that.",
    )
    store_part_bytes: int = Field(
        8 * 1024**2, ge=5 * 1024**2, description="Part of a multipart upload, in bytes."
    )
    store_upload_threads: int = Field(
        4, ge=1, le=32, description="Parts of one file under way at once."
    )
    store_endpoint_url: str | None = Field(
        None, description="Address of an S3 service that is not Amazon's."
    )
