from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]


def test_create_answers_the_whole_instrument(client: httpx.Client, bhp: Body) -> None:
    answer = client.post("/instruments", json={**bhp, "extras": {"desk": 7}})
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert data["identifier"] == "bhp.xasx"
    assert data["extra_fields_snapshot"]["lot_size"] == "1.10"
    assert data["extra_fields_snapshot"]["sector"] is None
    assert data["type"]["identifier"] == "equity"
    assert data["extras"] == {"desk": 7}
    assert data["archived_at"] is None


def test_get_by_uuid_and_by_identifier(client: httpx.Client, bhp: Body) -> None:
    made = client.post("/instruments", json=bhp).json()["data"]
    assert client.get(f"/instruments/{made['id']}").json()["data"] == made
    assert client.get(f"/instruments/{made['id'].upper()}").json()["data"] == made
    assert client.get("/instruments/bhp.xasx").json()["data"] == made
    assert client.get("/instruments/nobody").status_code == 404


@pytest.mark.parametrize("identifier", ["a/b", "a b", "a#b", "a:b", "a$b^c", "é", "%2F", "100%"])
def test_encoded_identifiers_survive_in_paths(
    client: httpx.Client, bhp: Body, identifier: str
) -> None:
    assert client.post("/instruments", json={**bhp, "identifier": identifier}).status_code == 201
    answer = client.get(f"/instruments/{quote(identifier, safe='')}")
    assert answer.json()["data"]["identifier"] == identifier


def test_patch_merges_field_values_and_changes_the_rest(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    answer = client.patch(
        "/instruments/bhp.xasx",
        json={
            "name": "BHP",
            "identifier": "bhp.ax",
            "field_values": {"currency": "USD", "isin": None},
        },
    )
    assert answer.status_code == 200
    data = client.get("/instruments/bhp.ax").json()["data"]
    assert data["name"] == "BHP"
    assert data["extra_fields_snapshot"]["currency"] == "USD"
    assert data["extra_fields_snapshot"]["isin"] is None
    assert data["extra_fields_snapshot"]["lot_size"] == "1.10"
    assert client.get("/instruments/bhp.xasx").status_code == 404


def test_patch_that_is_refused_changes_nothing(
    sim: Simulator, client: httpx.Client, bhp: Body
) -> None:
    client.post("/instruments", json=bhp)
    before = sim.digest()
    answer = client.patch(
        "/instruments/bhp.xasx", json={"name": "X", "field_values": {"lot_size": "many"}}
    )
    assert answer.status_code == 422
    assert sim.digest() == before


def test_patch_of_the_type_moves_the_instrument(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    assert client.patch("/instruments/bhp.xasx", json={"type_id": "bond"}).status_code == 200
    assert client.get("/instruments?type_id=equity").json()["data"] == []
    (row,) = client.get("/instruments?type_id=bond").json()["data"]
    assert row["extra_fields_snapshot"] == {
        "isin": "AU000000BHP4",
        "currency": "AUD",
        "coupon": None,
        "maturity": None,
    }


def test_archive_restore_and_their_refusals(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    assert client.post("/instruments/bhp.xasx/restore").status_code == 409
    assert client.delete("/instruments/bhp.xasx").status_code == 204
    assert client.get("/instruments/bhp.xasx").json()["data"]["archived_at"] is not None
    restored = client.post("/instruments/bhp.xasx/restore")
    assert restored.status_code == 200
    assert restored.json()["data"]["archived_at"] is None


def test_restore_may_fill_in_field_values(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    client.delete("/instruments/bhp.xasx")
    answer = client.post("/instruments/bhp.xasx/restore", json={"field_values": {"sector": "Ore"}})
    assert answer.json()["data"]["extra_fields_snapshot"]["sector"] == "Ore"


def test_restore_is_409_when_the_identifier_was_given_away(client: httpx.Client, bhp: Body) -> None:
    first = client.post("/instruments", json=bhp).json()["data"]
    client.delete("/instruments/bhp.xasx")
    assert client.post("/instruments", json=bhp).status_code == 201
    assert client.post(f"/instruments/{first['id']}/restore").status_code == 409


def test_hard_delete_is_for_ever(sim: Simulator, client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    assert client.delete("/instruments/bhp.xasx?hard=true").status_code == 204
    assert client.get("/instruments/bhp.xasx").status_code == 404
    assert sim.state()["instruments"] == []
    assert client.post("/instruments", json=bhp).status_code == 201


def test_duplicate_identifier_is_409(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    assert client.post("/instruments", json=bhp).status_code == 409
    client.post("/instruments", json={**bhp, "identifier": "rio.xasx"})
    answer = client.patch("/instruments/rio.xasx", json={"identifier": "bhp.xasx"})
    assert answer.status_code == 409
    assert client.patch("/instruments/bhp.xasx", json={"identifier": "bhp.xasx"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"colour": "red"}, 422),
        ({"name": None}, 422),
        ({"name": 7}, 422),
        ({"name": " "}, 422),
        ({"identifier": 1.5}, 422),
        ({"identifier": "a\u0000b"}, 422),
        ({"identifier": "x" * 256}, 422),
        ({"type_id": "fund"}, 422),
        ({"field_values": []}, 422),
        ({"extras": "x"}, 422),
        ({"field_values": {"colour": "red"}}, 422),
        ({"field_values": {"isin": 5}}, 422),
        ({"field_values": {"isin": 5.5}}, 422),
        ({"field_values": {"lot_size": "1,000"}}, 422),
        ({"field_values": {"lot_size": True}}, 422),
        ({"field_values": {"lot_size": ""}}, 422),
        ({"field_values": {"lot_size": "NaN"}}, 422),
        ({"field_values": {"listed_on": "2026-02-30"}}, 422),
        ({"field_values": {"listed_on": "20260220"}}, 422),
        ({"field_values": {"listed_on": "2026-02-20T00:00:00Z"}}, 422),
        ({"field_values": {"etf": "yes"}}, 422),
        ({"field_values": {"etf": 1}}, 422),
        ({"field_values": {"etf": "True"}}, 422),
    ],
)
def test_wrong_bodies_are_refused(
    sim: Simulator, client: httpx.Client, bhp: Body, change: Body, status: int
) -> None:
    assert client.post("/instruments", json={**bhp, **change}).status_code == status
    assert sim.state()["instruments"] == []


@pytest.mark.parametrize("missing", ["name", "identifier", "type_id"])
def test_missing_fields_are_refused(client: httpx.Client, bhp: Body, missing: str) -> None:
    del bhp[missing]
    answer = client.post("/instruments", json=bhp)
    assert answer.status_code == 422
    assert answer.json() == {
        "message": f"{missing} is required",
        "code": "required",
        "field": missing,
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"lot_size": 5}, "5"),
        ({"lot_size": 1.25}, "1.25"),
        ({"lot_size": "1e5"}, "1e5"),
        ({"etf": True}, "true"),
        ({"etf": "false"}, "false"),
        ({"listed_on": "2026-02-28"}, "2026-02-28"),
        ({"isin": "  x "}, "  x "),
        ({"isin": ""}, ""),
    ],
)
def test_values_come_back_as_text(
    client: httpx.Client, bhp: Body, written: Body, read: str
) -> None:
    (key,) = written
    answer = client.post("/instruments", json={**bhp, "field_values": written})
    assert answer.json()["data"]["extra_fields_snapshot"][key] == read


def test_number_text_of_the_body_is_kept(client: httpx.Client) -> None:
    body = b'{"name":"n","identifier":"i","type_id":"equity","field_values":{"lot_size":1.10}}'
    answer = client.post("/instruments", content=body)
    assert answer.json()["data"]["extra_fields_snapshot"]["lot_size"] == "1.10"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b'{"name": NaN}', b"\xff"])
