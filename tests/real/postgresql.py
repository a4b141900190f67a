"""A PostgreSQL of its own, on loopback: made, started, and gone with the block."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from cli.prefect_server import free_port
from tests.real.programs import needed

PROGRAMS = ("initdb", "pg_ctl")
PACKAGES = ("postgresql",)
PASSWORD = "s3cr3t-pa55"

_DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian puts the programs, which are in nobody's PATH."""


@dataclass(frozen=True)
class PostgreSql:
    """A server with the database ``postgres``, its owner ``owner`` and the user ``reader``."""

    port: int

    def address(self, user: str = "owner", password: str = PASSWORD, **parts: str) -> SecretStr:
        database = parts.get("database", "postgres")
        return SecretStr(f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}")

    def run(self, statement: str) -> None:
        """Run something as the owner, and commit it."""
        import psycopg  # noqa: PLC0415 - only where the server is

        plain = self.address().get_secret_value()
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(statement.encode())

    def ask(self, query: str) -> object:
        """The one value a query has."""
        import psycopg  # noqa: PLC0415

        with psycopg.connect(self.address().get_secret_value()) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def path() -> str:
    """Where the programs are looked for."""
    debian = sorted(_DEBIAN.glob("*/bin"), reverse=True) if _DEBIAN.is_dir() else []
    return os.pathsep.join([os.environ.get("PATH", ""), *map(str, debian)])


@contextmanager
def postgresql() -> Iterator[PostgreSql]:
    """The server as long as the block runs; skips where its programs are missing."""
    needed(PROGRAMS, PACKAGES, path())
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        data, secret = Path(folder) / "data", Path(folder) / "password"
        secret.write_text(PASSWORD)
        user = _somebody(folder, secret)
        port = free_port()
        _as(user, "initdb", "-D", data, "-A", "scram-sha-256", "-U", "owner",
            f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--locale=C")  # fmt: skip
        # In another zone than UTC: what is read must not depend on it.
        options = (
            f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off "
            "-c timezone=Asia/Tokyo"
        )
        _as(user, "pg_ctl", "-D", data, "-w", "-l", Path(folder) / "log", "-o", options, "start")
        try:
            server = PostgreSql(port)
            server.run(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
            yield server
        finally:
            _as(user, "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _somebody(folder: str, secret: Path) -> str | None:
    """PostgreSQL refuses to run as root: then the system's own user for it does."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in ("postgres", "nobody") if name in known)
    for each in (folder, secret):
        shutil.chown(each, user)
    return user


def _as(user: str | None, program: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [str(shutil.which(program, path=path())), *map(str, arguments)],
        user=user,
        cwd="/",
        env={"PATH": path(), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
