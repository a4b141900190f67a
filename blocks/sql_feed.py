"""A query as a feed, with the address of its database."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, HttpUrl, SecretStr

from armillary.errors import ConfigurationError
from armillary.feeds.delivery import Delivery
from armillary.feeds.first_look import FirstLook
from armillary.feeds.sql_definition import SqlDefinition, SqlSource
from blocks.feed import Feed, definition_in


class _WithAddress(SqlSource, Feed):
    """Apart, so that in a form the address comes after the source and before the mapping."""

    url: SecretStr = Field(
        default=SecretStr(""),
        title="Address",
        description="Address of the database, as in postgresql://user:password@host:5432/database; "
        "empty: the variable or the connector named above.",
    )


class SqlFeed(SqlDefinition, _WithAddress):
    """A query of a PostgreSQL or SQLite database: one snapshot, read only.

    Example:
        Load a stored feed and see what it owns:
        ```python
        from blocks import SqlFeed

        feed = SqlFeed.load("BLOCK_NAME")
        print(feed.definition().scope)
        ```
    """

    _block_type_name = "SQL Feed"
    _block_type_slug = "sql-feed"
    _description = "A query of instruments, how it maps, and what it owns."
    _documentation_url = HttpUrl("https://www.ptolemy.cloud/docs/guides/sync-instruments")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The feed that a YAML definition describes; the address is in the environment.

        Raises:
            ConfigurationError: the file is missing, or not a definition of this kind.
        """
        return cls(**dict(definition_in(path, SqlDefinition)))

    def definition(self) -> SqlDefinition:
        """The feed as a plain value, without anything of Prefect, and without the address."""
        return self._as(SqlDefinition)

    def deliver(self) -> Delivery:
        """Run the query.

        Raises:
            ConfigurationError: no database is named, or it cannot be used.
            FeedRefused: the query failed, or its rows are none, too old, or cannot be text.
        """
        # Here, because SQLAlchemy costs time that no other kind of feed should pay.
        from armillary.feeds.sql_delivery import sql_delivery  # noqa: PLC0415

        address, options = self._database()
        return sql_delivery(self.definition(), address=address, options=options)

    def look(self) -> FirstLook:
        """Have the database take the query, without asking for rows.

        Raises:
            ConfigurationError: no database is named, or it cannot be used.
            FeedRefused: the query is refused, or has no column that the feed uses.
        """
        from armillary.feeds.sql_first_look import sql_first_look  # noqa: PLC0415

        address, options = self._database()
        return sql_first_look(self.definition(), address=address, options=options)

    def _database(self) -> tuple[SecretStr, dict[str, Any]]:
        if not self.connector:
            return self.url, {}
        return _of_a_connector(self.connector, self.name)


def _of_a_connector(name: str, feed: str) -> tuple[SecretStr, dict[str, Any]]:
    """Address and driver options of a stored SQLAlchemy Connector.

    By its name, because its package need not be there for any other kind of feed.
    """
    try:
        from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            f"Feed {feed} names the connector {name}, and the package of such blocks is not "
            "installed.",
            next_step='Install it with pip install "armillary[connector]", then start again.',
        ) from None
    try:
        block = SqlAlchemyConnector.load(name)
    except ValueError:
        block = None
    if not isinstance(block, SqlAlchemyConnector):
        raise ConfigurationError(
            f"Feed {feed} names the SQLAlchemy Connector {name}, which cannot be loaded: there is "
            "none of that name, or its driver is an asynchronous one.",
            next_step="Make it in Prefect (Blocks, +), or mend connector, then start again.",
        )
    info = block.connection_info
    address = (
        info.create_url().render_as_string(hide_password=False)
        if isinstance(info, ConnectionComponents)
        else str(info)
    )
    return SecretStr(address), dict(block.connect_args or {})
