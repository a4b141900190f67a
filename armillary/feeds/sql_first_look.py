"""A first look at a query: is it let in, may it read, has it the columns of the feed?"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from armillary.errors import FeedRefused
from armillary.feeds.first_look import LOOK_SECONDS, FirstLook, lacking
from armillary.feeds.sql_connection import address_of, executed, opened, shown
from armillary.feeds.sql_definition import SqlDefinition
from armillary.feeds.sql_failures import NEXT, TOO_SLOW, explained, in_figures
from armillary.feeds.sql_values import columns_of


def sql_first_look(
    definition: SqlDefinition,
    *,
    address: SecretStr | None = None,
    options: dict[str, Any] | None = None,
) -> FirstLook:
    """Whether the database lets the feed in and takes its query, without asking for rows.

    It is planned, and what this user may read is checked; none of it is carried out.

    Args:
        definition: Which query, with which parameters.
        address: Of the database, from a block; else the variable that the definition names.
        options: Further arguments of the driver.

    Raises:
        ConfigurationError: No database is named, or it cannot be used.
        FeedRefused: The query is refused, or has no column that the feed uses.
    """
    url = address_of(definition, address)
    seconds = min(definition.statement_timeout_seconds, LOOK_SECONDS)
    # A first row alone would take a sorted query all of its time.
    without_rows = f"SELECT * FROM (\n{definition.query}\n) AS looked_at LIMIT 0"  # noqa: S608 -- the feed's own
    hurried = definition.model_copy(
        update={"query": without_rows, "statement_timeout_seconds": seconds}
    )
    source = f"Query {definition.name} ({shown(url)})"
    failure: tuple[str, str] | None = None
    missing = ""
    try:
        with (
            opened(url, hurried, options or {}) as connection,
            executed(connection, hurried, 1) as result,
        ):
            names = list(result.keys())
            columns_of(names, definition, source)
            missing = lacking(definition, names)
    except (sa.exc.SQLAlchemyError, UnicodeDecodeError) as error:
        failure = explained(error)
    if failure == TOO_SLOW and seconds < definition.statement_timeout_seconds:
        return FirstLook(
            f"{source} lets the feed in",
            doubt=f"the query was not ready within {seconds:g} seconds, and was not waited for",
            todo="A run waits longer (statement_timeout_seconds).",
        )
    if failure:
        # Out here: an error keeps the one it was raised beside, which quotes address and values.
        why, step = in_figures(failure, definition.statement_timeout_seconds, url)
        raise FeedRefused(f"{source} {why}.", next_step=f"{NEXT}{step}, then start again.")
    if missing:
        raise FeedRefused(
            f"{source} has no column {missing}, which the feed definition needs. Its columns: "
            f"{', '.join(names)}.",
            next_step=f"{NEXT}Mend the query, or the templates of the feed.",
        )
    return FirstLook(f"{source} takes the query, and has all columns the feed needs")
