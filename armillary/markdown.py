"""Text of others in our reports: vendors, exchanges and servers write words, and nothing else."""

from __future__ import annotations

_MARKUP = str.maketrans({char: f"\\{char}" for char in "\\`[]|"} | {"<": "&lt;"})


def plain(text: str) -> str:
    """One line that is shown as it stands: no link, picture, tag, code, or end of a cell."""
    return " ".join(text.split()).translate(_MARKUP)