def test_what_is_no_json_object_is_400(client: httpx.Client, body: bytes) -> None:
    assert client.post("/instruments", content=body).status_code == 400


def test_required_fields_and_defaults(start: Any, connect: Any, bhp: Body) -> None:
    fields = [
        {"field_key": "isin", "is_required": True, "allow_null": False},
        {"field_key": "currency", "is_required": True, "has_default": True, "default": "AUD"},
    ]
    types = [{"identifier": "equity", "fields": fields}]
    sim = start(workspaces=[{"slug": "demo", "instrument_types": types}])
    client = connect(sim)
    assert client.post("/instruments", json={**bhp, "field_values": {}}).status_code == 422
    made = client.post("/instruments", json={**bhp, "field_values": {"isin": "A"}})
    assert made.json()["data"]["extra_fields_snapshot"] == {"isin": "A", "currency": "AUD"}
    answer = client.patch("/instruments/bhp.xasx", json={"field_values": {"isin": None}})
    assert answer.status_code == 422


def test_unknown_paths_methods_and_parameters(client: httpx.Client) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.get("/instruments/a/b").status_code == 404
    refused = client.put("/instruments/a")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "DELETE, GET, PATCH"
    assert client.get("/instruments?colour=red").status_code == 400
    assert client.delete("/instruments/a?hard=yes").status_code == 400


def test_include_brings_types_beside_the_references(client: httpx.Client, bhp: Body) -> None:
    client.post("/instruments", json=bhp)
    listed = client.get("/instruments?include=type,tags").json()
    assert [row["identifier"] for row in listed["included"]["instrument_type"]] == ["equity"]
    assert listed["included"]["tags"] == []
    assert listed["data"][0]["type"].keys() == {"id", "identifier"}
    assert "included" not in client.get("/instruments").json()
    assert client.get("/instruments?include=colour").status_code == 400
    filtered = client.post("/instruments/filter", json={"include": ["type"]}).json()
    assert len(filtered["included"]["instrument_type"]) == 1


def test_types_and_fields_are_read_only(client: httpx.Client) -> None:
    types = client.get("/instrument-types").json()["data"]
    assert [row["identifier"] for row in types] == ["equity", "bond", "venue-instrument"]
    fields = client.get("/instrument-type-fields", params={"type_id": "bond"}).json()["data"]
    assert [row["field_key"] for row in fields] == ["isin", "currency", "coupon", "maturity"]
    assert fields[2]["data_type"] == "number"
    assert fields[2]["display_order"] == 3
    assert client.get("/instrument-types/equity").json()["data"] == types[0]
    assert client.post("/instrument-types/count", json={}).json() == {"data": {"count": 3}}
    condition = {"field": "type_id", "op": "eq", "value": "equity"}
    found = client.post("/instrument-type-fields/filter", json={"filter": condition})
    assert len(found.json()["data"]) == 14
    assert client.post("/instrument-types", json={"identifier": "x"}).status_code == 403
    assert client.get("/market-types").json()["data"][0]["identifier"] == "exchange"
    assert len(client.get("/series").json()["data"]) == 2
