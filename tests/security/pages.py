"""What docs/security.md promises, in a form that tests can hold it to."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.servers import ROOT

PAGE = ROOT / "docs" / "security.md"

_POLICY = re.compile(r"<!-- policy: ([a-z-]+) -->\n+```json\n(.*?)\n```", re.DOTALL)
_ROLE = re.compile(r"^\| `([a-z-]+)` \| ([a-z, ]+) \| (Viewer|Member|none) \|", re.MULTILINE)


def policies() -> dict[str, dict[str, Any]]:
    """The bucket policies, by the name in front of each."""
    return {name: json.loads(text) for name, text in _POLICY.findall(_text())}


def roles() -> dict[tuple[str, str], str]:
    """The role in Ptolemy that each flow needs, by flow and mode."""
    return {(flow, mode): role for flow, mode, role in _ROLE.findall(_text())}


def _text() -> str:
    return PAGE.read_text(encoding="utf-8")
