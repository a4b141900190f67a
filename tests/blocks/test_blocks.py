"""Blocks: the slugs people's deployments name, and texts that can be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

import blocks
from armillary.errors import ConfigurationError
from armillary.feeds.loading import load_feed
from blocks import (
    BackupStore,
    CadenzaAccount,
    CadenzaFeed,
    FileFeed,
    PtolemyWorkspace,
    RestFeed,
    SqlFeed,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
VENUE = EXAMPLES / "venue-binance.yaml"
REST = EXAMPLES / "vendor-rest.yaml"
SQL = EXAMPLES / "vendor-sql.yaml"
CURSOR = EXAMPLES / "vendor-rest-cursor.yaml"
FILES = sorted(set(EXAMPLES.rglob("*.yaml")) - {VENUE, REST, SQL, CURSOR})
ACCOUNT = CadenzaAccount(
    url="https://cadenza-api-uat.algo724.com", email="trader@example.com", password="practice"
)
REGISTERED: list[type[Block]] = [
    PtolemyWorkspace,
    CadenzaAccount,
    FileFeed,
    RestFeed,
    SqlFeed,
    CadenzaFeed,
    BackupStore,
]


@pytest.mark.parametrize("block", REGISTERED)
class TestBlocksAreInOrder(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, block: type[Block]) -> type[Block]:
        return block

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Skipped on purpose: a logo would be an address outside, which nothing here needs."""


@pytest.mark.parametrize(
    ("block", "slug"),
    [
        (PtolemyWorkspace, "ptolemy-workspace"),
        (CadenzaAccount, "cadenza-account"),
        (FileFeed, "file-feed"),
        (RestFeed, "rest-feed"),
        (SqlFeed, "sql-feed"),
        (CadenzaFeed, "cadenza-feed"),
        (BackupStore, "backup-store"),
    ],
)
def test_the_slugs_never_change(block: type[Block], slug: str) -> None:
    assert block.get_block_type_slug() == slug
    assert block.__name__ in blocks.__all__


@pytest.mark.parametrize("block", REGISTERED)
def test_a_block_asks_for_something(block: type[Block]) -> None:
    """Else the run form takes a reference to it for the block itself, and refuses both."""
    assert any(field.is_required() for field in block.model_fields.values())


def test_every_field_is_explained() -> None:
    for block in REGISTERED:
        for name, field in block.model_fields.items():
            assert field.title, f"{block.__name__}.{name} has no title"
            assert str(field.description).endswith("."), f"{block.__name__}.{name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_feed_block_and_a_feed_file_are_the_same_thing(path: Path) -> None:
    assert FileFeed.from_file(path).definition() == load_feed(path)


def test_a_feed_of_a_service_or_a_query_and_its_file_are_the_same_thing() -> None:
    assert RestFeed.from_file(REST).definition() == load_feed(REST)
    assert SqlFeed.from_file(SQL).definition() == load_feed(SQL)


def test_a_feed_of_a_venue_and_its_file_are_the_same_thing() -> None:
    feed = CadenzaFeed.from_file(VENUE, ACCOUNT)
    assert feed.definition() == load_feed(VENUE)
    assert feed.definition() == CadenzaFeed.for_venue(ACCOUNT, "binance").definition()


def test_a_file_of_the_other_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="of kind cadenza, and another was asked for"):
        FileFeed.from_file(VENUE)
    with pytest.raises(ConfigurationError, match="of kind file, and another was asked for"):
        CadenzaFeed.from_file(EXAMPLES / "vendor-asx.yaml", ACCOUNT)


def test_a_misspelt_key_of_a_venue_is_no_key() -> None:
    with pytest.raises(ValueError, match="limit\\n"):
        CadenzaFeed.for_venue(ACCOUNT, "BINANCE", limit={"max_creates": 7})
    changed = CadenzaFeed.for_venue(ACCOUNT, "BINANCE", limits={"max_creates": 7})
    assert changed.definition().limits.max_creates == 7


@pytest.mark.parametrize(
    ("block", "first"),
    [
        (FileFeed, ["name", "kind", "url"]),
        (RestFeed, ["name", "kind", "url"]),
        (SqlFeed, ["name", "kind", "query"]),
        (CadenzaFeed, ["account", "name", "kind", "venue"]),
    ],
)
def test_a_form_asks_for_the_source_before_the_mapping(
    block: type[Block], first: list[str]
) -> None:
    assert list(block.model_json_schema()["properties"])[: len(first)] == first


@pytest.mark.flow
def test_blocks_survive_being_stored(prefect_server: None) -> None:
    token = "ptk_live_" + "ab" * 32
    PtolemyWorkspace(workspace="demo", token=token).save("main", overwrite=True)
    loaded = PtolemyWorkspace.load("main")
    assert isinstance(loaded, PtolemyWorkspace)
    assert loaded.token.get_secret_value() == token
    assert token not in repr(loaded)
    feed = FileFeed.from_file(EXAMPLES / "vendor-asx.yaml")
    feed.save("vendor", overwrite=True)
    stored = FileFeed.load("vendor")
    assert isinstance(stored, FileFeed)
    assert stored.definition() == feed.definition()
    ACCOUNT.save("desk", overwrite=True)
    account = CadenzaAccount.load("desk")
    assert isinstance(account, CadenzaAccount)
    of_a_venue = CadenzaFeed.for_venue(account, "OKX", missing="keep")
    of_a_venue.save("okx", overwrite=True)
    loaded_feed = CadenzaFeed.load("okx")
    assert isinstance(loaded_feed, CadenzaFeed)
    assert loaded_feed.definition() == of_a_venue.definition()
    assert loaded_feed.account.password.get_secret_value() == "practice"
    assert "practice" not in repr(loaded_feed)
