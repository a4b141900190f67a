"""What a source says when it is asked as a run would ask, and none of its rows are taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

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
    known = list(columns)
    return named_with_near(sorted(used_columns(definition) - set(known)), known)


def named_with_near(missing: Iterable[str], columns: Sequence[str]) -> str:
    """Missing columns as a message names them, each with one that may be meant."""
    return ", ".join(
        f"'{name}'" + (f" (did you mean '{near}'?)" if (near := _near(name, columns)) else "")
        for name in missing
    )


def _near(name: str, columns: Sequence[str]) -> str:
    """Case, blanks and underscores are what vendors change first."""
    plain = {_plain(column): column for column in reversed(columns)}
    found = get_close_matches(_plain(name), plain, n=1)
    return plain[found[0]] if found else ""


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum()) or name
