"""Does the source of a feed let it in? Asked as a run would ask, and no rows are taken.

A file is looked for, a service is asked for its first page, a database for the plan of its query.
"""

from __future__ import annotations

from collections.abc import Callable

from armillary.errors import ArmillaryError
from armillary.feeds.delivery import file_first_look
from armillary.feeds.file_definition import FileDefinition
from armillary.feeds.first_look import FirstLook
from armillary.feeds.rest_definition import RestDefinition
from armillary.feeds.sql_definition import SqlDefinition
from armillary.readiness.finding import Finding, Level, failed

_OF_A_RUN = ("Nothing was written and nothing is archived. ", "Nothing was written. ")
"""What an error tells a run beside what to do."""


def check_source(look: Callable[[], FirstLook], feed: str) -> Finding:
    """Whether a source lets its feed in, and has what the feed needs.

    Args:
        look: asks it, with the credentials that a run would have.
        feed: what the feed is called: its block, else its name.
    """
    subject = f"{feed}, source"
    try:
        seen = look()
    except ArmillaryError as error:
        advice = error.advice
        for words in _OF_A_RUN:
            advice = advice.removeprefix(words)
        return failed(subject, type(error)(error.message, next_step=advice))
    if seen.doubt:
        return Finding(subject, Level.WARNING, f"{seen.found}; {seen.doubt}", seen.todo)
    return Finding(subject, Level.OK, seen.found)


def look_of(
    definition: FileDefinition | RestDefinition | SqlDefinition,
) -> Callable[[], FirstLook]:
    """How the source of a definition is asked, with the secrets of the environment."""

    def look() -> FirstLook:
        # Each brings a library that the others do not need.
        if isinstance(definition, RestDefinition):
            from armillary.feeds.rest_delivery import rest_first_look  # noqa: PLC0415

            return rest_first_look(definition)
        if isinstance(definition, SqlDefinition):
            from armillary.feeds.sql_first_look import sql_first_look  # noqa: PLC0415

            return sql_first_look(definition)
        return file_first_look(definition)

    return look
