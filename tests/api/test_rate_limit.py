"""429 in all its forms, and how all workers of a token slow down together."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from armillary.api import Connection, Meter, Ptolemy, connect
from armillary.api.throttle import GROW_AFTER, Throttle
from armillary.clock import SystemClock
from armillary.errors import QuotaExhausted, RateLimited
from tests.api.clocks import JumpClock
from tests.api.conftest import Serve
from tests.api.wire import Exchange, WireServer, answer, json, limited

GOOD = json({"id": "1"})


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry_After": "3"}, 3, 3.3),
        ({"Retry_After": "2.5"}, 2.5, 2.8),
        ({"Retry_After": "300"}, 300, 301),
        ({"Retry_After": "Fri, 20 Nov 2026 02:00:30 GMT"}, 30, 31),
        ({"Retry_After": "Fri, 20 Nov 2026 02:00:30 -0000"}, 30, 31),
        ({"Retry_After": "Fri, 20 Nov 2020 02:00:30 GMT"}, 0, 0),
        ({"Retry_After": "0"}, 0, 0),
        ({"Retry_After": "-5"}, 0, 0),
        ({"Retry_After": "soon"}, 0, 1.1),
        ({"Retry_After": "nan"}, 0, 1.1),
        ({"Retry_After": "Fri, 99 Nov 2026"}, 0, 1.1),
        ({"Retry_After": ""}, 0, 1.1),
        ({}, 0, 1.1),
        ({"X_RateLimit_Remaining": "7"}, 0, 1.1),
        ({"X_RateLimit_Remaining": "many"}, 0, 1.1),
    ],
)
def test_a01_a02_a03_the_wait_of_a_429(
    serve: Serve, headers: dict[str, str], least: float, most: float
) -> None:
    bench = serve(limited(**headers), GOOD)
    assert bench.ptolemy.instruments.get("bhp.ax") == {"id": "1"}
    assert least <= bench.clock.passed <= most


def test_t01_a_date_is_measured_by_the_clock_that_wrote_it(serve: Serve) -> None:
    hours_off = {
        "Retry_After": "Fri, 20 Nov 2026 09:00:10 GMT",
        "Date": "Fri, 20 Nov 2026 09:00:00 GMT",
    }
    bench = serve(limited(**hours_off), GOOD)
    bench.ptolemy.instruments.get("bhp.ax")
    assert 10 <= bench.clock.passed <= 11


@pytest.mark.parametrize("retry_after", ["301", "86400", "9" * 40, "Sat, 21 Nov 2026 02:00:00 GMT"])
def test_a02_a_wait_beyond_the_limit_ends_the_run(serve: Serve, retry_after: str) -> None:
    bench = serve(limited(Retry_After=retry_after))
    with pytest.raises(RateLimited) as caught:
        bench.ptolemy.instruments.get("bhp.ax")
    assert caught.value.retry_after_seconds > 300
    assert bench.clock.slept == []
    assert len(bench.server.received) == 1


def test_a02_what_the_person_reads(serve: Serve) -> None:
    bench = serve(limited(Retry_After="86400"))
    with pytest.raises(RateLimited) as caught:
        bench.ptolemy.instruments.get("bhp.ax")
    assert str(caught.value) == (
        "GET /instruments/bhp.ax 429: told to wait 86400 seconds (86400 in all for this request); "
        "a run waits 300 at a time and 600 in all. Start the run again in 86400 seconds."
    )


@pytest.mark.parametrize("retry_after", ["0", "1", "100", "nonsense"])
def test_a_service_that_only_ever_says_429_is_given_up(serve: Serve, retry_after: str) -> None:
    bench = serve(limited(Retry_After=retry_after))
    with pytest.raises(RateLimited):
        bench.ptolemy.instruments.get("bhp.ax")
    assert 540 <= bench.clock.passed <= 700
    assert len(bench.server.received) < 100


def test_a01_429s_are_not_attempts(serve: Serve) -> None:
    busy = limited(Retry_After="1")
    bench = serve(*[busy] * 6, answer(500), busy, answer(500), busy, GOOD)
    assert bench.ptolemy.instruments.get("bhp.ax") == {"id": "1"}
    assert bench.ptolemy.meter.used == 11


def test_a01_a_create_refused_by_a_429_is_sent_again(serve: Serve) -> None:
    bench = serve(limited(Retry_After="1"), json({"id": "1"}, 201))
    assert bench.ptolemy.instruments.create({"identifier": "x"}) == {"id": "1"}


@pytest.mark.parametrize("left", ["0", "-3", " 0 ", "0.0"])
def test_a04_a_used_up_month_ends_the_run_at_once(serve: Serve, left: str) -> None:
    bench = serve(limited(X_RateLimit_Remaining=left, Retry_After="5"))
    with pytest.raises(QuotaExhausted, match="no API calls are left in the billing period"):
        bench.ptolemy.instruments.get("bhp.ax")
    assert bench.clock.slept == []
    assert len(bench.server.received) == 1


def throttle(most: int = 10, per_second: float | None = None) -> tuple[Throttle, JumpClock]:
    clock = JumpClock()
    return Throttle(max_in_flight=most, requests_per_second=per_second, clock=clock), clock


def turn(throttle: Throttle) -> None:
    throttle.enter()
    throttle.leave(answered=True)


def test_a01_after_a_pause_work_goes_on_at_half_and_grows_back_slowly() -> None:
    valve, clock = throttle(10)
    valve.pause(30, valve.enter())
    valve.leave(answered=False)
    assert valve.limit == 5
    turn(valve)
    assert 30 <= clock.passed <= 31
    for _ in range(GROW_AFTER - 1):
        turn(valve)
    assert valve.limit == 6
    for _ in range(GROW_AFTER * 10):
        turn(valve)
    assert valve.limit == 10


def test_a01_ten_workers_refused_at_once_halve_only_once() -> None:
    valve, _ = throttle(10)
    tickets = [valve.enter() for _ in range(10)]
    for ticket in tickets:
        valve.pause(1, ticket)
        valve.leave(answered=False)
    assert valve.limit == 5


def test_a01_the_limit_never_falls_below_one() -> None:
    valve, _ = throttle(3)
    for _ in range(5):
        valve.pause(0, valve.enter())
        valve.leave(answered=False)
    assert valve.limit == 1


def test_the_longest_of_several_pauses_counts() -> None:
    valve, clock = throttle()
    for seconds in (5, 30, 1):
        valve.pause(seconds, 0)
    turn(valve)
    assert 30 <= clock.passed <= 31


def test_starts_are_spread_over_the_second() -> None:
    valve, clock = throttle(10, per_second=4)
    for _ in range(9):
        turn(valve)
    assert clock.passed == pytest.approx(2.0)


def test_starts_are_spread_over_the_second_by_the_real_clock_and_many_threads() -> None:
    valve = Throttle(max_in_flight=20, requests_per_second=100, clock=SystemClock())
    started = time.monotonic()
    with ThreadPoolExecutor(20) as workers:
        list(workers.map(lambda _: turn(valve), range(41)))
    assert 0.39 <= time.monotonic() - started < 5


def test_no_more_are_under_way_than_allowed_and_connections_are_reused(serve: Serve) -> None:
    def slowly(exchange: Exchange) -> bool:
        time.sleep(0.005)
        return GOOD(exchange)

    bench = serve(slowly, max_in_flight=4)
    with ThreadPoolExecutor(20) as workers:
        rows = list(workers.map(bench.ptolemy.instruments.get, ["bhp.ax"] * 200))
    assert rows == [{"id": "1"}] * 200
    assert bench.server.most_at_once <= 4
    assert bench.server.connections <= 4
    assert bench.ptolemy.meter.by_call == {("GET", "/instruments/{id}"): 200}


def test_a01_a_429_for_one_worker_stops_all_of_them() -> None:
    """By the real clock: nobody's request arrives while the service asked for silence."""
    arrivals: list[float] = []
    lock = threading.Lock()

    def strict(exchange: Exchange) -> bool:
        with lock:
            arrivals.append(time.monotonic())
            fifth = len(arrivals) == 5
        return (limited(Retry_After="0.6") if fifth else GOOD)(exchange)

    with WireServer([strict]) as server:
        connection = Connection(server.url, "acme", SecretStr("t"), max_in_flight=8)
        with connect(connection) as ptolemy, ThreadPoolExecutor(8) as workers:
            list(workers.map(ptolemy.instruments.get, ["bhp.ax"] * 40))
            assert ptolemy.meter.used == 41
            assert ptolemy.transport.throttle.limit < 8
    silence = [later - arrivals[4] for later in arrivals[5:]]
    assert not [gap for gap in silence if 0.3 < gap < 0.58]
    assert len([gap for gap in silence if gap >= 0.58]) >= 10


