"""What others write is shown in a report as they wrote it, and does nothing there."""

from __future__ import annotations

import markdown
import pytest

from armillary.markdown import plain

WRITTEN = [
    "[approve here](https://elsewhere.example/)",
    "![](https://elsewhere.example/seen.png)",
    "<script>alert(1)</script>",
    "`code` | next cell",
    r"C:\new\[x]",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_it_is_shown_and_is_no_markup(text: str) -> None:
    shown = markdown.markdown(f"- {plain(text)}")
    assert not any(tag in shown for tag in ("<a ", "<img", "<script", "<code"))


def test_it_stays_on_its_line_and_in_its_cell() -> None:
    assert plain("one\n# two | three") == r"one # two \| three"
