"""Feeds that ask a service or a database: their secrets, and the connector people already have."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from pydantic import SecretStr

from armillary.errors import ConfigurationError
from blocks import RestFeed, SqlFeed

SECRET = "s3cr3t-77ab"
REST: dict[str, Any] = {
    "name": "r",
    "url": "https://vendor.example/v1",
    "instrument_type": "equity",
    "identifier": "{a}",
    "token": SECRET,
}
SQL: dict[str, Any] = {
    "name": "q",
    "query": "SELECT 'x' AS a",
    "instrument_type": "equity",
    "identifier": "{a}",
}
ADDRESS = f"postgresql://app:{SECRET}@127.0.0.1:1/vendor"


def test_secrets_are_shown_nowhere() -> None:
    for feed in (RestFeed(**REST), SqlFeed(**SQL, url=ADDRESS)):
        shown = f"{feed!r} {feed.model_dump()} {feed.model_dump_json()} {feed.definition()!r}"
        assert SECRET not in shown
        assert SECRET not in str(feed.definition().model_dump())


def test_a_service_feed_asks_with_its_token() -> None:
    feed = RestFeed(**REST | {"username": "desk"})
    with pytest.raises(ConfigurationError, match="Feed r has a username and a token"):
        feed.deliver()


def test_a_connector_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_sqlalchemy", None)
    with pytest.raises(ConfigurationError) as refused:
        SqlFeed(**SQL, connector="vendor").deliver()
    assert str(refused.value) == (
        "Feed q names the connector vendor, and the package of such blocks is not installed. "
        'Install it with pip install "armillary[connector]", then start again.'
    )


@pytest.mark.flow
def test_stored_feeds_and_a_connector_of_prefect(prefect_server: None, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "vendor.db").close()
    components = ConnectionComponents(
        driver=SyncDriver.SQLITE_PYSQLITE, database=str(tmp_path / "vendor.db")
    )
    SqlAlchemyConnector(connection_info=components).save("vendor", overwrite=True)
    delivery = SqlFeed(**SQL, connector="vendor").deliver()
    assert delivery.source == f"Query q (database {tmp_path}/vendor.db)"
    with pytest.raises(ConfigurationError, match="SQLAlchemy Connector none, which cannot be load"):
        SqlFeed(**SQL, connector="none").deliver()
    for feed in (RestFeed(**REST), SqlFeed(**SQL, url=ADDRESS)):
        feed.save("kept", overwrite=True)
        loaded = type(feed).load("kept")
        assert isinstance(loaded, RestFeed | SqlFeed)
        assert loaded.definition() == feed.definition()
        secret: SecretStr = loaded.token if isinstance(loaded, RestFeed) else loaded.url
        assert SECRET in secret.get_secret_value()