def test_two_clients_of_one_token_share_the_valve() -> None:
    def client(token: str, workspace: str = "acme") -> Ptolemy:
        return connect(Connection("http://127.0.0.1:9/v1", workspace, SecretStr(token)))

    one, two, other = client("ptk_one"), client("ptk_one", "scratch"), client("ptk_two")
    assert one.transport.throttle is two.transport.throttle
    assert one.transport.throttle is not other.transport.throttle


def test_the_meter_is_exact_under_threads(serve: Serve) -> None:
    left = iter(range(10_000, 0, -1))
    lock = threading.Lock()

    def count_down(exchange: Exchange) -> bool:
        with lock:
            headers = {"X-RateLimit-Remaining": str(next(left))}
        return json({"id": "1"}, headers=headers)(exchange)

    bench = serve(count_down, max_in_flight=16)
    with ThreadPoolExecutor(16) as workers:
        list(workers.map(lambda _: bench.ptolemy.instruments.patch("x", {}), range(300)))
        list(workers.map(lambda _: bench.ptolemy.instruments.get("x"), range(100)))
    meter = bench.ptolemy.meter.snapshot()
    assert meter.used == 400
    assert meter.by_call == {
        ("PATCH", "/instruments/{id}"): 300,
        ("GET", "/instruments/{id}"): 100,
    }
    assert meter.remaining is not None
    assert 9_601 <= meter.remaining <= 9_601 + 16


def test_the_meter_does_not_believe_an_answer_that_was_overtaken() -> None:
    meter = Meter()
    first, second = meter.spend("GET", "/plan"), meter.spend("GET", "/plan")
    meter.hear({"x-ratelimit-remaining": "8"}, second)
    assert meter.hear({"x-ratelimit-remaining": "9"}, first) == 9
    assert meter.remaining == 8
    third = meter.spend("GET", "/plan")
    assert meter.remaining == 7
    meter.hear({"x-ratelimit-remaining": "5000"}, third)
    assert meter.remaining == 5000


@pytest.mark.parametrize("garbage", ["", "many", "1e9", "0x10", "1,000", "NaN"])
def test_a36_a_rate_header_that_is_no_number_is_ignored(serve: Serve, garbage: str) -> None:
    bench = serve(
        json({"id": "1"}, headers={"X-RateLimit-Remaining": "100"}),
        json({"id": "1"}, headers={"X-RateLimit-Remaining": garbage}),
        GOOD,
    )
    meter = bench.ptolemy.meter
    assert meter.remaining is None
    seen: list[int | None] = []
    for _ in range(3):
        bench.ptolemy.instruments.get("bhp.ax")
        seen.append(meter.remaining)
    assert seen == [100, 99, 98]
