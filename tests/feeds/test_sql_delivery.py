"""A query as a feed, against SQLite (R05 to R08); PostgreSQL: tests/real/test_postgresql.py."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from armillary.errors import ArmillaryError, ConfigurationError, FeedRefused
from armillary.feeds import FeedReading, SqlDefinition, read_feed, sql_connection
from armillary.feeds import sql_delivery as sql_delivery_module
from armillary.feeds.sql_connection import parsed
from armillary.feeds.sql_delivery import sql_delivery
from armillary.feeds.sql_values import Column
from tests.api.clocks import JumpClock
from tests.feeds.vendor import DATA_TYPES, identifiers, reasons

NAIVE = dt.datetime
"""Of a database that knows no zones."""

LATER = "Nothing was written and nothing is archived. "
TABLE = """
CREATE TABLE instruments (ticker TEXT, mic TEXT, isin TEXT, lot NUMERIC, updated_at TEXT);
INSERT INTO instruments VALUES
    ('BHP', 'XASX', 'AU1', 100, '2026-11-19 22:00:00'),
    ('CBA', 'XASX', 'AU2', 50, '2026-11-18 22:00:00+00:00'),
    ('RIO', 'XLON', 'GB1', 10, NULL);
"""


class Database:
    """A real SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = SecretStr(f"sqlite:///{path}")
        self.run(TABLE)

    def run(self, script: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    def count(self) -> int:
        connection = sqlite3.connect(self.path)
        found: int = connection.execute("SELECT count(*) FROM instruments").fetchone()[0]
        connection.close()
        return found

    def read(self, query: str = "SELECT * FROM instruments", **keys: Any) -> FeedReading:
        feed = definition(query, **keys)
        return read_feed(
            feed, DATA_TYPES, lambda: sql_delivery(feed, address=self.address, clock=JumpClock())
        )

    def refusal(
        self, query: str = "SELECT * FROM instruments", kind: type[ArmillaryError] = FeedRefused,
        **keys: Any,
    ) -> str:  # fmt: skip
        with pytest.raises(kind) as refused:
            self.read(query, **keys)
        assert refused.value.__context__ is None, "it would quote the address and the values"
        return str(refused.value).replace(str(self.path), "FILE")


def definition(query: str = "SELECT * FROM instruments", **keys: Any) -> SqlDefinition:
    plain: dict[str, Any] = {
        "name": "vendor-sql",
        "query": query,
        "instrument_type": "equity",
        "identifier": "{ticker}.{mic}",
        "fields": {"isin": "{isin}", "lot_size": "{lot}"},
    }
    return SqlDefinition.model_validate(plain | keys)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "vendor.db")


def test_rows_of_a_query_are_records(database: Database) -> None:
    reading = database.read()
    assert identifiers(reading) == ["BHP.XASX", "CBA.XASX", "RIO.XLON"]
    assert reading.records["field.lot_size"].to_list() == ["100", "50", "10"]
    assert reading.source == f"Query vendor-sql (database {database.path})"
    assert reading.warnings == ()


def test_parameters_are_values_and_lists_of_values(database: Database) -> None:
    query = "SELECT * FROM instruments WHERE mic IN :mics AND lot > :lot -- not :this"
    reading = database.read(
        query.replace(":this", "this"), parameters={"mics": ["XASX", "XNYS"], "lot": 60}
    )
    assert identifiers(reading) == ["BHP.XASX"]


def test_batches_are_one_delivery(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_delivery_module, "BATCH_ROWS", 2)
    plain = sql_delivery_module._Rows.add
    sizes: list[int] = []

    def add(taken: sql_delivery_module._Rows, batch: list[Any]) -> None:
        sizes.append(len(batch))
        plain(taken, batch)

    monkeypatch.setattr(sql_delivery_module._Rows, "add", add)
    assert identifiers(database.read()) == ["BHP.XASX", "CBA.XASX", "RIO.XLON"]
    assert sizes == [2, 1]


