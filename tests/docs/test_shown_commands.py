"""Every command of the README and of ``docs/`` runs, in the order in which a reader meets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.desk import Desk, Failed
from tests.docs.not_run import LOOKED_AT, NOT_TYPED
from tests.docs.pages import ROOT
from tests.docs.shown import Block, blocks_of
from tests.docs.stories import (
    ENDS_OTHERWISE,
    HONG_KONG,
    OTHERS_HAVE,
    STORIES,
    Reading,
    Story,
    known_to,
    other_pages,
)
from tests.docs.world import BUCKETS, new_world
from tests.runs.s3 import LoopbackS3

FEED = """
name: my-feed
url: my-feed.csv
instrument_type: equity
identifier: "{ticker}"
name_template: "{ticker}"
"""


@pytest.fixture(scope="module")
def store() -> Iterator[LoopbackS3]:
    server = LoopbackS3()
    yield server
    server.stop()


@pytest.mark.flow
@pytest.mark.long
@pytest.mark.parametrize("name", STORIES)
def test_every_command_of_a_page_ends_as_the_page_says(
    name: str, prefect_server: None, store: LoopbackS3, tmp_path: Path
) -> None:
    typed(STORIES[name], store, tmp_path)


@pytest.mark.flow
@pytest.mark.long
def test_every_command_of_every_other_page_runs(
    prefect_server: None, store: LoopbackS3, tmp_path: Path
) -> None:
    pages = tuple(Reading(page, new_terminal=True) for page in other_pages())
    typed(Story(pages, OTHERS_HAVE, only=HONG_KONG), store, tmp_path)


def typed(story: Story, store: LoopbackS3, folder: Path) -> None:
    """Type all of a story at one desk."""
    for name in BUCKETS:
        store.client.create_bucket(Bucket=name)
    world = new_world(store)
    with world.sim:
        desk = Desk(folder, world.environment | story.environment, world.programs, story.only)
        (desk.clone / "my-feed.yaml").write_text(FEED)
        (desk.clone / "my-feed.csv").write_text("ticker\nbhp.ax\ncba.ax\n")
        try:
            at = (story.before[:1] or story.readings)[0], -1
            for reading, block in story.blocks():
                if reading.new_terminal and at != (reading, block.part):
                    desk.start_anew()
                at = reading, block.part
                world.known = known_to(story, reading) if reading in story.readings else set()
                failed, said = desk.type(block, world.filled_in(block.text))
                keep(block, said)
                assert failed == expected(block), f"{block}\n{block.text}\n{said}"
        finally:
            desk.close()
            for name in BUCKETS:
                store.remove(name)


def expected(block: Block) -> list[Failed]:
    """What of a block does not end with 0."""
    codes = ENDS_OTHERWISE.get(block.page, {})
    given = [command.partition("  #")[0].strip() for command in block.commands]
    return [Failed(codes[command], command) for command in given if command in codes]


def keep(block: Block, said: str) -> None:
    """What a page prints, to look at or to put into it: ``SHOWN=file``."""
    if "SHOWN" in os.environ:
        with Path(os.environ["SHOWN"]).open("a", encoding="utf-8") as kept:
            kept.write(f"##### {block}\n{block.text}-----\n{said}\n")


def test_what_is_not_run_is_covered_by_something_that_is_there() -> None:
    for command, covered in (LOOKED_AT | NOT_TYPED).items():
        assert (ROOT / covered.by).exists(), command
        assert covered.reason


def test_nothing_is_listed_that_no_page_shows() -> None:
    pages = [*other_pages(), *{reading.page for it in STORIES.values() for reading in it.readings}]
    shown = [command for page in pages for block in blocks_of(page) for command in block.commands]
    for beginning in NOT_TYPED:
        assert any(command.startswith(beginning) for command in shown), beginning
    for page, commands in ENDS_OTHERWISE.items():
        told = [command for block in blocks_of(page) for command in block.commands]
        assert [it for it in commands if not any(line.startswith(it) for line in told)] == []


def test_a_command_that_fails_is_found(tmp_path: Path) -> None:
    """Else the tests above would look at nothing."""
    desk = Desk(tmp_path, {}, {})
    block = Block("page.md", 1, 0, "cp nothing here\nfalse\ntrue\n")
    failed, said = desk.type(block, block.text)
    desk.close()
    assert [(it.code, it.command) for it in failed] == [(1, "cp nothing here"), (1, "false")]
    assert "nothing" in said
