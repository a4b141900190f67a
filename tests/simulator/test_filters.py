from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulator import Simulator

Node = dict[str, Any]
ROWS: list[dict[str, Any]] = [
    {"identifier": "a", "isin": "X1", "lot_size": "1.0", "listed_on": "2020-01-01", "etf": "true"},
    {"identifier": "B", "isin": "x2", "lot_size": "10", "listed_on": "2021-01-01", "etf": "false"},
    {"identifier": "c", "isin": None, "lot_size": "9", "listed_on": None, "etf": None},
]
Find = Callable[..., list[str]]


@pytest.fixture
def filled(sim: Simulator) -> Simulator:
    for row in ROWS:
        values = {k: v for k, v in row.items() if k != "identifier" and v is not None}
        sim.seed(
            [
                {
                    "name": f"Name {row['identifier']}",
                    "identifier": row["identifier"],
                    "type_id": "equity",
                    "field_values": values,
                }
            ]
        )
    sim.seed([{"name": "Bund", "identifier": "d", "type_id": "bond"}])
    return sim


@pytest.fixture
def find(filled: Simulator, client: httpx.Client) -> Find:
    def ask(node: Any, **rest: Any) -> list[str]:
        answer = client.post("/instruments/filter", json={"filter": node, **rest})
        assert answer.status_code == 200, answer.text
        return [row["identifier"] for row in answer.json()["data"]]

    return ask


def on(field: str, op: str, value: Any) -> Node:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (on("identifier", "eq", "a"), "a"),
        (on("identifier", "eq", "A"), ""),
        (on("identifier", "in", ["B", "a", "z"]), "aB"),
        (on("identifier", "not_in", ["B", "a"]), "cd"),
        (on("identifier", "ne", "a"), "Bcd"),
        (on("identifier", "gt", "a"), "cd"),
        (on("name", "like", "NAME"), "aBc"),
        (on("type_id", "eq", "bond"), "d"),
        (on("type_id", "in", ["bond", "equity"]), "aBcd"),
        (on("type_id", "ne", "bond"), "aBc"),
        (on("type_id", "eq", "fund"), ""),
        (on("field.isin", "eq", "X1"), "a"),
        (on("field.isin", "like", "x"), "aB"),
        (on("field.isin", "is_null", True), "cd"),
        (on("field.isin", "is_null", False), "aB"),
        (on("field.isin", "eq", None), "cd"),
        (on("field.isin", "ne", None), "aB"),
        (on("field.lot_size", "eq", 1), "a"),
        (on("field.lot_size", "eq", "1.00"), "a"),
        (on("field.lot_size", "gt", "9"), "B"),
        (on("field.lot_size", "gte", 9), "Bc"),
        (on("field.lot_size", "lt", 9.5), "ac"),
        (on("field.lot_size", "in", [10, "9"]), "Bc"),
        (on("field.listed_on", "lte", "2020-06-01"), "a"),
        (on("field.etf", "eq", True), "a"),
        (on("field.etf", "eq", "false"), "B"),
        (on("created_at", "gt", "2020-01-01T00:00:00Z"), "aBcd"),
        (on("created_at", "lt", "2020-01-01"), ""),
        ({"and": [on("field.etf", "ne", None), on("identifier", "ne", "a")]}, "B"),
        ({"or": [on("identifier", "eq", "a"), on("identifier", "eq", "d")]}, "ad"),
        (
            {
                "and": [
                    {"or": [on("identifier", "eq", "a"), {"and": [on("type_id", "eq", "bond")]}]}
                ]
            },
            "ad",
        ),
        ({"and": []}, "aBcd"),
        ({"or": []}, ""),
        ({}, "aBcd"),
    ],
)
def test_grammar(find: Find, node: Node, expected: str) -> None:
    assert "".join(find(node)) == expected


