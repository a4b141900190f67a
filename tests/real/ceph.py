"""Ceph on loopback: one monitor, one storage daemon that keeps all in memory, one S3 gateway.

It is as small as the gateway accepts: a manager daemon only counts, and nobody asks it here.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.prefect_server import free_port
from tests.real.service import Service

PROGRAMS = (
    "ceph-authtool",
    "monmaptool",
    "ceph-mon",
    "ceph-osd",
    "radosgw",
    "radosgw-admin",
)
PACKAGES = ("ceph-mon", "ceph-osd", "radosgw", "ceph-common")

START_SECONDS = 60
STOP_SECONDS = 20
LAST_WORDS_CHARS = 1500

CAPABILITIES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "client.rgw.a": {"mon": "allow rwx", "osd": "allow rwx"},
}
"""What the monitor is told when it is made, so that nobody has to be enrolled afterwards."""

CONFIGURATION = """
[global]
fsid = {cluster}
mon host = {monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = {home}/keyring
crash dir = {home}
admin socket =
log file =
log to stderr = true
err to stderr = true
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail warn = 0
mon data avail crit = 0
# A second to gather changes of the cluster is most of the time a start takes.
paxos propose interval = 0.05
paxos min wait = 0.01
[mon.a]
mon data = {home}/mon
[osd.0]
osd data = {home}/osd
[client.rgw.a]
rgw data = {home}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} \
ssl_certificate={certificate} ssl_private_key={key}
"""


@contextmanager
def ceph(certificate: str, key: str) -> Iterator[Service]:
    """A fresh gateway with one user; everything is gone afterwards.

    Args:
        certificate: file of the gateway's certificate for 127.0.0.1.
        key: file of its key.
    """
    with tempfile.TemporaryDirectory(prefix="armillary-ceph-") as folder, ExitStack() as stack:
        cluster = _Cluster(Path(folder))
        monitor, port, tls_port = free_port(), free_port(), free_port()
        cluster.configure(monitor, port=port, tls_port=tls_port, certificate=certificate, key=key)
        # The stack ends them the other way round: one that has lost its monitor does not end.
        stack.enter_context(cluster.running("ceph-mon", "--id", "a"))
        stack.enter_context(cluster.running("ceph-osd", "--id", "0"))
        gateway = stack.enter_context(cluster.running("radosgw", "--name", "client.rgw.a"))
        cluster.wait_until_open(gateway, "radosgw", port)
        access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
        cluster.run(
            "radosgw-admin", "user", "create", "--uid=desk", "--display-name=desk",
            f"--access-key={access_key}", f"--secret-key={secret_key}",
        )  # fmt: skip
        yield Service(
            f"http://127.0.0.1:{port}",
            access_key,
            secret_key,
            tls_url=f"https://127.0.0.1:{tls_port}",
        )


class _Cluster:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._configuration = home / "ceph.conf"
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("CEPH_")
        }

    def configure(self, monitor_port: int, **ports_and_files: int | str) -> None:
        """Write configuration and keys, and the first state of monitor and storage daemon."""
        cluster, monitor = str(uuid.uuid4()), f"v2:127.0.0.1:{monitor_port}"
        self._configuration.write_text(
            CONFIGURATION.format(
                home=self._home, cluster=cluster, monitor=monitor, **ports_and_files
            )
        )
        for folder in ("mon", "osd", "rgw"):
            (self._home / folder).mkdir()
        keyring, monitors = str(self._home / "keyring"), str(self._home / "monmap")
        self.run("ceph-authtool", "--create-keyring", keyring)
        for name, capabilities in CAPABILITIES.items():
            allowed = [word for pair in capabilities.items() for word in ("--cap", *pair)]
            self.run("ceph-authtool", keyring, "--gen-key", "--name", name, *allowed)
        made = ("--create", "--fsid", cluster, "--addv", "a", f"[{monitor}]")
        self.run("monmaptool", *made, monitors)
        given = ("--monmap", monitors, "--keyring", keyring)
        self.run("ceph-mon", "--id", "a", "--mkfs", *given)
        own = ("--osd-uuid", str(uuid.uuid4()), "--no-mon-config")
        self.run("ceph-osd", "--id", "0", "--mkfs", *own)

    def run(self, program: str, *arguments: str) -> None:
        """Run a program to its end."""
        done = subprocess.run(
            [program, "--conf", self._configuration, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr[-LAST_WORDS_CHARS:]}")

    @contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a daemon running."""
        with self._log(program).open("wb") as output:
            process = subprocess.Popen(
                [program, "--conf", self._configuration, "--foreground", *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C must not end the monitor first
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_until_open(self, process: subprocess.Popen[bytes], program: str, port: int) -> None:
        """Wait until somebody listens."""
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        words = {
            log.name: log.read_text(errors="replace")[-LAST_WORDS_CHARS:]
            for log in self._home.glob("*.log")
        }
        raise RuntimeError(f"{program} did not start within {START_SECONDS} seconds: {words}")

    def _log(self, program: str) -> Path:
        return self._home / f"{program}.log"
