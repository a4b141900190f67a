"""The command that starts a deployment again names all that makes it the same run."""

from __future__ import annotations

import shlex
from pathlib import Path

from blocks import FileFeed
from tasks.deployed import reference_to, references_to, start_command
from tests.sync.chain import vendor


def a_feed(name: str | None) -> FileFeed:
    feed = FileFeed(**dict(vendor(Path("v.csv"))))
    feed._block_document_name = name
    feed._is_anonymous = False
    return feed


def test_a_stored_block_is_named_and_one_that_is_not_stored_is_left_out() -> None:
    named = {"$ref": {"block_document_slug": "file-feed/us-vendor"}}
    assert reference_to(a_feed("us-vendor")) == named
    assert reference_to(a_feed(None)) is None
    assert references_to(feed=a_feed("us-vendor"), other=a_feed(None), none=None) == {"feed": named}


def test_a_shell_takes_the_command_as_it_is_meant() -> None:
    given = {"only": ["o'hara inc"], **references_to(feed=a_feed("us-vendor"))}
    words = shlex.split(start_command("sync-instruments/sync-by-hand", mode="apply", **given))
    assert words == [
        *("prefect", "deployment", "run", "sync-instruments/sync-by-hand"),
        *("--param", "mode=apply", "--param", 'only=["o\'hara inc"]'),
        *("--param", 'feed={"$ref": {"block_document_slug": "file-feed/us-vendor"}}'),
    ]
