"""The list of decisions: numbers and titles, from the pages' own headings."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "decisions"

HEAD = """# Decisions

Choices that were not obvious, one page each: why, what else there was, and what follows. A page is
never rewritten to say the opposite; a later one replaces it and says so.

"""


def titles() -> dict[str, str]:
    """Names of the files in order, with the heading of each."""
    return {
        path.name: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for path in sorted(FOLDER.glob("[0-9]*.md"))
    }


def page() -> str:
    """The list."""
    return HEAD + "".join(f"- [{title}]({name})\n" for name, title in titles().items())
