"""What all runs together leave behind holds no secret."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import zstandard
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL

from armillary.errors import ApiError
from tests.security.scan import Left
from tests.security.story import Story, database, told

pytestmark = [pytest.mark.flow, pytest.mark.long]

PLANTED = "planted-3b9d51e7"

KINDS = (
    "logs",
    "events",
    "state of sync",
    "state of sync denied as JSON",
    "result of backup",
    "error of backup denied AccessDenied pickle",
    "error of venues denied",
    "runs/",
    "bucket desk/demo/",
    "terminal",
    "what --json prints of sync",
    "what --json prints of backup",
    "words about a ping",
    "settings",
    "database table flow_run",
    "database table log",
    "database table artifact",
    "database bytes of prefect-test.db",
)


@pytest.fixture(scope="module")
def story(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Everything was run once; the tests look at what is left of it."""
    with told(tmp_path_factory.mktemp("story")) as whole:
        for worker in (APILogWorker, EventsWorker):
            worker.drain_all()
        whole.tables = whole.left.database("database", database())
        yield whole


def test_every_run_ended_as_the_story_needs_it(story: Story) -> None:
    assert "\n".join(story.surprises) == ""
    places = list(story.left.places)
    assert [kind for kind in KINDS if not any(each.startswith(kind) for each in places)] == []
    assert len(story.events) > 50
    assert {"flow_run", "flow_run_state", "artifact", "log"} <= story.tables
    assert len(story.secrets) > 20
    assert not list((story.folder / "tmp").iterdir()), "a temporary file is left"


def test_nothing_that_was_left_holds_a_secret(story: Story) -> None:
    found = story.left.found(story.secrets)
    assert not found, "\n".join(found)


def test_what_was_refused_was_refused_in_words_with_the_token_blotted_out(story: Story) -> None:
    """Else the services quoted nothing, and the test above would prove little."""
    for name in ("sync denied", "backup denied", "restore denied"):
        error = story.states[name].result(raise_on_failure=False)
        assert "you sent Bearer **********" in str(error)
        if isinstance(error, ApiError):
            assert "https://files.test/a?..." in error.body_start


def test_the_scan_finds_what_is_planted(story: Story, tmp_path: Path) -> None:
    """In a table, a log of the database, a packed file, a name, a pickle, a base64, a cause."""
    artifact = {"key": "planted", "type": "markdown", "data": f"see {PLANTED} below"}
    httpx.post(f"{PREFECT_API_URL.value()}/artifacts/", json=artifact).raise_for_status()
    (tmp_path / "a.gz").write_bytes(gzip.compress(PLANTED.encode()))
    (tmp_path / "a.zst").write_bytes(zstandard.compress(b"...." + PLANTED.encode()))
    (tmp_path / PLANTED).write_bytes(b"")
    for start in range(3):
        encoded = base64.b64encode(b"x" * start + PLANTED.encode() + b"tail")
        (tmp_path / f"base64-{start}").write_bytes(encoded)
    left = Left()
    left.database("database", database())
    left.folder("files", tmp_path)
    left.thing("value", {"inside": [PLANTED]})
    try:
        try:
            raise ValueError(PLANTED)
        except ValueError as cause:
            raise RuntimeError("nothing to see") from cause
    except RuntimeError as error:
        left.error("error", error)
    places = {each.partition(" in ")[2] for each in left.found({"it": PLANTED})}
    assert places >= {
        "database table artifact",
        "files/a.gz (gzip)",
        "files/a.zst (zstd)",
        f"files/{PLANTED} name",
        "files/base64-0",
        "files/base64-1",
        "files/base64-2",
        "value repr",
        "value pickle",
        "error ValueError str",
    }
    assert any(place.startswith("database bytes of") for place in places)
    assert left.found({"another": "planted-00000000"}) == []
