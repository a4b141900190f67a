"""What a source says when it is asked as a run would ask, and none of its rows are taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from armillary.feeds.definition import FeedDefinition
from armillary.feeds.template import parse

LOOK_SECONDS = 15.0
"""How long an answer may take that is only looked at."""


@dataclass(frozen=True)
class FirstLook:
    """A source that lets the feed in.

    Attributes:
        found: What is there, in words without anything secret.
        doubt: Why a run may refuse it all the same; blank where nothing says so.
        todo: What to do about that.
    """

    found: str
    doubt: str = ""
    todo: str = ""


def used_columns(definition: FeedDefinition) -> frozenset[str]:
    """The columns that the templates of a feed name."""
    templates = [definition.identifier, definition.name_template or ""]
    templates += [definition.rule(key).template for key in definition.fields]
    return frozenset(column for text in templates for column in parse(text).columns)


def lacking(definition: FeedDefinition, columns: Iterable[str]) -> str:
    """The columns that a feed uses and a source does not have, as a message names them."""
    missing = used_columns(definition) - set(columns)
    return ", ".join(f"'{name}'" for name in sorted(missing))
