"""The AWS command line: a client that others wrote, with an S3 library of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import zstandard

from tests.real.service import Service

PROGRAMS = ("aws", "sha256sum")
PACKAGES = ("awscli", "coreutils")

SECONDS = 60


class AwsCommand:
    """Runs it against a service, with nothing but the keys of that."""

    def __init__(self, service: Service, home: Path) -> None:
        # Debian's own before one of a Python environment, which may share boto's library with us.
        self._program = str(shutil.which("aws", path=f"/usr/bin{os.pathsep}{os.environ['PATH']}"))
        self._service = service
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            **service.environment,
        }

    def s3(self, *arguments: str) -> str:
        """``aws s3 …``: what it prints."""
        return self._run("s3", *arguments)

    def s3api(self, *arguments: str) -> str:
        """``aws s3api …``: what it prints."""
        return self._run("s3api", *arguments)

    def listed(self, address: str) -> dict[str, int]:
        """The sizes of all objects below ``s3://bucket/prefix/``, by their names below it."""
        prefix = address.split("/", 3)[3]
        lines = self.s3("ls", "--recursive", address).splitlines()
        found = (line.split(None, 3) for line in lines)
        return {key.removeprefix(prefix): int(size) for _, _, size, key in found}

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, "--endpoint-url", self._service.url, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


def sha256sum(folder: Path) -> dict[str, str]:
    """What the program of that name says of each file."""
    names = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(
        ["sha256sum", "--", *names], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = (line.split("  ", 1) for line in done.stdout.splitlines())
    return {name: digest for digest, name in lines}


def unpacked(path: Path) -> bytes:
    """The content of a file of a backup, as it was exported."""
    content = path.read_bytes()
    if path.suffix != ".zst":
        return content
    return zstandard.ZstdDecompressor().decompressobj().decompress(content)


def digest(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()
