"""The project's pages as the tests look at them: tables, links, commands, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from docs_site.anchors import slug

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"

Cells = list[str]

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_COMMAND = re.compile(r"^(?:\.venv/bin/)?armillary(?: |$)")


def pages() -> list[Path]:
    """Every page of the repository; nothing inside hidden folders, such as the environment."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


@cache
def text_of(page: Path) -> str:
    """What a page says; ``page`` is relative to the root of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def reference(name: str) -> str:
    """What a reference page says."""
    return text_of((REFERENCE / name).relative_to(ROOT))


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", text)


def section(text: str, heading: str) -> str:
    """What stands below ``## heading``, up to the next heading of that level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found, f"no heading {heading!r}"
    return found[1]


def table_rows(text: str) -> dict[str, list[Cells]]:
    """The rows of all tables by the codes of their first cell: ``| `name`, `slug` | ... |``."""
    rows: dict[str, list[Cells]] = {}
    for line in prose(text).splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.replace(r"\|", "&#124;").split("|")[1:-1]]
            for code in _CODE.findall(cells[0]):
                rows.setdefault(code, []).append(cells)
    return rows


def links(page: Path) -> list[str]:
    """The relative links of a page."""
    found = _LINK.findall(_CODE.sub("", prose(text_of(page))))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """What a link may name behind its ``#``, as GitHub makes it of a heading."""
    headings = _HEADING.findall(prose(text_of(page)))
    return {slug(heading) for heading in headings}


def shown_commands(page: Path) -> Iterator[list[str]]:
    """Arguments of the ``armillary`` commands in the blocks of code: whole commands, to be run."""
    for _, language, block in _FENCE.findall(text_of(page)):
        if language in ("", "sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                if _COMMAND.match(line.strip()):
                    yield shlex.split(line, comments=True)[1:]


def mentioned_commands(page: Path) -> Iterator[list[str]]:
    """Arguments of the ``armillary`` commands inside sentences: often without what they need."""
    for code in _CODE.findall(prose(text_of(page))):
        if _COMMAND.match(code):
            yield shlex.split(code)[1:]


def named_paths(page: Path) -> Iterator[str]:
    """Files and folders of the repository that a page names in code."""
    tops = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for code in _CODE.findall(prose(text_of(page))):
        if "/" in code and code.split("/")[0] in tops and re.fullmatch(r"[\w./-]+", code):
            yield code
