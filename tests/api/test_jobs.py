"""Imports and exports, and what is said of them."""

from __future__ import annotations

import io

import pytest

from armillary.errors import AnswerLost, RequestRejected, UnexpectedAnswer
from tests.api.conftest import Serve
from tests.api.wire import answer, json, page

JOB = {"id": "j1", "status": "queued"}


@pytest.mark.parametrize("status", [400, 422])
def test_d7_the_other_export_key_is_tried_and_remembered(serve: Serve, status: int) -> None:
    bench = serve(answer(status), json(JOB, 202))
    assert bench.ptolemy.exports.create("markets").resource_type == "markets"
    bench.ptolemy.with_single_attempts().exports.create("instruments", filter={"and": []})
    first, second, third = (request.json for request in bench.server.received)
    assert first == {"object_type": "markets", "format": "json", "include_archived": True}
    assert second == {"resource_type": "markets", "format": "json", "include_archived": True}
    assert third["resource_type"] == "instruments"
    assert third["filter"] == {"and": []}


def test_d7_an_export_refused_under_either_key(serve: Serve) -> None:
    bench = serve(answer(422, b'{"message": "no"}'), answer(400, b'{"message": "nor so"}'))
    with pytest.raises(RequestRejected, match="no") as caught:
        bench.ptolemy.exports.create("markets")
    assert "nor so" in caught.value.__notes__[0]
    assert len(bench.server.received) == 2


def test_a10_a_lost_export_is_not_submitted_under_the_other_key(serve: Serve) -> None:
    bench = serve(answer(500))
    with pytest.raises(AnswerLost):
        bench.ptolemy.exports.create("markets")
    assert len(bench.server.received) == 1


@pytest.mark.parametrize(
    ("status", "final", "completed"),
    [
        ("queued", False, False),
        ("processing", False, False),
        ("completed", True, True),
        ("failed", True, False),
        ("cancelled", True, False),
        ("expired", True, False),
    ],
)
def test_d12_the_states_of_a_job(
    serve: Serve, status: str, *, final: bool, completed: bool
) -> None:
    bench = serve(json({**JOB, "status": status}))
    job = bench.ptolemy.imports.get("j1")
    assert (job.is_final, job.is_completed) == (final, completed)


@pytest.mark.parametrize("key", ["object_type", "resource_type"])
def test_a_job_in_full(serve: Serve, key: str) -> None:
    told = {
        **JOB,
        key: "instruments",
        "row_count": "12",
        "rows_imported": 11,
        "rows_failed": None,
        "errors": [{"row": 3}],
        "download_url": "https://files.test/x?signature=secret",
    }
    bench = serve(page([told]))
    (job,) = bench.ptolemy.exports.list()
    assert job.resource_type == "instruments"
    assert (job.row_count, job.rows_imported, job.rows_failed) == (12, 11, None)
    assert job.errors == ({"row": 3},)
    assert job.download_url is not None
    assert job.download_url.get_secret_value() == "https://files.test/x?signature=secret"


def test_a_job_without_id_is_no_job(serve: Serve) -> None:
    bench = serve(json({"status": "queued"}, 202))
    with pytest.raises(UnexpectedAnswer, match="no job with an id"):
        bench.ptolemy.exports.create("markets")


class Pipe(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_an_import_from_a_file_is_whole_at_every_attempt(
    serve: Serve, kind: type[io.BytesIO]
) -> None:
    content = b"identifier,name\nbhp.ax,BHP\n" * 9999
    bench = serve(answer(429, b"", {"Retry-After": "1"}), json(JOB, 202))
    bench.ptolemy.imports.create(
        kind(content),
        resource_type="instruments",
        identifier_column="identifier",
        file_name="part-1.csv",
        media_type="text/csv",
    )
    for request in bench.server.received:
        assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert content in request.body
        for part in (
            b'name="resource_type"\r\n\r\ninstruments',
            b'filename="part-1.csv"',
            b'name="on_error"\r\n\r\ncontinue',
            b'name="identifier_column"\r\n\r\nidentifier',
        ):
            assert part in request.body


def test_an_import_is_cancelled(serve: Serve) -> None:
    bench = serve(json({**JOB, "status": "cancelled"}))
    bench.ptolemy.imports.cancel("j1")
    assert bench.server.calls == ["POST /imports/j1/cancel"]
