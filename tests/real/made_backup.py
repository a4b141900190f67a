"""Whole backups, made by the flow out of a simulated workspace."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Backup, Catalogue
from armillary.backup.manifest import Manifest
from armillary.backup.outcome import BackupResult
from armillary.backup.place import MIB
from simulator import Simulator
from tests.backup.workspace import seed
from tests.real.service import PREFIX, REGION, Service

WORKSPACE = "demo"

LARGE = "market_calendars"
"""The type whose file takes several parts, packed or not."""

LARGE_ROWS = 300
DESCRIPTION_BYTES = 24 * 1024


@dataclass(frozen=True)
class MadeBackup:
    """A backup, where it lies, and what the workspace had exported for it."""

    service: Service
    bucket_name: str
    result: BackupResult
    exported: Mapping[str, str]
    """SHA-256 of the service's own file, by type."""

    @property
    def address(self) -> str:
        """For any client of S3."""
        return f"s3://{self.bucket_name}/{PREFIX}/{WORKSPACE}/{self.result.backup_id}/"

    @property
    def bucket(self) -> Bucket:
        """Where it lies."""
        return self.service.bucket(self.bucket_name)

    @property
    def found(self) -> Backup:
        """As the catalogue has it."""
        return Catalogue(self.bucket, WORKSPACE).get(self.result.backup_id)

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        manifest = self.found.manifest
        assert manifest
        return manifest


def store_block(service: Service, bucket_name: str, **asked: Any) -> Any:
    """A Backup Store with an AWS Credentials block; parts are as small as S3 allows."""
    from prefect_aws.credentials import AwsCredentials  # noqa: PLC0415 - after the server's settings

    from blocks import BackupStore  # noqa: PLC0415

    credentials = AwsCredentials(
        aws_access_key_id=service.access_key,
        aws_secret_access_key=SecretStr(service.secret_key),
        region_name=REGION,
    )
    return BackupStore(
        bucket=bucket_name,
        prefix=PREFIX,
        endpoint_url=service.url,
        credentials=credentials,
        part_bytes=5 * MIB,
        **asked,
    )


def back_up(sim: Simulator, store: Any, **asked: Any) -> Any:
    """The final state of a flow run."""
    from flows.backup_workspace import backup_workspace  # noqa: PLC0415 - after the server's settings

    return backup_workspace(_workspace(sim), store, return_state=True, **asked)


def make_backup(
    sim: Simulator, service: Service, bucket_name: str, *, compression: str, **asked: Any
) -> MadeBackup:
    """A backup of a workspace in which one type is large."""
    seed(sim)
    sim.seed_all({LARGE: _large()})
    state = back_up(sim, store_block(service, bucket_name, **asked), compression=compression)
    assert state.name == "Completed", state.message
    made = MadeBackup(service, bucket_name, state.result(), {})
    with _workspace(sim).connect() as ptolemy:
        links = {
            entry.resource_type: ptolemy.exports.get(entry.job_id).download_url
            for entry in made.manifest.files
        }
    exported = {kind: _sha256(link) for kind, link in links.items()}
    return MadeBackup(service, bucket_name, made.result, exported)


def _workspace(sim: Simulator) -> Any:
    from blocks import PtolemyWorkspace  # noqa: PLC0415 - after the server's settings

    return PtolemyWorkspace(url=f"{sim.url}/v1", workspace=WORKSPACE, token=sim.token)


def _sha256(link: SecretStr | None) -> str:
    assert link
    return hashlib.sha256(httpx.get(link.get_secret_value()).content).hexdigest()


def _large() -> Iterator[Mapping[str, Any]]:
    """Text that packs to three quarters at best."""
    source, first = random.Random(7), date(2027, 1, 1)
    for number in range(LARGE_ROWS):
        text = base64.b64encode(source.randbytes(DESCRIPTION_BYTES)).decode()
        yield {
            "market_id": "xasx",
            "date": (first + timedelta(days=number)).isoformat(),
            "is_open": False,
            "description": text,
        }
