from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.simulator.desk import refused

SYNC = "/api/v3/market/instrument/sync"
LIST = "/api/v3/market/instrument/list"


def test_c08_a_gateway_that_gives_up_while_the_work_goes_on(desk: Any) -> None:
    one = desk(gateway_body="html", sync_seconds=60)
    one.sim.faults = [
        {"path": SYNC, "contains": "OKX", "action": "status", "status": 504, "work": True}
    ]
    assert one.sync("BYBIT").status_code == 200
    answer = one.sync("OKX")
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "text/html"
    assert "504 Bad gateway" in answer.text
    assert refused(one.sync("OKX"))[:2] == (503, -22014)
    assert [record.outcome for record in one.sim.cadenza.syncs] == ["done", "done", "busy"]


@pytest.mark.parametrize(("status", "errno"), [(502, -18009), (503, -19006), (500, -19000)])
def test_n11_statuses_with_an_envelope(desk: Any, status: int, errno: int) -> None:
    one = desk()
    one.sim.faults = [{"path": SYNC, "action": "status", "status": status, "retry_after": 9}]
    answer = one.sync("OKX")
    assert refused(answer)[:2] == (status, errno)
    assert answer.headers["retry-after"] == "9"
    assert one.sim.cadenza.syncs == []


def test_n11_empty_bodies_are_of_gateways_alone(desk: Any) -> None:
    one = desk(gateway_body="empty")
    one.sim.faults = [{"path": SYNC, "action": "status", "status": status} for status in (502, 500)]
    assert (one.sync("OKX").content, one.sync("OKX").json()["errno"]) == (b"", -19000)


def test_a_page_of_the_rule_itself(desk: Any) -> None:
    one = desk()
    page = {"body": "<p>busy</p>", "headers": {"Content-Type": "text/html"}}
    one.sim.faults = [{"path": SYNC, "action": "status", "status": 503, **page}]
    answer = one.sync("OKX")
    assert answer.headers.get_list("content-type") == ["text/html"]
    assert answer.text == "<p>busy</p>"


def test_c07_a_sync_that_is_done_and_never_answered(desk: Any) -> None:
    one = desk()
    one.sim.faults = [{"path": SYNC, "action": action} for action in ("drop_after", "drop_before")]
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            one.sync("OKX")
    assert [record.venue for record in one.sim.cadenza.syncs] == ["OKX"]


def test_refused_callers_are_not_struck(desk: Any) -> None:
    one = desk()
    one.sim.faults = [{"path": SYNC, "action": "status", "status": 500}]
    token = one.http.headers.pop("Authorization")
    assert one.sync("OKX").status_code == 401
    one.http.headers["Authorization"] = token
    assert one.sync("OKX").status_code == 500
    assert one.sync("OKX").status_code == 200


def test_pages_that_lie(desk: Any) -> None:
    one = desk()
    actions = ("early_last_page", "reorder", "duplicate_rows", "repeat_page")
    one.sim.faults = [{"path": LIST, "action": action} for action in actions]
    first, second, third, fourth, right = (one.rows(venue="OKX", limit=2).json() for _ in range(5))
    assert right["pagination"]["hasNext"] is True
    assert first["pagination"] == {**right["pagination"], "hasNext": False}
    assert second["data"] == right["data"][::-1]
    assert third["data"] == [*right["data"], right["data"][0]]
    assert fourth == right


def test_a_change_between_pages(desk: Any) -> None:
    one = desk()
    gone = {"do": "remove_rows", "venue": "OKX", "symbols": ["BTC/USDT"]}
    change = {"method": "POST", "path": "/cadenza", "json": gone}
    one.sim.faults = [{"path": LIST, "action": "change_between_pages", "changes": [change]}]
    first = one.symbols(venue="OKX", limit=6)
    second = one.symbols(venue="OKX", limit=6, offset=6)
    assert (first[0], len(first), len(second)) == ("BTC/USDT", 6, 5)
    assert "BTC/USDT:USDT" not in second


def test_paths_below_no_template(desk: Any) -> None:
    one = desk()
    one.sim.faults = [{"path": "/api/*", "method": "GET", "action": "status", "times": None}]
    assert one.get("/market/venue/list").status_code == 500
    assert one.get("/health").status_code == 500
    assert one.login().status_code == 200
    assert one.sim.calls()["GET /api/v3/market/venue/list"] == 1
