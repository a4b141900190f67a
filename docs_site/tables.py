"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, with a blank line behind it.

    Args:
        head: names of the columns.
        rows: as many cells each; Markdown, in which line breaks and pipes do no harm.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n\n"


def code(value: Any) -> str:
    """A value as a person would write it in JSON, in the type of code."""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    paragraph = " ".join((text or "").strip().split("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "." if paragraph else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "&#124;")
