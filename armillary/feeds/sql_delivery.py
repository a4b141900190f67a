"""A query as a delivery: every row of one snapshot, or refused.

Rows come in batches and are packed at once, so that memory holds a batch and the packed rest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time
from io import BytesIO
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet
import sqlalchemy as sa
from pydantic import SecretStr

from armillary.clock import Clock, SystemClock
from armillary.errors import FeedRefused
from armillary.feeds.delivery import Delivery
from armillary.feeds.first_look import used_columns
from armillary.feeds.parquet import NUMBERS
from armillary.feeds.sql_connection import BATCH_ROWS, address_of, executed, opened, shown
from armillary.feeds.sql_definition import SqlDefinition
from armillary.feeds.sql_failures import NEXT, explained, in_figures
from armillary.feeds.sql_values import Column, columns_of


def sql_delivery(
    definition: SqlDefinition,
    *,
    address: SecretStr | None = None,
    options: dict[str, Any] | None = None,
    clock: Clock | None = None,
) -> Delivery:
    """Every row of the query, as parquet of text.

    Args:
        definition: Which query, with which parameters.
        address: Of the database, from a block; else the variable that the definition names.
        options: Further arguments of the driver.
        clock: Tells how old the newest row is.

    Returns:
        Values are text: decimals with the digits they have, dates and times as ISO 8601. It is
        live: it may come to be as it was.

    Raises:
        ConfigurationError: No database is named, or it cannot be used.
        FeedRefused: The query failed, or its rows are none, too old, or cannot be text.
    """
    url = address_of(definition, address)
    rows = _Rows(definition, f"Query {definition.name} ({shown(url)})")
    failure: tuple[str, str] | None = None
    try:
        with (
            opened(url, definition, options or {}) as connection,
            closing(_batches(connection, definition, rows)) as batches,
        ):
            for batch in batches:
                rows.add(batch)
    except (sa.exc.SQLAlchemyError, UnicodeDecodeError) as error:
        failure = explained(error)
    if failure:
        # Out here: an error keeps the one it was raised beside, which quotes address and values.
        why, step = in_figures(failure, definition.statement_timeout_seconds, url)
        raise FeedRefused(
            f"{rows.source} {why}{rows.so_far}.", next_step=f"{NEXT}{step}, then start again."
        )
    return rows.delivery(clock or SystemClock())


def _batches(
    connection: sa.Connection, definition: SqlDefinition, rows: _Rows
) -> Generator[list[Any], None, None]:
    with executed(connection, definition, BATCH_ROWS) as result:
        rows.begin(list(result.keys()))
        # The size once more: partitions() takes none from the options, and would read all at once.
        for batch in result.partitions(BATCH_ROWS):
            yield list(batch)


class _Rows:
    """Takes the rows of a query batch by batch, and packs them."""

    def __init__(self, definition: SqlDefinition, source: str) -> None:
        self.source = source
        self._definition = definition
        self._used = used_columns(definition)
        self._columns: list[Column] = []
        self._count = 0
        self._newest: datetime | None = None
        self._packed = BytesIO()
        self._writer: pyarrow.parquet.ParquetWriter | None = None
        self._schema = pa.schema([])

    @property
    def so_far(self) -> str:
        """What had come before it failed."""
        return f"; what came ({self._count:,} rows) is not used" if self._count else ""

    def begin(self, names: list[str]) -> None:
        """Take the names of the columns.

        Raises:
            FeedRefused: One stands there twice, or one that freshness needs does not.
        """
        self._columns = columns_of(names, self._definition, self.source)
        self._schema = pa.schema([(name, pa.string()) for name in names])
        # The schema stored beside would hide the file's own metadata, which tells the numbers.
        self._writer = pyarrow.parquet.ParquetWriter(
            self._packed, self._schema, compression="zstd", store_schema=False
        )

    def add(self, batch: list[Any]) -> None:
        """Take a batch of rows.

        Raises:
            FeedRefused: A column that the feed uses holds what no text can be made of.
        """
        arrays = []
        by_column = zip(*batch, strict=True)
        for column, values in zip(self._columns, by_column, strict=True):
            self._look_at_age(column.name, values)
            arrays.append(pa.array(column.texts(values), pa.string()))
            if column.no_text and column.name in self._used:
                raise FeedRefused(
                    f"{self.source} has {column.no_text} in the column '{column.name}', where the "
                    "feed definition needs text, numbers, dates or booleans.",
                    next_step=f"{NEXT}Have the query make text of them, for example with "
                    f"encode({column.name}, 'hex') or CAST.",
                )
        self._count += len(batch)
        if self._writer is not None:
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def delivery(self, clock: Clock) -> Delivery:
        """All rows packed.

        Raises:
            FeedRefused: There are none, or the newest is too old.
        """
        if self._count == 0 or self._writer is None:
            raise FeedRefused(
                f"{self.source} has not a single row. Far more often than a fact that is a "
                "permission that was taken away, or a table that was just emptied to be filled.",
                next_step=f"{NEXT}Look at the table, then start the sync again.",
            )
        self._refuse_old(clock)
        numbers = [column.name for column in self._columns if column.numbers]
        self._writer.add_key_value_metadata({NUMBERS: msgspec.json.encode(numbers)})
        self._writer.close()
        return Delivery(
            content=self._packed.getvalue(),
            file_format="parquet",
            source=self.source,
            warnings=tuple(self._warnings()),
            live=True,
        )

    def _look_at_age(self, name: str, values: tuple[Any, ...]) -> None:
        fresh = self._definition.freshness
        if fresh is None or name != fresh.column:
            return
        moments = [moment for value in values if (moment := _moment(value)) is not None]
        newest = max(moments, default=None)
        if newest is not None and (self._newest is None or newest > self._newest):
            self._newest = newest

    def _refuse_old(self, clock: Clock) -> None:
        fresh = self._definition.freshness
        if fresh is None:
            return
        if self._newest is None:
            raise FeedRefused(
                f"{self.source} has no time or date in any row of '{fresh.column}', which "
                "freshness looks at.",
                next_step=f"{NEXT}Mend the query, or freshness.",
            )
        hours = (clock.now() - self._newest).total_seconds() / 3600
        if hours > fresh.max_age_hours:
            raise FeedRefused(
                f"{self.source} is old: its newest {fresh.column} is "
                f"{self._newest:%Y-%m-%d %H:%M} UTC, {hours:,.0f} hours ago, and the feed accepts "
                f"{fresh.max_age_hours:g}. A replica may lag, or a load may not have run.",
                next_step=f"{NEXT}Start the sync again when the database has caught up.",
            )

    def _warnings(self) -> Iterator[str]:
        for column in self._columns:
            if column.name not in self._used:
                continue
            if column.floats:
                yield (
                    f"The column '{column.name}' holds binary fractions (float): they may differ "
                    "from what was entered in the last digits. A numeric column keeps them."
                )
            if column.padded:
                yield (
                    f"The column '{column.name}' is padded with blanks (CHAR), which are cut off."
                )


def _moment(value: Any) -> datetime | None:
    """A time or date as a moment; without a zone it counts as UTC, a date from its beginning."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None
