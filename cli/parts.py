"""The parts the demo stands on, each a process of its own that ends with the demo."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
from pydantic import SecretStr

from armillary.backup.place import BucketPlace
from armillary.errors import ArmillaryError
from armillary.settings import Settings
from cli.prefect_server import free_port

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

START_SECONDS = 60

STOP_SECONDS = 10

SCRATCH = "scratch"
"""The workspace of restore drills; its name says so, as the fence of a drill asks."""

_LINE = re.compile(
    r"simulator (?P<url>\S+) workspace=(?P<workspace>\S+) token=(?P<token>\S+)"
    r" cadenza=(?P<cadenza>\S+) email=(?P<email>\S+) password=(?P<password>\S+)"
)


@contextmanager
def simulator(*, runs: str) -> Iterator[Settings]:
    """A simulated Ptolemy with two empty workspaces, and a Cadenza; yields settings for them.

    The second workspace is the scratch workspace of restore drills.

    Args:
        runs: folder for what the runs leave.

    Raises:
        ArmillaryError: it did not start.
    """
    from simulator.config import Config  # noqa: PLC0415 - a web server nobody else needs

    described = Path(runs) / "simulator.yaml"
    described.write_text(f"workspaces: [{{slug: demo}}, {{slug: {SCRATCH}}}]\n", encoding="utf-8")
    command = [sys.executable, "-m", "simulator", "--config", str(described), "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = _LINE.match(line)
            if found is None:
                said = process.stderr.read() if process.stderr else line
                raise ArmillaryError("The simulator did not start.", next_step=said)
            yield Settings(
                ptolemy_url=found["url"],
                ptolemy_workspace=found["workspace"],
                ptolemy_token=SecretStr(found["token"]),
                ptolemy_concurrency_limit="",
                scratch_workspace=SCRATCH,
                scratch_token=SecretStr(Config.load(described).token(SCRATCH, "member")),
                cadenza_url=found["cadenza"],
                cadenza_email=found["email"],
                cadenza_password=SecretStr(found["password"]),
                runs=runs,
            )
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


@dataclass(frozen=True)
class Store:
    """An empty S3 service, and how the demo calls its bucket there."""

    endpoint_url: str
    bucket: str = "backups"
    environment: Mapping[str, str] = field(
        default_factory=lambda: {
            "AWS_ACCESS_KEY_ID": "embedded",
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        repr=False,
    )

    @property
    def place(self) -> BucketPlace:
        """For reading behind the flows' back."""
        return BucketPlace(self.bucket, endpoint_url=self.endpoint_url)

    @property
    def client(self) -> S3Client:
        """A plain client, for what no flow does."""
        return boto3.client("s3", endpoint_url=self.endpoint_url)


@contextmanager
def s3_service() -> Iterator[Store]:
    """An S3 service in memory. Its credentials are to be put into the environment.

    Raises:
        ArmillaryError: it did not start.
    """
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    store = Store(f"http://127.0.0.1:{port}")
    with subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            _wait_for(process, store.endpoint_url)
            yield store
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(timeout=2) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                client.get(f"{url}/moto-api/")
                return
            except httpx.TransportError:
                time.sleep(0.1)
    raise ArmillaryError(
        "The embedded S3 service did not start.",
        next_step="It comes with the extra `simulator`: pip install 'armillary[simulator]'.",
    )
