"""The page of errors: the tree of ``armillary/errors.py``, and where pages tell of each."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from armillary import errors
from armillary.errors import ArmillaryError, ConfigurationError
from docs_site.anchors import slug
from docs_site.tables import first_sentence, table

GUIDES = Path(__file__).resolve().parents[1] / "docs" / "guides"

HEAD = """# The errors

Every error is one of these classes; the class says what the caller does next. A command prints
`Class: what happened. What to do.` and ends with exit code 2 for a `ConfigurationError`, with 1 for
any other. In the UI the message of the run is the same without the class, and the event of a failed
run carries both, as `error` and `message`.

"""


def page() -> str:
    """The page, made from the classes and their docstrings."""
    tree = inspect.getdoc(errors) or ""
    [drawn] = re.findall(r"^ *(ArmillaryError .*?)\n\n", tree, re.MULTILINE | re.DOTALL)
    rows = [
        (f"`{kind.__name__}`", first_sentence(kind.__doc__ or ""), _advice(kind), _told(kind))
        for kind in kinds()
    ]
    head = ("error", "means", "what its message advises, unless it knows better", "at night")
    return f"{HEAD}```text\n{inspect.cleandoc(drawn)}\n```\n\n{table(head, rows)}"


def kinds(base: type[ArmillaryError] = ArmillaryError) -> Iterator[type[ArmillaryError]]:
    """All classes below the base, each before its own children."""
    for kind in base.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from kinds(kind)


def exit_code(kind: type[ArmillaryError]) -> int:
    """With which a command ends that this error stops."""
    return 2 if issubclass(kind, ConfigurationError) else 1


def _advice(kind: type[ArmillaryError]) -> str:
    return kind.next_step or "each message says it"


def _told(kind: type[ArmillaryError]) -> str:
    """Links to the headings that name it."""
    found = []
    for guide in sorted(GUIDES.glob("when-*-says.md")):
        for heading in re.findall(r"^### +(.+)$", guide.read_text(encoding="utf-8"), re.MULTILINE):
            if kind.__name__ in re.findall(r"\w+", heading):
                words = guide.stem.split("-")[2]
                found.append(f"[{words}](../guides/{guide.name}#{slug(heading)})")
    return ", ".join(found)