@pytest.mark.parametrize(
    "node",
    [
        [],
        {"not": []},
        {"and": {}},
        {"field": "identifier", "op": "eq"},
        {"field": "identifier", "op": "eq", "value": "a", "note": 1},
        on("identifier", "equals", "a"),
        on("colour", "eq", "a"),
        on("field.colour", "eq", "a"),
        on("identifier", "in", "a"),
        on("identifier", "in", [True]),
        on("identifier", "eq", ["a"]),
        on("identifier", "eq", 5),
        on("identifier", "lt", True),
        on("identifier", "is_null", "yes"),
        on("identifier", "like", 5),
        on("field.lot_size", "gt", "many"),
        on("field.etf", "gt", "true"),
        on("type_id", "gt", "a"),
        on("created_at", "gt", "yesterday"),
        on("created_at", "like", "2020"),
        on("tags", "is_descendant_of", "#a"),
        on("tags", "tagged", "#nowhere"),
    ],
)
def test_bad_filters_are_400(client: httpx.Client, node: Any) -> None:
    assert client.post("/instruments/filter", json={"filter": node}).status_code == 400


def test_shorthands_and_full_text(find: Find) -> None:
    assert find(None, type_id="bond") == ["d"]
    assert find(None, q="bun") == ["d"]
    assert find(on("field.isin", "eq", "X1"), type_id="equity", q="name") == ["a"]
    assert find(None, type_id="fund") == []


def test_sorting(find: Find) -> None:
    by_lot = [{"field": "field.lot_size", "direction": "desc"}]
    assert find(None, sort=by_lot) == ["B", "c", "a", "d"]
    assert find(None, sort=[{"field": "identifier"}]) == ["B", "a", "c", "d"]
    assert find(None, sort=[{"field": "created_at", "direction": "desc"}]) == ["d", "c", "B", "a"]
    two = [{"field": "type_id"}, {"field": "name", "direction": "desc"}]
    assert sorted(find(None, sort=two)) == ["B", "a", "c", "d"]


@pytest.mark.parametrize(
    "sort", ["name", [1], [{"field": "colour"}], [{"field": "name", "direction": "up"}], [{}]]
)
def test_bad_sorts_are_400(client: httpx.Client, sort: Any) -> None:
    assert client.post("/instruments/filter", json={"sort": sort}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [({"colour": 1}, 422), ({"limit": "5"}, 400), ({"limit": True}, 400), ({"q": 1}, 400)],
)
def test_bad_bodies(client: httpx.Client, body: Node, status: int) -> None:
    assert client.post("/instruments/filter", json=body).status_code == status


def test_soft_validation_warns(start: Any, connect: Any) -> None:
    isin, etf = {"field_key": "isin"}, {"field_key": "etf", "data_type": "boolean"}
    types = [
        {"identifier": "equity", "fields": [isin, etf]},
        {"identifier": "bond", "fields": [isin]},
    ]
    client = connect(start(workspaces=[{"instrument_types": types}]))
    answer = client.post("/instruments/filter", json={"filter": on("field.etf", "eq", True)})
    assert answer.json()["warnings"] == ["Not every type has the field etf"]
    shared = client.post("/instruments/filter", json={"filter": on("field.isin", "eq", "X1")})
    assert "warnings" not in shared.json()


def test_count_counts_what_the_filter_finds(filled: Simulator, client: httpx.Client) -> None:
    node = on("field.etf", "is_null", False)
    answer = client.post("/instruments/count", json={"filter": node})
    assert answer.json() == {"data": {"count": 2}}


def test_n10_and_beside_or(filled: Simulator, find: Find) -> None:
    node = {"and": [on("type_id", "eq", "equity")], "or": [on("identifier", "eq", "d")]}
    assert find(node) == []
    filled.configure(and_or="either")
    assert "".join(find(node)) == "aBcd"


def test_n10_case_of_eq_and_order_of_text(
    filled: Simulator, find: Find, client: httpx.Client
) -> None:
    filled.configure(eq_case="insensitive", text_ordering="refused")
    assert find(on("identifier", "eq", "A")) == ["a"]
    assert find(on("identifier", "not_in", ["A", "b"])) == ["c", "d"]
    body = {"filter": on("identifier", "gt", "a")}
    assert client.post("/instruments/filter", json=body).status_code == 400


def test_tag_operators_can_be_refused(filled: Simulator, client: httpx.Client) -> None:
    filled.configure(tagged_filters="refused")
    body = {"filter": on("tags", "tagged", "#a")}
    answer = client.post("/instruments/filter", json=body)
    assert answer.status_code == 400
    assert "not supported here" in answer.json()["message"]
