"""A connection to a database that can only read, in one snapshot (R05, R08).

Imported where a query is run, not before: SQLAlchemy takes its time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from armillary.errors import ConfigurationError
from armillary.feeds.rest_definition import LOOPBACK
from armillary.feeds.secret import secret_of
from armillary.feeds.sql_definition import SqlDefinition

BATCH_ROWS = 20_000
CONNECT_SECONDS = 10
LOCK_SECONDS = 30
"""How long a query waits for a table that somebody else has locked."""

_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_HOST_KEYS = ("host", "hostaddr")
_STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's machine, between two looks at the clock."""


def parsed(address: str, feed: str) -> URL:
    """The address of a database that can be read here.

    Raises:
        ConfigurationError: It is none, of another database, or has no file.
    """
    try:
        url: URL | None = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    # An @ in the host is the end of a password that was not quoted.
    if url is None or "@" in (url.host or ""):
        # Out here: the error of SQLAlchemy quotes the address, and with it the password.
        raise ConfigurationError(
            f"The address of the database of feed {feed} cannot be read.",
            next_step="Write it as postgresql://user:password@host:5432/database, with @ : / # of "
            "a password as %40 %3A %2F %23, then start again.",
        )
    kind = url.drivername.partition("+")[0]
    if kind == "postgres":
        kind = "postgresql"
    if kind not in {"postgresql", "sqlite"}:
        raise ConfigurationError(
            f"Feed {feed} names a database of the kind {kind}; known here are postgresql and "
            "sqlite, for only there is it made sure that a query cannot write.",
            next_step="Have the database export a file instead, then start again.",
        )
    if kind == "sqlite" and (not url.database or url.database == ":memory:" or url.query):
        raise ConfigurationError(
            f"The address of the SQLite database of feed {feed} names no file, or more than one.",
            next_step="Write it as sqlite:////folder/file.db, then start again.",
        )
    return url.set(drivername="postgresql+psycopg" if kind == "postgresql" else "sqlite")


def shown(url: URL) -> str:
    """What messages call the database: without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return f"database {url.database}"
    return f"database {url.database or ''} at {url.host or 'this machine'}".replace("  ", " ")


def address_of(definition: SqlDefinition, given: SecretStr | None) -> URL:
    """The address of a feed's database.

    Args:
        definition: Names the variable that holds it.
        given: From a block; blank counts as not given.

    Raises:
        ConfigurationError: None is named, the variable is not set, or it cannot be read here.
    """
    address = secret_of(
        given, definition.url_variable, what="address of the database", feed=definition.name
    )
    if address is None:
        raise ConfigurationError(
            f"Feed {definition.name} names no database.",
            next_step="Name the environment variable that holds its address in url_variable (a "
            "block: url, or connector), then start again.",
        )
    return parsed(address.get_secret_value(), definition.name)


@contextmanager
def opened(url: URL, definition: SqlDefinition, options: dict[str, Any]) -> Iterator[sa.Connection]:
    """A connection inside a transaction that reads one snapshot and cannot write.

    Args:
        url: Of ``parsed``.
        definition: How long a statement may take, and whether rows may be hidden.
        options: Further arguments of the driver, of a connector.

    Raises:
        ConfigurationError: The driver is missing, or the connection would not be encrypted.
        sqlalchemy.exc.SQLAlchemyError: The database cannot be reached or refuses.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = _sqlite(url) if is_sqlite else _postgresql(url, definition, options)
    try:
        with engine.connect() as connection:
            if is_sqlite:
                _limit_sqlite(connection, definition)
                yield connection
            else:
                reading = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                with reading.begin():
                    _limit_postgresql(reading, definition)
                    yield reading
    finally:
        engine.dispose()


@contextmanager
def executed(
    connection: sa.Connection, definition: SqlDefinition, batch_rows: int
) -> Iterator[sa.CursorResult[Any]]:
    """The answer to the query; its rows wait in the database until they are asked for.

    Args:
        connection: Of ``opened``.
        definition: Which query, with which parameters.
        batch_rows: So many are asked for at once.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database refuses the query.
    """
    statement = sa.text(definition.query)
    for name, value in definition.parameters.items():
        if isinstance(value, list):
            statement = statement.bindparams(sa.bindparam(name, expanding=True))
    streaming = connection.execution_options(stream_results=True, yield_per=batch_rows)
    result = streaming.execute(statement, definition.parameters)
    cursor = result.cursor
    try:
        yield result
    finally:
        result.close()
        if cursor is not None:
            # Of a connection that broke, SQLAlchemy leaves it open.
            cursor.close()


def _sqlite(url: URL) -> sa.Engine:
    path = Path(str(url.database)).expanduser().absolute()

    def connect() -> sqlite3.Connection:
        # Without mode=ro a file that is not there would be made.
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=LOCK_SECONDS)

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _limit_sqlite(connection: sa.Connection, definition: SqlDefinition) -> None:
    connection.exec_driver_sql("PRAGMA query_only = ON")
    driver = connection.connection.driver_connection
    deadline = time.monotonic() + definition.statement_timeout_seconds
    if isinstance(driver, sqlite3.Connection):
        driver.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS_BETWEEN_LOOKS)


def _postgresql(url: URL, definition: SqlDefinition, options: dict[str, Any]) -> sa.Engine:
    try:
        import psycopg  # noqa: F401, PLC0415 - only for feeds of the kind sql
    except ImportError:
        raise ConfigurationError(
            "PostgreSQL's driver is not installed.",
            next_step='Install it with pip install "armillary[postgresql]", then start again.',
        ) from None
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "client_encoding": "UTF8",
        "application_name": f"armillary {definition.name}"[:63],
        # A network that forgets the connection must not hold the run for hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        **options,
    }
    if mode := _encryption(url, options, definition.name):
        arguments["sslmode"] = mode
    return sa.create_engine(
        url,
        connect_args=arguments,
        poolclass=NullPool,
        hide_parameters=True,
        use_native_hstore=False,
    )


def _encryption(url: URL, options: dict[str, Any], feed: str) -> str:
    """The mode to set; blank where the address decides, or nothing leaves this machine."""
    # All the places where a host may stand; where there is none, the driver's own rules decide.
    places = [url.host, *(of.get(key) for of in (url.query, options) for key in _HOST_KEYS)]
    places += [os.environ.get("PGHOSTADDR"), None if url.host else os.environ.get("PGHOST")]
    hosts = [
        host for found in places if found for host in ([found] if isinstance(found, str) else found)
    ]
    if not hosts and "service" not in url.query and "PGSERVICE" not in os.environ:
        return ""
    if hosts and all(host.startswith("/") or host in LOOPBACK for host in hosts):
        return ""
    written = options.get("sslmode") or url.query.get("sslmode")
    if written is None:
        return "" if os.environ.get("PGSSLMODE", "") in _ENCRYPTED else "require"
    if written not in _ENCRYPTED:
        raise ConfigurationError(
            f"The database of feed {feed} would be read without encryption (sslmode={written}).",
            next_step="Write sslmode=verify-full, or at least require, then start again.",
        )
    return ""


def _limit_postgresql(connection: sa.Connection, definition: SqlDefinition) -> None:
    settings = {
        "statement_timeout": f"{definition.statement_timeout_seconds * 1000:.0f}ms",
        "lock_timeout": f"{LOCK_SECONDS}s",
        # Else the server's own zone would decide how a moment is written.
        "TimeZone": "UTC",
        # Off: rows that this user may not see are an error, and not silently left out.
        "row_security": "off" if definition.hidden_rows == "refuse" else "on",
    }
    for name, value in settings.items():
        connection.execute(
            sa.text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value}
        )
