"""The source of a feed, asked by ``check``: every kind as it is when all is well, and when not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from armillary.feeds.first_look import FirstLook
from armillary.feeds.source import Fetching, first_look
from armillary.readiness import Finding, Level
from armillary.readiness.sources import check_source, look_of
from blocks import FileFeed, RestFeed, SqlFeed
from tests.feeds.rest_vendor import Answer, RestVendor, rest_vendor, rows
from tests.feeds.test_sql_delivery import Database
from tests.feeds.test_sql_delivery import definition as query
from tests.feeds.vendor import HEADER, definition
from tests.feeds.web import Web, web

SECRET = "hunter2-9c1d"
ROWS = HEADER + b"A,xasx,Alpha,AU1,100\n"


@pytest.fixture(scope="module")
def service() -> Iterator[RestVendor]:
    with rest_vendor() as started:
        yield started


@pytest.fixture
def vendor(service: RestVendor) -> RestVendor:
    service.asked.clear()
    service.holds(rows(10))
    return service


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    with web() as started:
        yield started


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "vendor.db")


def told(found: Finding) -> tuple[Level, str, str]:
    assert SECRET not in str(found)
    return found.level, found.found, found.todo


def test_a_service_is_asked_for_its_first_page_and_no_other(vendor: RestVendor) -> None:
    feed = vendor.feed(paging={"style": "offset", "size": 3}, total="meta.count")
    found = check_source(look_of(feed), "feed vendor-rest")
    assert found.subject == "feed vendor-rest, source"
    assert told(found) == (Level.OK, f"{vendor.url} answers, with 3 records on its first page", "")
    assert [asked.query for asked in vendor.asked] == [{"offset": "0", "limit": "3"}]


def test_a_variable_that_is_not_set_is_named(vendor: RestVendor) -> None:
    for found in (
        check_source(look_of(vendor.feed(token_variable="NO_TOKEN")), "feed x"),
        check_source(look_of(query(url_variable="NO_TOKEN")), "feed x"),
        check_source(
            look_of(definition(url="https://127.0.0.1:9/x.csv", token_variable="NO_TOKEN")),
            "feed x",
        ),
    ):
        assert found.level is Level.FAILED
        assert found.found.startswith("The environment variable NO_TOKEN, which holds the ")
        assert found.todo == "Set it there, or mend the feed definition, then start again."
    assert vendor.asked == []


@pytest.mark.parametrize("status", [401, 503])
def test_a_service_that_refuses_is_asked_once(
    vendor: RestVendor, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_TOKEN", SECRET)
    vendor.answer = lambda asked: Answer({"token": SECRET}, status=status)
    level, found, todo = told(
        check_source(look_of(vendor.feed(token_variable="VENDOR_TOKEN")), "feed x")
    )
    assert level is Level.FAILED
    said, advice = {
        401: (
            "it answers 401: the token or password is missing, wrong or expired",
            "Renew the token or password of the feed, then start the sync again.",
        ),
        503: ("it answers 503", "Start the sync again when the service answers."),
    }[status]
    assert found == f"{vendor.url}: page 1 could not be read: {said}."
    assert todo == advice
    assert len(vendor.asked) == 1
    assert vendor.asked[0].headers["authorization"] == f"Bearer {SECRET}"


def test_a_service_that_is_not_there_costs_no_waiting() -> None:
    feed = RestVendor.feed(_Nowhere())  # type: ignore[arg-type]
    began = time.monotonic()
    level, found, _ = told(check_source(look_of(feed), "feed x"))
    assert level is Level.FAILED
    assert found.endswith("page 1 could not be read: no connection to 127.0.0.1.")
    assert time.monotonic() - began < 1.5


class _Nowhere:
    url = "http://127.0.0.1:9/v1/instruments"


def test_a_page_without_records_or_without_a_column_is_doubtful(vendor: RestVendor) -> None:
    vendor.holds([])
    assert told(check_source(look_of(vendor.feed()), "feed x")) == (
        Level.WARNING,
        f"{vendor.url} answers, with 0 records on its first page; a run refuses a list that has "
        "none",
        "Check what the credentials may see, and params, then start the sync again.",
    )
    vendor.holds(rows(2))
    feed = vendor.feed(fields={"isin": "{ISIN}"})
    assert told(check_source(look_of(feed), "feed x")) == (
        Level.WARNING,
        f"{vendor.url} answers, with 2 records on its first page; none of them has 'ISIN' (did you "
        "mean 'isin'?), which the feed definition needs",
        "Mend the templates of the feed, or rows. They have: ticker, mic, isin, lot.",
    )


def test_a_query_is_taken_or_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_DATABASE", database.address.get_secret_value())
    source = f"Query vendor-sql (database {database.path})"

    def asked(text: str) -> tuple[Level, str, str]:
        return told(check_source(look_of(query(text, url_variable="VENDOR_DATABASE")), "feed x"))

    assert asked("SELECT * FROM instruments") == (
        Level.OK,
        f"{source} takes the query, and has all columns the feed needs",
        "",
    )
    assert asked("SELECT * FROM nowhere") == (
        Level.FAILED,
        f"{source} cannot be run: no such table: nowhere.",
        "Mend the query, or what it reads, then start again.",
    )
    assert asked("SELECT ticker, mic, isin AS code, lot FROM instruments") == (
        Level.FAILED,
        f"{source} has no column 'isin', which the feed definition needs. Its columns: ticker, "
        "mic, code, lot.",
        "Mend the query, or the templates of the feed.",
    )


def test_a_query_is_not_carried_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_DATABASE", database.address.get_secret_value())
    endless = (
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS ticker, i AS mic, i AS isin, i AS lot FROM n WHERE i < 0 -- for ever"
    )
    feed = query(endless, url_variable="VENDOR_DATABASE", statement_timeout_seconds=5)
    assert check_source(look_of(feed), "feed x").level is Level.OK


def test_a_database_that_is_not_there() -> None:
    address = f"postgresql://app:{SECRET}@127.0.0.1:1/vendor"
    block = SqlFeed(**dict(query()) | {"url": SecretStr(address)})
    assert told(check_source(block.look, "sql-feed/x")) == (
        Level.FAILED,
        "Query vendor-sql (database vendor at 127.0.0.1) found no database that answers there "
        "(port 1, as the user 'app').",
        "Look at the database, or mend the address, then start again.",
    )


def test_a_file_is_looked_for_and_not_read(site: Web, tmp_path: Path) -> None:
    url = site.put("/asx.csv", ROWS)
    site.asked.clear()
    block = FileFeed(**dict(definition(url=url)) | {"token": SecretStr(SECRET)})
    assert told(check_source(block.look, "file-feed/x")) == (
        Level.OK,
        f"{url} is there, with {len(ROWS)} bytes, and may be read",
        "",
    )
    assert [method for method, _, _ in site.asked] == ["HEAD", "GET"]
    site.put("/asx.csv", b"", status=403)
    assert told(check_source(block.look, "file-feed/x")) == (
        Level.FAILED,
        f"{url} may not be read by this user or with these credentials.",
        "Give read access, then start the sync again.",
    )
    here = tmp_path / "asx_20261119.csv"
    here.write_bytes(ROWS)
    pattern = str(tmp_path / "asx_{date:%Y%m%d}.csv")
    assert first_look(pattern, Fetching()) == FirstLook(
        f"{here} is there, with {len(ROWS)} bytes, and may be read"
    )


@pytest.mark.parametrize("name", ["none.csv", "none_*.csv"])
def test_a_file_that_is_not_there_now_may_come(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    level, found, todo = told(check_source(look_of(definition(url=str(path))), "feed x"))
    assert level is Level.WARNING
    assert found.startswith(f"{path} is not there now; has not been delivered: ")
    assert todo == "A run refuses that. If the file should be there by now, mend url in the feed."


def test_a_server_of_files_that_does_not_answer() -> None:
    level, found, todo = told(
        check_source(look_of(definition(url="https://127.0.0.1:9/asx.csv")), "feed x")
    )
    assert (level, todo) == (Level.FAILED, "Start the sync again when that is mended.")
    assert found == (
        "https://127.0.0.1:9/asx.csv cannot be had: 127.0.0.1 refuses the connection: no service "
        "listens at that port."
    )


def test_a_block_brings_its_own_secrets(vendor: RestVendor) -> None:
    block = RestFeed(**dict(vendor.feed()) | {"token": SecretStr(SECRET)})
    assert check_source(block.look, "rest-feed/x").level is Level.OK
    assert vendor.asked[0].headers["authorization"] == f"Bearer {SECRET}"
