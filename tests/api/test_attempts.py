"""How often, how long, and for whom."""

from __future__ import annotations

import pytest

from armillary.errors import AnswerLost, RunStopped, TransientError
from tests.api.conftest import Serve
from tests.api.wire import Behaviour, answer, json, limited, reset

GOOD = json({"id": "1"})
DOWN = answer(503)


def test_four_attempts_with_doubling_waits(serve: Serve) -> None:
    bench = serve(DOWN)
    with pytest.raises(TransientError, match="This was attempt 4"):
        bench.ptolemy.instruments.get("bhp.ax")
    assert len(bench.server.received) == 4
    for wait, (least, most) in zip(bench.clock.slept, [(0.5, 1), (1, 1.5), (2, 2.5)], strict=True):
        assert least <= wait <= most


def test_no_attempt_starts_after_the_window(serve: Serve) -> None:
    bench = serve(answer(503, headers={"Retry-After": "40"}))
    with pytest.raises(TransientError, match="This was attempt 2"):
        bench.ptolemy.instruments.get("bhp.ax")
    assert bench.clock.slept == [40]


def test_a01_waiting_for_the_rate_limit_does_not_use_up_the_window(serve: Serve) -> None:
    bench = serve(limited(Retry_After="250"), DOWN, DOWN, GOOD)
    assert bench.ptolemy.instruments.get("bhp.ax") == {"id": "1"}
    assert bench.clock.passed > 250


def test_single_attempts_leave_repeating_to_the_caller(serve: Serve) -> None:
    bench = serve(DOWN)
    single = bench.ptolemy.with_single_attempts()
    with pytest.raises(AnswerLost):
        single.instruments.patch("bhp.ax", {})
    assert len(bench.server.received) == 1
    assert bench.clock.slept == []
    assert bench.ptolemy.meter is single.meter
    assert bench.ptolemy.meter.used == 1


def test_single_attempts_still_wait_for_the_rate_limit(serve: Serve) -> None:
    bench = serve(limited(Retry_After="5"), GOOD)
    single = bench.ptolemy.with_single_attempts()
    assert single.instruments.get("bhp.ax") == {"id": "1"}
    assert bench.clock.passed >= 5


def test_the_view_leaves_the_client_as_it_was(serve: Serve) -> None:
    bench = serve(DOWN, DOWN, GOOD)
    bench.ptolemy.with_single_attempts()
    assert bench.ptolemy.instruments.get("bhp.ax") == {"id": "1"}


def test_a_budget_stops_before_the_call_that_exceeds_it(serve: Serve) -> None:
    bench = serve(DOWN, max_calls=3)
    with pytest.raises(RunStopped, match=r"budget of 3 calls is used up; GET /instruments/\{id\}"):
        bench.ptolemy.instruments.get("bhp.ax")
    assert len(bench.server.received) == 3
    assert bench.ptolemy.meter.used == 3
    bench.ptolemy.meter.max_calls = None
    bench.server.script[:] = [GOOD]
    assert bench.ptolemy.instruments.get("bhp.ax") == {"id": "1"}


@pytest.mark.parametrize("first", [reset, DOWN], ids=["reset", "503"])
def test_a12_archive_and_restore_are_repeated(serve: Serve, first: Behaviour) -> None:
    bench = serve(first, answer(204), first, GOOD)
    bench.ptolemy.instruments.archive("bhp.ax")
    assert bench.ptolemy.instruments.restore("bhp.ax") == {"id": "1"}
    assert bench.server.calls == [
        "DELETE /instruments/bhp.ax",
        "DELETE /instruments/bhp.ax",
        "POST /instruments/bhp.ax/restore",
        "POST /instruments/bhp.ax/restore",
    ]


def test_an_import_is_sent_once_and_again_in_full_after_a_429(serve: Serve) -> None:
    bench = serve(limited(Retry_After="1"), json({"id": "job", "status": "queued"}, 202))
    job = bench.ptolemy.imports.create(b'[{"identifier": "x"}]', resource_type="instruments")
    assert job.id == "job"
    first, second = bench.server.received
    assert b'[{"identifier": "x"}]' in first.body
    assert b'[{"identifier": "x"}]' in second.body
    assert len(first.body) == len(second.body)


def test_a11_a_lost_import_is_not_submitted_again(serve: Serve) -> None:
    bench = serve(reset)
    with pytest.raises(AnswerLost):
        bench.ptolemy.imports.create(b"[]", resource_type="instruments")
    assert len(bench.server.received) == 1
