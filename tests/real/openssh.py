"""OpenSSH's server on loopback, and a line to it that can break."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.prefect_server import free_port

PROGRAMS = ("sshd", "ssh-keygen")
PACKAGES = ("openssh-server",)

START_SECONDS = 20
STOP_SECONDS = 10
LAST_WORDS_CHARS = 1500

_SEPARATION = Path("/run/sshd")
"""Without this empty folder the server does not start as root."""

CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_ed25519
HostKey {home}/host_ecdsa
AuthorizedKeysFile {home}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PidFile none
LogLevel VERBOSE
Subsystem sftp internal-sftp
# Nothing is ever written to a drop, moved or removed: -R would refuse it (F26).
ForceCommand internal-sftp -R
"""


@dataclass(frozen=True)
class Drop:
    """The server, a folder that it shows, and the keys to it."""

    port: int
    folder: Path
    host_key: str
    """As a feed names it."""
    private_key: str
    """The text of the one key that is let in."""
    other_key: str
    """The text of another one."""
    user: str
    home: Path

    def url(self, name: str, port: int | None = None) -> str:
        """The address of a file in the folder."""
        return f"sftp://127.0.0.1:{port or self.port}{self.folder}/{name}"

    def put(self, name: str, content: bytes) -> str:
        """Deliver as a good vendor does: under another name, then renamed. Returns the address."""
        being_written = self.folder / f".{name}.part"
        being_written.write_bytes(content)
        being_written.rename(self.folder / name)
        return self.url(name)


@contextmanager
def openssh() -> Iterator[Drop]:
    """A fresh server; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="armillary-sshd-") as folder:
        home = Path(folder)
        for name, kind in {
            "host_ed25519": "ed25519",
            "host_ecdsa": "ecdsa",
            "desk": "ed25519",
            "other": "ecdsa",
        }.items():
            _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(home / name))
        shutil.copy(home / "desk.pub", home / "authorized")
        (home / "drop").mkdir()
        port = free_port()
        (home / "sshd_config").write_text(CONFIGURATION.format(port=port, home=home))
        if os.geteuid() == 0:
            _SEPARATION.mkdir(mode=0o755, exist_ok=True)
        with _running(home, port):
            yield Drop(
                port,
                home / "drop",
                host_key=" ".join((home / "host_ed25519.pub").read_text().split()[:2]),
                private_key=(home / "desk").read_text(),
                other_key=(home / "other").read_text(),
                user=getpass.getuser(),
                home=home,
            )


def _run(program: str, *arguments: str) -> None:
    subprocess.run([program, *arguments], check=True, timeout=START_SECONDS)


@contextmanager
def _running(home: Path, port: int) -> Iterator[None]:
    program = shutil.which("sshd") or "sshd"  # which wants to be called by its whole path
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(home / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C must not end it before the tests
        )
    try:
        _wait_until_open(process, port, home / "log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_open(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"sshd did not start: {log.read_text()[-LAST_WORDS_CHARS:]}")


class BreakingLine:
    """Carries bytes to a port, and hangs up when so many came back."""

    def __init__(self, port: int, breaks_after_bytes: int, times: int) -> None:
        self._target, self._after, self._left = port, breaks_after_bytes, times
        self.calls = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End, with all that is under way."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self.calls += 1
                breaks, self._left = self._left > 0, self._left - 1
                far = socket.create_connection(("127.0.0.1", self._target))
                for source, sink, most in ((near, far, None), (far, near, breaks or None)):
                    given = (source, sink, self._after if most else None)
                    thread = threading.Thread(target=self._carry, args=given, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket, most: int | None) -> None:
        carried = 0
        with suppress(OSError):
            while chunk := source.recv(65536):
                carried += len(chunk)
                if most is not None and carried > most:
                    break
                sink.sendall(chunk)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