def test_nothing_secret_is_shown() -> None:
    address = SecretStr("postgresql://app:s3cr3t@127.0.0.1:1/vendor?application_name=s3cr3t")
    feed = definition()
    with pytest.raises(FeedRefused) as refused:
        sql_delivery(feed, address=address)
    assert str(refused.value) == (
        "Query vendor-sql (database vendor at 127.0.0.1) found no database that answers there "
        f"(port 1, as the user 'app'). {LATER}Look at the database, or mend the "
        "address, then start again."
    )
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("no address s3cr3t", "The address of the database of feed f cannot be read."),
        ("postgresql://u:p@s3cr3t:word@h:5432/d", "with @ : / # of a password as %40 %3A %2F %23"),
        ("postgresql://u:S@s3cr3t@h/d", "with @ : / # of a password as %40 %3A %2F %23"),
        ("mysql://u:s3cr3t@h/d", "names a database of the kind mysql; known here are postgresql"),
        ("sqlite://", "names no file, or more than one"),
        ("sqlite:///x.db?uri=true", "names no file, or more than one"),
    ],
)
def test_addresses_that_cannot_be_used(address: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parsed(address, "f")
    assert words in str(refused.value)
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_database_elsewhere_is_never_read_without_encryption(mode: str) -> None:
    address = SecretStr(f"postgresql://app:s3cr3t@db.example.invalid/vendor?sslmode={mode}")
    with pytest.raises(ConfigurationError) as refused:
        sql_delivery(definition(), address=address)
    assert str(refused.value) == (
        f"The database of feed vendor-sql would be read without encryption (sslmode={mode}). Write "
        "sslmode=verify-full, or at least require, then start again."
    )


@pytest.mark.parametrize(
    ("address", "options", "environment", "mode"),
    [
        ("postgresql:///d", {}, {}, ""),
        ("postgresql:///d", {}, {"PGHOST": "/run/postgresql"}, ""),
        ("postgresql://127.0.0.1/d", {}, {"PGHOST": "db.example"}, ""),
        ("postgresql:///d?host=db.example&sslmode=verify-full", {}, {}, ""),
        ("postgresql:///d", {}, {"PGHOST": "db.example"}, "require"),
        ("postgresql://localhost/d", {}, {"PGHOSTADDR": "192.0.2.1"}, "require"),
        ("postgresql://localhost/d?hostaddr=192.0.2.1", {}, {}, "require"),
        ("postgresql:///d?host=localhost&host=db.example", {}, {}, "require"),
        ("postgresql:///d?service=vendor", {}, {}, "require"),
        ("postgresql:///d", {}, {"PGSERVICE": "vendor"}, "require"),
        ("postgresql:///d", {"host": "db.example"}, {}, "require"),
    ],
)
def test_wherever_the_host_is_named_what_leaves_this_machine_is_encrypted(
    address: str,
    options: dict[str, Any],
    environment: dict[str, str],
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sql_connection._encryption(parsed(address, "f"), options, "f") == mode


def test_no_database_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        sql_delivery(definition())
    assert str(refused.value).startswith("Feed vendor-sql names no database. Name the environment")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    address = SecretStr(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(FeedRefused, match=r"found no such file\. Nothing was written"):
        sql_delivery(definition(), address=address)
    assert list(tmp_path.iterdir()) == []


# The catalogue


def test_r05_a_query_that_takes_too_long_is_ended(database: Database) -> None:
    endless = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT 'T' AS ticker, 'M' AS mic, 'I' AS isin, max(x) AS lot FROM n"
    )
    assert database.refusal(endless, statement_timeout_seconds=0.05) == (
        "Query vendor-sql (database FILE) took longer than statement_timeout_seconds allows (0.05 "
        f"seconds), or was cancelled. {LATER}Make the query faster, or raise "
        "statement_timeout_seconds, then "
        "start again."
    )


def test_r05_a_table_that_is_locked(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("armillary.feeds.sql_connection.LOCK_SECONDS", 0.01)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert "waited too long for a table that somebody else has locked" in database.refusal()
    finally:
        other.close()


def test_r05_an_empty_table_is_refused(database: Database) -> None:
    database.run("DELETE FROM instruments")
    assert database.refusal() == (
        "Query vendor-sql (database FILE) has not a single row. Far more often than a fact that is "
        "a permission that was taken away, or a table that was just emptied to be filled. "
        f"{LATER}Look at the table, then start the sync again."
    )


FRESH = {"column": "updated_at", "max_age_hours": 26}


def test_r05_a_database_that_lags_is_found_by_its_newest_row(database: Database) -> None:
    """The clock of the tests stands at 2026-11-20 02:00 UTC."""
    assert database.read(freshness=FRESH).records.height == 3
    database.run("UPDATE instruments SET updated_at = '2026-11-18' WHERE ticker = 'BHP'")
    assert database.read(freshness=FRESH | {"max_age_hours": 28}).records.height == 3
    assert database.refusal(freshness=FRESH) == (
        "Query vendor-sql (database FILE) is old: its newest updated_at is 2026-11-18 22:00 UTC, "
        "28 hours ago, and the feed accepts 26. A replica may lag, or a load may not have run. "
        f"{LATER}Start the sync again when the database has caught up."
    )


def test_r05_freshness_that_cannot_be_told_is_no_freshness(database: Database) -> None:
    assert "has no column 'day', which freshness looks at. Its columns: ticker, mic" in (
        database.refusal(freshness=FRESH | {"column": "day"})
    )
    assert "has no time or date in any row of 'isin'" in (
        database.refusal(freshness=FRESH | {"column": "isin"})
    )


ZONE = dt.timezone(dt.timedelta(hours=10))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("007", "007"),
        (True, "true"),
        (12345678901234567890, "12345678901234567890"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+5"), "100000"),
        (Decimal("1E-20"), "0.00000000000000000001"),
        (0.1, "0.1"),
        (100.0, "100"),
        (1e22, "10000000000000000000000"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (NAIVE(2026, 1, 31), "2026-01-31"),
        (NAIVE(2026, 1, 31, 9, 30), "2026-01-31T09:30:00"),
        (dt.datetime(2026, 1, 31, 9, 30, tzinfo=ZONE), "2026-01-30T23:30:00+00:00"),
        (dt.datetime(2026, 1, 31, 10, 0, tzinfo=ZONE), "2026-01-31T00:00:00+00:00"),
        (dt.time(9, 30), "09:30:00"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (b"\x00\xff", "(bytes)"),
        ([1], "(lists)"),
        ({"a": 1}, "(objects)"),
        (dt.timedelta(days=1), "(values of type timedelta)"),
    ],
)
def test_r06_each_value_has_one_text(value: Any, text: str | None) -> None:
    assert Column("c").texts([value]) == [text]


def test_r06_what_a_column_held_is_remembered() -> None:
    column = Column("c")
    column.texts([None, 1, Decimal("1.0")])
    assert (column.numbers, column.floats, column.padded) == (True, False, False)
    column.texts([0.5, "AB  ", None])
    assert (column.numbers, column.floats, column.padded) == (True, True, True)


def test_r06_floats_padding_and_numbers_for_text_are_told(database: Database) -> None:
    query = (
        "SELECT ticker, mic || '   ' AS mic, lot AS isin, lot / 4.0 AS lot, 0.5 AS unused "
        "FROM instruments WHERE mic = 'XASX'"
    )
    reading = database.read(query)
    assert identifiers(reading) == ["BHP.XASX", "CBA.XASX"]
    assert reading.records["field.lot_size"].to_list() == ["25", "12.5"]
    assert reading.warnings == (
        "The column 'mic' is padded with blanks (CHAR), which are cut off.",
        "The column 'lot' holds binary fractions (float): they may differ from what was entered in "
        "the last digits. A numeric column keeps them.",
        "The column 'isin' holds numbers, not text, and makes the text field isin: leading zeros, "
        "if it ever had any, are lost.",
    )


def test_r06_bytes_are_no_text(database: Database) -> None:
    query = "SELECT ticker, mic, x'00ff' AS isin, lot FROM instruments"
    assert database.refusal(query) == (
        "Query vendor-sql (database FILE) has bytes in the column 'isin', where the feed "
        f"definition needs text, numbers, dates or booleans. {LATER}Have the query make text of "
        "them, for example with encode(isin, 'hex') or CAST."
    )
    unused = "SELECT ticker, mic, isin, lot, x'00ff' AS raw FROM instruments"
    assert database.read(unused).records.height == 3


def test_r07_a_join_that_repeats_rows_is_settled_as_in_a_file(database: Database) -> None:
    database.run(
        "CREATE TABLE notes (mic TEXT, note TEXT);"
        "INSERT INTO notes VALUES ('XASX', 'a'), ('XASX', 'b');"
    )
    join = "SELECT i.ticker, i.mic, i.isin, i.lot FROM instruments i JOIN notes n ON n.mic = i.mic"
    reading = database.read(join)
    assert identifiers(reading) == ["BHP.XASX", "CBA.XASX"]
    assert reading.repeated_rows == 2
    clash = join.replace("i.isin", "n.note AS isin") + " UNION ALL SELECT 'X', 'Y', 'Z', 1"
    assert reasons(database.read(clash))[1] == (
        "the identifier 'BHP.XASX' stands in rows 1, 2 with different values"
    )


def test_r07_two_columns_of_one_name(database: Database) -> None:
    query = "SELECT a.ticker, b.ticker FROM instruments a, instruments b"
    assert database.refusal(query) == (
        "Query vendor-sql (database FILE) has the column 'ticker' twice. "
        f"{LATER}Name the columns one by one, with AS where two are alike."
    )


def test_r08_a_value_never_becomes_part_of_the_statement(database: Database) -> None:
    query = "SELECT * FROM instruments WHERE mic = :mic"
    assert "has not a single row" in database.refusal(
        query, parameters={"mic": "' OR 1=1; DROP TABLE instruments; --"}
    )
    assert database.count() == 3


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("DELETE FROM t", "it does not read: a query begins with SELECT, WITH, VALUES or TABLE"),
        ("SELECT 1; DELETE FROM t", "it is more than one statement"),
        ("/* SELECT */ DROP TABLE t", "it does not read"),
        ("", "at least 1 character"),
    ],
)
def test_r08_what_is_no_query(query: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        definition(query)


@pytest.mark.parametrize(
    "query",
    ["SELECT ';' AS a -- ; no", "(SELECT 1) UNION (SELECT 2);", 'SELECT $x$;$x$, "a;b" /* ; */'],
)
def test_r08_a_semicolon_in_a_text_is_no_end(query: str) -> None:
    assert definition(query).query == query.removesuffix(";")


def test_r08_a_query_cannot_write(database: Database) -> None:
    """Even where the look at its words was got round."""
    feed = definition().model_copy(update={"query": "DELETE FROM instruments RETURNING *"})
    with pytest.raises(FeedRefused) as refused:
        sql_delivery(feed, address=database.address)
    assert "tried to write, and may only read. Nothing was written" in str(refused.value)
    assert database.count() == 3


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"query": "SELECT :a"}, "query names :a, which parameters do not give"),
        ({"query": "SELECT :ab::int"}, "write CAST(:ab AS …) instead of :ab::…"),
        ({"parameters": {"a": 1}}, "parameters give a, which query does not name: write :a"),
        ({"query": "SELECT :a", "parameters": {"a": []}}, "a is none of: text, number"),
        ({"query": "SELECT :a", "parameters": {"a": {"b": 1}}}, "a is none of: text, number"),
        ({"url_variable": "A", "connector": "b"}, "url_variable and connector both name"),
        ({"url": "postgresql://u:p@h/d"}, "url holds a password as a rule"),
        ({"freshness": {"column": "a"}}, "Field required"),
    ],
)
def test_what_no_definition_may_say(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        definition(**({"query": "SELECT 1"} | keys))
    assert words in str(refused.value)
    assert "u:p@h" not in str(refused.value)


def test_a_date_of_yaml_is_given_as_text() -> None:
    given = {"day": dt.date(2026, 1, 31), "at": NAIVE(2026, 1, 31, 9)}
    feed = definition("SELECT :day, :at", parameters=given)
    assert feed.parameters == {"day": "2026-01-31", "at": "2026-01-31 09:00:00"}


def test_a_mistake_in_the_query_is_told_in_the_words_of_the_database(database: Database) -> None:
    assert database.refusal("SELECT * FROM instrumentz") == (
        "Query vendor-sql (database FILE) cannot be run: no such table: instrumentz. "
        f"{LATER}Mend the query, or what it reads, then start again."
    )


def test_a_missing_column_is_told_with_those_there_are(database: Database) -> None:
    message = database.refusal("SELECT ticker, mic, isin, lot AS lott FROM instruments")
    assert "has no column 'lot' (did you mean 'lott'?), which the feed definition needs." in message
    assert message.endswith("Mend the query or the feed, then start the sync again.")
