"""The blocks of commands that the pages show, in the order in which a reader meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import text_of

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## .+$", re.MULTILINE)
_PROGRAM = re.compile(
    r"^(?:\.venv/bin/\w|armillary |prefect |make |export |unset |curl |aws |cp |mkdir |cat |pip "
    r"|python3? |docker |podman |kubectl |sudo |systemctl |git |cd |for |grep |zcat |jq |printf )"
)

SHELL = ("bash", "sh", "console", "shell")


@dataclass(frozen=True)
class Block:
    """A block of commands."""

    page: str
    line: int
    """Where its first command stands."""
    part: int
    """How many headings of the second level stand above it."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Its lines without what continues or feeds another: one for each command."""
        text = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "", self.text, flags=re.MULTILINE | re.DOTALL)
        lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks_of(page: str) -> Iterator[Block]:
    """The blocks of commands of one page; ``page`` is relative to the root of the repository."""
    text = text_of(Path(page))
    for found in _FENCE.finditer(text):
        indent, language, body = found.groups()
        content = "\n".join(line.removeprefix(indent) for line in body.splitlines()) + "\n"
        if language in SHELL or (not language and _is_shell(content)):
            line = text.count("\n", 0, found.start()) + 2
            yield Block(page, line, len(_HEADING.findall(text[: found.start()])), content)


def _is_shell(content: str) -> bool:
    """Whether it is commands although it does not say so; output begins otherwise."""
    first = next((line for line in content.splitlines() if line.strip()), "")
    return bool(_PROGRAM.match(first))
