"""Links of the pages that lead out of ``docs/``: on the site what they name is a page, too."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# What is a page already keeps its own name; the README's place is taken by the start page.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docs/decisions": "decisions/index.md",
}

_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_LANGUAGES = {".yaml": "yaml", ".py": "python", ".json": "json", ".toml": "toml"}


@dataclass(frozen=True)
class Shelf:
    """Where each file of the repository is found on the site."""

    def place(self, path: str) -> str:
        """The page of a file; ``path`` is relative to the root of the repository."""
        if path in PAGES:
            return PAGES[path]
        inside = path.removeprefix("docs/")
        return inside if inside != path else f"files/{path.replace('/', '-').lstrip('.')}.md"

    def source(self, page: str) -> str:
        """The file that a page of the site was made from; the reverse of ``place``."""
        from_the_root = {place: path for path, place in PAGES.items() if path.endswith(".md")}
        return f"docs/{page}" if page == "index.md" else from_the_root.get(page, f"docs/{page}")


SHELF = Shelf()


def rewritten(text: str, page: str) -> str:
    """A page's text with links that work on the site.

    Args:
        text: as it stands in the file, or as it was made.
        page: its name on the site, such as ``guides/backup.md``.
    """
    parts = _CODE.split(text)
    return "".join(
        part if place % 2 else _LINK.sub(lambda found: _target(found, page), part)
        for place, part in enumerate(parts)
    )


def named_outside() -> list[str]:
    """Files that pages of ``docs/`` name and that are no pages themselves, without their twins."""
    found: set[str] = set()
    sources = [*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    for source in sources:
        folder = source.relative_to(ROOT).parent.as_posix()
        for link, _ in _LINK.findall(_CODE.sub("", source.read_text(encoding="utf-8"))):
            path = _resolved(link, folder)
            if path and not path.startswith("docs/") and path not in PAGES:
                found.add(path)
    return sorted(path for path in found | {"prefect.yaml"} if (ROOT / path).is_file())


def as_page(path: str) -> str:
    """A file as a page of the site."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    language = _LANGUAGES.get(Path(path).suffix, "text")
    return f"# {path}\n\n````{language}\n{text.rstrip()}\n````\n"


def _target(found: re.Match[str], page: str) -> str:
    link, anchor = found[1], found[2] or ""
    path = _resolved(link, posixpath.dirname(SHELF.source(page)))
    if path is None:
        return found[0]
    place = SHELF.place(path.rstrip("/"))
    if path == "README.md":
        anchor = ""
    return posixpath.relpath(place, posixpath.dirname(page) or ".") + anchor


def _resolved(link: str, folder: str) -> str | None:
    """The path from the root of the repository, or None for an address elsewhere."""
    if re.match(r"[a-z]+:", link):
        return None
    return posixpath.normpath(posixpath.join(folder, link))
