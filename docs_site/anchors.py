"""What a link may name behind its ``#``: the same on the site as on GitHub."""

from __future__ import annotations

import re
from typing import Any


def slug(heading: str) -> str:
    """The anchor GitHub makes of a heading."""
    words = re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]+>", "", heading).replace("`", "").lower())
    return words.strip().replace(" ", "-")


def slugify(heading: str, _separator: str, **_: Any) -> str:
    """The same, as Python-Markdown asks for it."""
    return slug(heading)
