from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from simulator import Simulator

Shares = Callable[[int], list[dict[str, Any]]]


def listed(client: httpx.Client, **query: Any) -> Iterator[str]:
    """Identifiers page by page; the consumer may write between pages."""
    while True:
        page = client.get("/instruments", params=query).json()
        yield from [row["identifier"] for row in page["data"]]
        if not page["meta"]["has_more"]:
            assert page["meta"]["next_cursor"] is None
            return
        query["after"] = page["meta"]["next_cursor"]


def filtered(client: httpx.Client, **body: Any) -> Iterator[str]:
    while True:
        page = client.post("/instruments/filter", json=body).json()
        yield from [row["identifier"] for row in page["data"]]
        if not page["meta"]["has_more"]:
            return
        body["after"] = page["meta"]["next_cursor"]


def test_empty_list(client: httpx.Client) -> None:
    expected = {"data": [], "meta": {"next_cursor": None, "has_more": False}}
    assert client.get("/instruments").json() == expected
    assert client.post("/instruments/filter", json={}).json() == expected


def test_default_page_is_fifty(sim: Simulator, client: httpx.Client, shares: Shares) -> None:
    sim.seed(shares(90))
    assert len(client.get("/instruments?archived=all").json()["data"]) == 50


def test_pages_join_to_the_whole(sim: Simulator, client: httpx.Client, shares: Shares) -> None:
    sim.seed(shares(20))
    active = [f"s{n}" for n in range(20) if n % 3 != 2]
    assert list(listed(client, limit=3)) == active
    assert list(filtered(client, limit=3)) == active
    assert list(filtered(client, limit=14, type_id="equity")) == active
    assert (
        list(filtered(client, limit=2, sort=[{"field": "created_at", "direction": "desc"}]))
        == (active[::-1])
    )
    by_lot = [{"field": "field.lot_size", "direction": "desc"}]
    assert list(filtered(client, limit=4, sort=by_lot)) == active[::-1]


def test_a30_pages_are_stable_under_writes(
    sim: Simulator, client: httpx.Client, shares: Shares
) -> None:
    sim.seed(shares(30))
    seen = []
    for number, identifier in enumerate(listed(client, limit=2)):
        seen.append(identifier)
        client.post(
            "/instruments", json={"name": "n", "identifier": f"n{number}", "type_id": "bond"}
        )
        if identifier in ("s3", "s10"):
            client.delete(f"/instruments/{identifier}")
            client.delete("/instruments/s0?hard=true")
        if len(seen) == 60:
            break
    assert len(seen) == len(set(seen))
    old = [identifier for identifier in seen if identifier.startswith("s")]
    assert old == [f"s{n}" for n in range(30) if n % 3 != 2]


def test_a_sorted_walk_is_stable_when_values_change(
    sim: Simulator, client: httpx.Client, shares: Shares
) -> None:
    sim.seed(shares(12))
    seen = []
    for identifier in filtered(client, limit=2, sort=[{"field": "field.lot_size"}]):
        seen.append(identifier)
        client.patch(f"/instruments/{identifier}", json={"field_values": {"lot_size": "999"}})
    assert seen == [f"s{n}" for n in range(12) if n % 3 != 2]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "", "201"])
def test_bad_limits_are_400(client: httpx.Client, limit: str) -> None:
    assert client.get("/instruments", params={"limit": limit}).status_code == 400


def test_d3_large_limits(start: Any, connect: Any, shares: Shares) -> None:
    sim = start(large_limit="clamp", page_limit_max=10)
    sim.seed(shares(20))
    client = connect(sim)
    assert len(client.get("/instruments?limit=500").json()["data"]) == 10
    sim.configure(large_limit="refuse")
    assert client.post("/instruments/filter", json={"limit": 11}).status_code == 400
    sim.configure(page_limit_max=500)
    assert len(client.get("/instruments?limit=500").json()["data"]) == 14


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_n8_foreign_and_expired_cursors(
    start: Any, connect: Any, shares: Shares, status: Any
) -> None:
    sim = start(cursor_expired=status, cursor_seconds=60, frozen_clock=True)
    sim.seed(shares(20))
    client = connect(sim)
    cursor = client.get("/instruments?limit=2").json()["meta"]["next_cursor"]
    assert client.get("/instruments", params={"limit": 5, "after": cursor}).status_code == 200
    for query in (
        {"after": cursor, "archived": "all"},
        {"after": "nonsense"},
        {"after": cursor[:-6] + "AAAAA="},
    ):
        assert client.get("/instruments", params=query).status_code == status
    assert client.get("/markets", params={"after": cursor}).status_code == status
    sim.advance(61)
    assert client.get("/instruments", params={"after": cursor}).status_code == status


def test_cursors_tell_nothing_and_differ(
    sim: Simulator, client: httpx.Client, shares: Shares
) -> None:
    sim.seed(shares(20))
    first, second = (
        client.get("/instruments?limit=2").json()["meta"]["next_cursor"] for _ in range(2)
    )
    assert first != second
    assert "s1" not in first


