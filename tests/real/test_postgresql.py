"""Feeds of the kind sql against a real PostgreSQL (R05, R06, R08)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from armillary.errors import FeedRefused
from armillary.feeds import FeedReading, read_feed, sql_delivery
from armillary.feeds.sql_definition import SqlDefinition
from armillary.feeds.sql_delivery import sql_delivery as deliver
from armillary.feeds.sql_first_look import sql_first_look
from tests.feeds.test_sql_delivery import LATER, definition
from tests.feeds.vendor import DATA_TYPES, identifiers
from tests.real.postgresql import PASSWORD, PostgreSql, postgresql

pytestmark = pytest.mark.real

TABLE = """
CREATE TABLE instruments (ticker char(6), mic text, isin text, lot numeric(12, 2), price float8,
    listed_on date, changed timestamptz, quoted timestamp, active boolean, id uuid);
INSERT INTO instruments VALUES
    ('BHP', 'XASX', 'AU1', 100.00, 0.1, '2026-01-31', '2026-01-31 09:30:00+09',
     '2026-01-31 00:00', true, '00000000-0000-0000-0000-000000000001'),
    ('CBA', 'XASX', 'AU2', 12345678.10, 2, NULL, NULL, '2026-01-31 09:30:00.5', false, NULL);
CREATE TABLE many AS SELECT 'T' || n AS ticker, 'XASX' AS mic, 'I' || n AS isin, n AS lot
    FROM generate_series(1, 2000) n;
CREATE TABLE guarded AS SELECT * FROM many;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON guarded FOR SELECT TO reader USING (lot % 2 = 0);
GRANT SELECT ON many, guarded TO reader;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with postgresql() as started:
        started.run(TABLE)
        yield started


def read(server: PostgreSql, query: str, user: str = "owner", **keys: Any) -> FeedReading:
    feed = keys.pop("feed", None) or definition(query, **keys)
    return read_feed(feed, DATA_TYPES, lambda: deliver(feed, address=server.address(user)))


def refusal(server: PostgreSql, query: str, user: str = "owner", **keys: Any) -> str:
    with pytest.raises(FeedRefused) as refused:
        read(server, query, user, **keys)
    assert refused.value.__context__ is None
    message = str(refused.value)
    assert PASSWORD not in message
    start = "Query vendor-sql (database postgres at 127.0.0.1) "
    assert message.startswith(start)
    return message.removeprefix(start)


def unchecked(query: str) -> SqlDefinition:
    """A definition as if the look at the words of its query had been got round."""
    return definition().model_copy(update={"query": query})


def test_r06_types_of_postgresql_have_one_text_each(server: PostgreSql) -> None:
    fields = {
        "isin": "{lot}|{price}|{listed_on}|{changed}|{quoted}|{active}|{id}",
        "lot_size": "{lot}",
    }
    reading = read(server, "SELECT * FROM instruments", fields=fields)
    assert identifiers(reading) == ["BHP.XASX", "CBA.XASX"]
    assert reading.records["field.lot_size"].to_list() == ["100", "12345678.1"]
    assert reading.records["field.isin"][0] == (
        "100.00|0.1|2026-01-31|2026-01-31T00:30:00+00:00|2026-01-31|true|"
        "00000000-0000-0000-0000-000000000001"
    )
    assert [warning[:40] for warning in reading.warnings[:2]] == [
        "The column 'ticker' is padded with blank",
        "The column 'price' holds binary fraction",
    ]


def test_a_first_look_plans_the_query_checks_the_rights_and_asks_for_no_row(
    server: PostgreSql,
) -> None:
    def look(query: str, user: str = "owner", **keys: Any) -> str:
        try:
            return sql_first_look(definition(query, **keys), address=server.address(user)).found
        except FeedRefused as error:
            return str(error)

    name = "Query vendor-sql (database postgres at 127.0.0.1)"
    # A row would take an hour.
    sleeps = "SELECT *, pg_sleep(3600) FROM many WHERE mic = :mic ORDER BY lot"
    taken = f"{name} takes the query, and has all columns the feed needs"
    assert look(sleeps, "reader", parameters={"mic": "XASX"}) == taken
    refused = f"{name} was refused: this user may not read what it names, or only a part of it."
    assert look("SELECT * FROM instruments", "reader").startswith(refused)
    assert look("SELECT * FROM guarded", "reader").startswith(refused), "rows are hidden from it"
    assert look("SELECT * FROM guarded", "reader", hidden_rows="accept") == taken


