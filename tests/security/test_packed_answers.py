"""An answer that is small on the wire and huge once it is unpacked does not fill the memory."""

from __future__ import annotations

import gzip
import zlib

import pytest

from armillary.api import wire
from armillary.errors import TransientError
from tests.api.conftest import Serve, serve
from tests.api.wire import answer

__all__ = ["serve"]

MOST_BYTES = 1_000_000
PLAN = b'{"data": {"name": "%s"}}'


def packed(body: bytes, how: str) -> bytes:
    return gzip.compress(body) if how == "gzip" else zlib.compress(body)


@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_more_than_an_answer_may_hold_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", MOST_BYTES)
    body = packed(PLAN % (b"0" * 20 * MOST_BYTES), how)
    assert len(body) < MOST_BYTES / 10
    bench = serve(answer(200, body, {"Content-Encoding": how}), attempts=1)
    with pytest.raises(TransientError, match="more than 1000000 bytes"):
        bench.ptolemy.usage()


@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_a_usual_one_is_unpacked(serve: Serve, how: str) -> None:
    body = packed(PLAN % b"Growth", how)
    bench = serve(answer(200, body, {"Content-Encoding": how}), attempts=1)
    assert bench.ptolemy.usage() == {"name": "Growth"}