def test_d6_archived_parameter(start: Any, connect: Any, shares: Shares) -> None:
    sim = start()
    sim.seed(shares(6))
    client = connect(sim)
    assert list(listed(client)) == ["s0", "s1", "s3", "s4"]
    assert list(listed(client, archived="false")) == ["s0", "s1", "s3", "s4"]
    assert list(listed(client, archived="true")) == ["s2", "s5"]
    assert list(listed(client, archived="all")) == [f"s{n}" for n in range(6)]
    assert client.get("/instruments?archived=yes").status_code == 400
    sim.configure(archived_true="include")
    assert list(listed(client, archived="true")) == [f"s{n}" for n in range(6)]


def test_d15_filters_and_archived_rows(start: Any, connect: Any, shares: Shares) -> None:
    sim = start()
    sim.seed(shares(6))
    client = connect(sim)
    assert list(filtered(client)) == ["s0", "s1", "s3", "s4"]
    archived = {"field": "archived_at", "op": "is_null", "value": False}
    assert list(filtered(client, filter=archived)) == ["s2", "s5"]
    sim.configure(filter_archived="all")
    assert list(filtered(client)) == [f"s{n}" for n in range(6)]


BOTH = {
    "or": [
        {"field": "archived_at", "op": "is_null", "value": True},
        {"field": "archived_at", "op": "is_null", "value": False},
    ]
}


@pytest.mark.parametrize(
    ("reading", "by_condition", "by_key"),
    [("condition", 6, None), ("key", 4, 6), ("either", 6, 6), ("impossible", 4, None)],
)
def test_n11_both_sets_by_filter(
    start: Any, connect: Any, shares: Shares, reading: Any, by_condition: int, by_key: int | None
) -> None:
    sim = start(archived_both_filter=reading)
    sim.seed(shares(6))
    client = connect(sim)
    assert len(list(filtered(client, filter=BOTH))) == by_condition
    answer = client.post("/instruments/filter", json={"archived": "all"})
    assert answer.status_code == (422 if by_key is None else 200)
    if by_key is not None:
        assert len(answer.json()["data"]) == by_key
    only = {"and": [{"field": "archived_at", "op": "is_null", "value": False}]}
    assert list(filtered(client, filter=only)) == ["s2", "s5"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("created", ["s1", "s10", "s0"]),
        ("created_descending", ["s0", "s10", "s1"]),
        ("identifier", ["s0", "s1", "s10"]),
    ],
)
def test_n10_default_order(
    start: Any, connect: Any, shares: Shares, order: Any, expected: list[str]
) -> None:
    sim = start(default_order=order)
    rows = {row["identifier"]: row for row in shares(11)}
    sim.seed([rows[name] for name in ("s1", "s10", "s0")])
    assert list(listed(connect(sim), limit=1)) == expected


def test_n9_ids(sim: Simulator, client: httpx.Client, shares: Shares) -> None:
    sim.seed(shares(6))
    uuid = client.get("/instruments/s4").json()["data"]["id"]
    ids = f"s2,{uuid},nobody,s0,s0"
    assert list(listed(client, ids=ids)) == ["s0", "s2", "s4"]
    assert list(listed(client, ids=ids, limit=1)) == ["s0", "s2", "s4"]
    assert list(listed(client, ids=ids, archived="true")) == ["s2"]
    sim.configure(ids_lookup="active_only")
    assert list(listed(client, ids=ids)) == ["s0", "s4"]
    sim.configure(ids_lookup="ignored")
    assert list(listed(client, ids=ids)) == ["s0", "s1", "s3", "s4"]
    sim.configure(ids_lookup="refused")
    assert client.get("/instruments", params={"ids": ids}).status_code == 400
    sim.configure(ids_lookup="unknown_is_404")
    assert client.get("/instruments", params={"ids": ids}).status_code == 404
    assert list(listed(client, ids="s0,s2")) == ["s0", "s2"]
    sim.configure(ids_lookup="answers", ids_max=2)
    assert client.get("/instruments?ids=s0,s1,s2").status_code == 400


def test_pages_never_scan_the_table(
    start: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = start()
    rows = ({"name": "n", "identifier": f"i{n}", "type_id": "equity"} for n in range(20_000))
    sim.seed(rows)
    sim.seed([{"name": "n", "identifier": f"b{n}", "type_id": "bond"} for n in range(5)])
    looked_at = 0

    def counting(record: Any) -> bool:
        nonlocal looked_at
        looked_at += 1
        return record.archived_at is None

    monkeypatch.setattr("simulator.ptolemy.selection._is_active", counting)
    client = connect(sim)
    assert len(list(filtered(client, type_id="bond", limit=2))) == 5
    assert looked_at == 5 + 2, "one row more on each page that is not the last"
    by_identifier = {"field": "identifier", "op": "in", "value": ["i7", "i19999"]}
    assert list(filtered(client, filter=by_identifier)) == ["i7", "i19999"]
    assert looked_at == 9
    assert len(list(listed(client, type_id="equity", limit=200))) == 20_000
    assert looked_at == 9 + 20_000 + 99
