"""A desk on which the pages' commands are typed: bash, and programs of this process behind it.

Everything a page shows runs as it stands there, in a folder that looks like a clone. The programs
of the environment are played by this process, so that they need no start of their own:
``armillary`` and ``python`` really run, ``prefect`` and ``make`` are looked at.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.main import get_command

import cli.console
from cli.main import app
from tests.docs.shown import Block

ROOT = Path(__file__).resolve().parents[2]

BLOCK_SECONDS = 120

_CLIENT = """#!{python} -IS
import json, os, socket, sys
desk = socket.socket(socket.AF_UNIX)
desk.connect({address!r})
told = sys.stdin.read() if sys.argv[1:2] == ["-"] else ""
asked = dict(program={program!r}, arguments=sys.argv[1:], folder=os.getcwd(), told=told)
asked["environment"] = dict(os.environ)
desk.sendall(json.dumps(asked).encode())
desk.shutdown(socket.SHUT_WR)
answer = json.loads(b"".join(iter(lambda: desk.recv(65536), b"")))
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""

Program = Callable[["Asked"], int]


@dataclass
class Asked:
    """A program that a page starts; what it prints comes out of bash."""

    program: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    told: str
    """Its standard input, if it reads that."""
    out: io.StringIO = field(default_factory=io.StringIO)
    err: io.StringIO = field(default_factory=io.StringIO)


@dataclass(frozen=True)
class Failed:
    """A command that did not end with 0."""

    code: int
    command: str


class Desk:
    """A shell whose environment outlives the blocks that are typed into it."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        programs: Mapping[str, Program],
        only: str = "",
    ) -> None:
        """Make the folder.

        Args:
            folder: empty; the clone is made below it.
            environment: what a terminal has before the first export.
            programs: what is played here, by names as they are typed.
            only: rows of the demo's files that have this in them; blank leaves the files whole.
        """
        self.clone = folder / "clone"
        self._folder = folder
        self._programs = programs
        self._first = dict(environment)
        (self.clone / ".venv" / "bin").mkdir(parents=True)
        (folder / "bin").mkdir()
        (self.clone / "prefect.yaml").symlink_to(ROOT / "prefect.yaml")
        shutil.copytree(ROOT / "examples", self.clone / "examples")
        for path in (self.clone / "examples" / "demo").glob("*.csv") if only else ():
            [head, *rows] = path.read_text().splitlines(keepends=True)
            path.write_text("".join([head, *(row for row in rows if only in row)]))
        address = str(folder / "desk")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(address)
        self._listening.listen()
        for name in programs:
            client = self.clone / name if "/" in name else folder / "bin" / name
            client.write_text(_CLIENT.format(python=sys.executable, address=address, program=name))
            client.chmod(0o755)
        self.start_anew()

    def close(self) -> None:
        """End."""
        self._listening.close()

    def start_anew(self) -> None:
        """A terminal that has just been opened."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self._first.items()]
        (self._folder / "state").write_text("\n".join([*lines, f"cd {self.clone}"]))

    def type(self, block: Block, text: str) -> tuple[list[Failed], str]:
        """Run a block in bash, to its end.

        Args:
            block: it is named in messages.
            text: of the block, with what it leaves open filled in.

        Returns:
            What did not end with 0, and what was printed.
        """
        state, failed, said = (self._folder / name for name in ("state", "failed", "said"))
        failed.write_text("")
        script = self._folder / "block"
        script.write_text(text)
        program = (
            f"set -o pipefail; source {state}\n"
            f"trap 'echo \"$?\t${{BASH_COMMAND//[$'\"'\\n'\"']/ }}\" >>{failed}' ERR\n"
            f"source {script}\n"
            f'trap - ERR; {{ export -p; echo cd "$PWD"; }} >{state}\n'
        )
        path = f"{self._folder / 'bin'}:/usr/bin:/bin"
        with (
            said.open("w") as output,
            subprocess.Popen(
                ["/usr/bin/env", "-i", f"PATH={path}", "bash", "--norc", "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            ) as bash,
        ):
            self._serve(bash, block)
        found = [line.split("\t", 1) for line in failed.read_text().splitlines()]
        told = [Failed(int(code), command.strip()) for code, command in found]
        return [it for it in told if not it.command.startswith("source ")], said.read_text()

    def _serve(self, bash: subprocess.Popen[bytes], block: Block) -> None:
        deadline = time.monotonic() + BLOCK_SECONDS
        while bash.poll() is None:
            if time.monotonic() > deadline:
                bash.kill()
                raise TimeoutError(f"{block} has not ended within {BLOCK_SECONDS} seconds")
            if select.select([self._listening], [], [], 0.02)[0]:
                with self._listening.accept()[0] as client:
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        asked = Asked(**json.loads(b"".join(iter(lambda: client.recv(65536), b""))))
        code = self._programs[asked.program](asked)
        said: dict[str, Any] = {
            "code": code,
            "out": asked.out.getvalue(),
            "err": asked.err.getvalue(),
        }
        client.sendall(json.dumps(said).encode())


@contextlib.contextmanager
def _in_place_of_the_caller(asked: Asked) -> Any:
    """Be in the folder and environment of the program that is played, and print to its output."""
    kept, folder = dict(os.environ), Path.cwd()
    files = cli.console.out.file, cli.console.err.file
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.folder)
    cli.console.out.file, cli.console.err.file = asked.out, asked.err
    try:
        with contextlib.redirect_stdout(asked.out), contextlib.redirect_stderr(asked.err):
            yield
    finally:
        cli.console.out.file, cli.console.err.file = files
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(kept)


def armillary(asked: Asked) -> int:
    """The command itself, in this process."""
    with _in_place_of_the_caller(asked):
        try:
            app(asked.arguments, prog_name="armillary")
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def parsed(asked: Asked) -> int:
    """The command line alone: are the command and its options real?"""
    [name, *given] = asked.arguments
    get_command(app).commands[name].make_context(name, given)  # type: ignore[attr-defined]
    return 0


def python(asked: Asked) -> int:
    """``python -`` and ``python -c``, in this process."""
    source = asked.told if asked.arguments[0] == "-" else asked.arguments[1]
    with _in_place_of_the_caller(asked):
        exec(compile(source, "shown", "exec"), {"__name__": "__main__"})
    return 0
