from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]


@pytest.fixture(autouse=True)
def tree(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    sim.seed([bhp, {**bhp, "identifier": "rio.xasx"}])
    client.post("/instrument-tags", json={"slug": "equity", "name": "Equity"})
    for slug, parent in (("aus", "equity"), ("mining", "#equity#aus"), ("nz", "equity")):
        body = {"slug": slug, "name": slug, "parent_id": parent}
        assert client.post("/instrument-tags", json=body).status_code == 201


def paths(client: httpx.Client) -> list[str]:
    return [row["path"] for row in client.get("/instrument-tags").json()["data"]]


def tagged(client: httpx.Client, op: str, value: str, *more: Body) -> list[str]:
    nodes = [{"field": "tags", "op": op, "value": value}, *more]
    answer = client.post("/instruments/filter", json={"filter": {"and": nodes}})
    return [row["identifier"] for row in answer.json()["data"]]


def test_tags_form_a_tree(client: httpx.Client) -> None:
    assert paths(client) == ["#equity", "#equity#aus", "#equity#aus#mining", "#equity#nz"]
    again = {"slug": "aus", "name": "x", "parent_id": "equity"}
    assert client.post("/instrument-tags", json=again).status_code == 409
    assert client.post("/instrument-tags", json={**again, "slug": "A B"}).status_code == 422
    below = {"field": "path", "op": "is_descendant_of", "value": "#equity#aus"}
    found = client.post("/instrument-tags/filter", json={"filter": below}).json()["data"]
    assert [row["path"] for row in found] == ["#equity#aus#mining"]


def test_moving_a_tag_moves_its_subtree_and_cycles_are_409(client: httpx.Client) -> None:
    answer = client.patch("/instrument-tags/%23equity%23aus", json={"parent_id": "#equity#nz"})
    assert answer.status_code == 200
    assert paths(client) == ["#equity", "#equity#nz#aus", "#equity#nz#aus#mining", "#equity#nz"]
    cycle = client.patch("/instrument-tags/equity", json={"parent_id": "#equity#nz"})
    assert cycle.status_code == 409


def test_assigning_and_finding(client: httpx.Client) -> None:
    assert (
        client.post("/instruments/bhp.xasx/tags", json={"tag_id": "#equity#aus#mining"}).status_code
        == 201
    )
    assert (
        client.put("/instruments/rio.xasx/tags", json=["equity", "#equity#aus"]).status_code == 200
    )
    assert tagged(client, "tagged", "#equity#aus") == ["rio.xasx"]
    assert tagged(client, "tagged_with_descendants", "#equity#aus") == ["bhp.xasx", "rio.xasx"]
    client.put("/instruments/rio.xasx/tags", json=[])
    assert tagged(client, "tagged_with_descendants", "equity") == ["bhp.xasx"]
    assert client.put("/instruments/rio.xasx/tags", json=["nowhere"]).status_code == 422
    assert client.put("/instruments/rio.xasx/tags", json={}).status_code == 422


def test_archiving_takes_the_subtree_and_restoring_only_the_tag(
    sim: Simulator, client: httpx.Client
) -> None:
    client.put("/instruments/bhp.xasx/tags", json=["#equity#aus"])
    client.delete("/instrument-tags/%23equity%23aus")
    assert paths(client) == ["#equity", "#equity#nz"]
    refused = client.post("/instruments/rio.xasx/tags", json={"tag_id": "#equity#aus"})
    assert refused.status_code == 422
    assert tagged(client, "tagged", "#equity#aus") == []
    asked = {"field": "archived_at", "op": "is_null", "value": True}
    assert tagged(client, "tagged", "#equity#aus", asked) == []
    sim.configure(archived_tags="when_asked")
    assert tagged(client, "tagged", "#equity#aus") == []
    assert tagged(client, "tagged", "#equity#aus", asked) == ["bhp.xasx"]
    assert client.post("/instrument-tags/%23equity%23aus/restore").status_code == 200
    assert paths(client) == ["#equity", "#equity#aus", "#equity#nz"]


def test_hard_delete_is_blocked_while_in_use(client: httpx.Client) -> None:
    assert client.delete("/instrument-tags/equity?hard=true").status_code == 409
    assert client.delete("/instrument-tags/%23equity%23nz?hard=true").status_code == 204


def test_series_types_have_tags_of_their_own(client: httpx.Client) -> None:
    assert client.post("/time-series-tags", json={"slug": "eod", "name": "EOD"}).status_code == 201
    assert client.post("/series/close-price/tags", json={"tag_id": "eod"}).status_code == 201
    node = {"field": "tags", "op": "tagged", "value": "eod"}
    found = client.post("/series/filter", json={"filter": node}).json()["data"]
    assert [row["identifier"] for row in found] == ["close-price"]