def test_a_first_look_does_not_wait_for_a_table_that_is_locked(
    server: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg  # noqa: PLC0415

    monkeypatch.setattr("armillary.feeds.sql_first_look.LOOK_SECONDS", 0.05)
    with psycopg.connect(server.address().get_secret_value()) as other:
        other.execute("LOCK TABLE many IN ACCESS EXCLUSIVE MODE")
        seen = sql_first_look(definition("SELECT * FROM many"), address=server.address())
    assert (seen.doubt, seen.todo) == (
        "the query was not ready within 0.05 seconds, and was not waited for",
        "A run waits longer (statement_timeout_seconds).",
    )


def test_r05_a_connection_that_is_lost_in_the_middle_leaves_nothing(
    server: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_delivery, "BATCH_ROWS", 500)
    dies = "SELECT *, CASE lot WHEN 1200 THEN pg_terminate_backend(pg_backend_pid()) END FROM many"
    assert refusal(server, dies) == (
        "lost its connection to the database before its end; what came (1,000 rows) is not used. "
        f"{LATER}Wait until the database answers, then start again."
    )


def test_r05_all_rows_are_of_one_moment(
    server: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two batches somebody empties the table."""
    server.run("CREATE TABLE moving AS SELECT * FROM many")
    monkeypatch.setattr(sql_delivery, "BATCH_ROWS", 500)
    plain = sql_delivery._Rows.add

    def add(rows: sql_delivery._Rows, batch: list[Any]) -> None:
        plain(rows, batch)
        server.run("DELETE FROM moving")

    monkeypatch.setattr(sql_delivery._Rows, "add", add)
    assert read(server, "SELECT * FROM moving").records.height == 2000
    assert server.ask("SELECT count(*) FROM moving") == 0


def test_r05_a_locked_table_and_a_slow_query(
    server: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg  # noqa: PLC0415

    monkeypatch.setattr("armillary.feeds.sql_connection.LOCK_SECONDS", 0.05)
    with psycopg.connect(server.address().get_secret_value()) as other:
        other.execute("LOCK TABLE many IN ACCESS EXCLUSIVE MODE")
        assert refusal(server, "SELECT * FROM many") == (
            "waited too long for a table that somebody else has locked. "
            f"{LATER}Wait until nobody works on it, then start again."
        )
        other.rollback()
    slow = "SELECT *, pg_sleep(5) FROM many"
    assert refusal(server, slow, statement_timeout_seconds=0.05).startswith(
        "took longer than statement_timeout_seconds allows (0.05 seconds), or was cancelled. "
    )


def test_r05_rows_that_are_hidden_from_the_user_are_not_missed_in_silence(
    server: PostgreSql,
) -> None:
    query = "SELECT * FROM guarded"
    assert refusal(server, query, "reader") == (
        "was refused: this user may not read what it names, or only a part of it. "
        f"{LATER}Give the user the right to read it, or set hidden_rows to accept if rows are "
        "hidden from it on purpose, then start again."
    )
    assert read(server, query, "reader", hidden_rows="accept").records.height == 1000
    assert "was refused: this user may not read" in refusal(
        server, "SELECT * FROM instruments", "reader"
    )


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM many RETURNING *",
        "WITH gone AS (DELETE FROM many RETURNING *) SELECT * FROM gone",
        "SELECT 1; COMMIT; DELETE FROM many",
        "SELECT E'\\'' ; COMMIT; DELETE FROM many --'",
    ],
    ids=["delete", "with", "several", "hidden"],
)
def test_r08_no_query_writes(server: PostgreSql, query: str) -> None:
    with pytest.raises(FeedRefused):
        read(server, "", feed=unchecked(query))
    assert server.ask("SELECT count(*) FROM many") == 2000


def test_r08_a_function_that_writes_is_refused_in_words(server: PostgreSql) -> None:
    server.run(
        "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'DELETE FROM many RETURNING lot'"
    )
    assert refusal(server, "SELECT sneak()") == (
        "tried to write, and may only read. "
        f"{LATER}Mend the query: it must change nothing, then start again."
    )


def test_r08_parameters_are_bound_by_the_driver(server: PostgreSql) -> None:
    query = "SELECT * FROM many WHERE isin::text = :isin OR lot IN :lots OR lot = CAST(:lot AS int)"
    reading = read(server, query, parameters={"isin": "' OR ''='", "lots": [7, 9], "lot": 3})
    assert identifiers(reading) == ["T3.XASX", "T7.XASX", "T9.XASX"]


def test_who_is_refused_and_why(server: PostgreSql) -> None:
    feed = definition("SELECT 1")
    for address, words in {
        server.address(password="wrong"): "was refused: user or password are wrong.",
        server.address(database="none"): "was refused: there is no such database.",
    }.items():
        with pytest.raises(FeedRefused) as refused:
            deliver(feed, address=address)
        assert words in str(refused.value)
        assert "wrong@" not in str(refused.value)
    assert refusal(server, "SELECT * FROM manyy").startswith(
        'cannot be run: relation "manyy" does not exist. '
    )
