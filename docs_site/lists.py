"""Lists as GitHub reads them, in the indentation that Python-Markdown asks for."""

from __future__ import annotations

import re

_ITEM = re.compile(r"^( *)([-*]|\d+\.)( +)(?=\S)")
_FENCE = re.compile(r"^ *(```|~~~)")

WIDTH = 4
"""Blanks for each level of a list, whatever its marker."""


def with_wide_lists(text: str) -> str:
    """Indent what belongs to an item by four blanks, and set lists apart from the text before.

    GitHub takes the width of the marker as the indentation of what belongs to it (three blanks for
    ``1.``), and begins a list right below a paragraph. Python-Markdown does neither.
    """
    made: list[str] = []
    levels: list[int] = []
    fence: int | None = None
    broken = False  # by a blank line since the last item began
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if fence is None and line.strip():
            while levels and indent < levels[-1]:
                levels.pop()
        item = _ITEM.match(line) if fence is None else None
        depth = len(levels)
        if item and made and made[-1] and (broken or (not levels and _is_text(made))):
            made.append("")
        broken = not item and (broken or not line.strip())
        marks_fence = bool(_FENCE.match(line))
        # A block of code may stand further right than its item asks for: as a whole.
        cut = fence if fence is not None else indent if marks_fence else (levels or [0])[-1]
        made.append((" " * (WIDTH * depth) + line[min(cut, indent) :]) if line.strip() else "")
        if item:
            levels.append(len(item[0]))
        if marks_fence:
            fence = indent if fence is None else None
    return "\n".join(made) + "\n"


def _is_text(made: list[str]) -> bool:
    """Whether the line before is text that is no item, heading or part of a table."""
    before = made[-1] if made else ""
    return (
        bool(before.strip()) and not before.startswith((" ", "#", "|")) and not _ITEM.match(before)
    )
