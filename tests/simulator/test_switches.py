from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from simulator import Config

Body = dict[str, Any]


@pytest.mark.parametrize(
    ("reading", "wrapped", "job_wrapped"),
    [("wrapped", True, True), ("bare", False, False), ("mixed", True, False)],
)
def test_d1_single_objects(
    start: Any, connect: Any, bhp: Body, reading: Any, wrapped: bool, job_wrapped: bool
) -> None:
    client = connect(start(single_object=reading))
    made = client.post("/instruments", json=bhp).json()
    assert ("data" in made) is wrapped
    assert ("id" in made) is not wrapped
    job = client.post("/exports", json={"object_type": "instruments", "format": "json"}).json()
    assert ("data" in job) is job_wrapped


@pytest.mark.parametrize(
    ("reading", "keys"),
    [("embedded", {"type"}), ("plain", {"type_id"}), ("both", {"type", "type_id"})],
)
def test_d2_references(start: Any, connect: Any, bhp: Body, reading: Any, keys: set[str]) -> None:
    sim = start(references=reading, reference_identifier="absent")
    made = connect(sim).post("/instruments", json=bhp).json()["data"]
    assert made.keys() & {"type", "type_id"} == keys
    uuid = sim.store.instrument_types.table.active("equity").id
    assert made.get("type_id", uuid) == uuid
    assert made.get("type", {"id": uuid}) == {"id": uuid}


@pytest.mark.parametrize(
    ("reading", "body"),
    [("data.count", {"data": {"count": 1}}), ("count", {"count": 1}), ("bare", 1)],
)
def test_n7_count_bodies(start: Any, connect: Any, bhp: Body, reading: Any, body: Any) -> None:
    sim = start(count_body=reading)
    sim.seed([bhp])
    client = connect(sim)
    assert client.post("/instruments/count", json={}).json() == body
    sim.configure(count_body="refused")
    assert client.post("/instruments/count", json={}).status_code == 404


@pytest.mark.parametrize(
    ("reading", "body"),
    [
        ("message", {"message": "name is required", "code": "required", "field": "name"}),
        ("detail", {"detail": "name is required"}),
        ("error_text", {"error": "name is required"}),
        (
            "error_object",
            {"error": {"message": "name is required", "code": "required", "field": "name"}},
        ),
        (
            "errors",
            {"errors": [{"field": "name", "message": "name is required", "code": "required"}]},
        ),
    ],
)
def test_n1_error_bodies(start: Any, connect: Any, reading: Any, body: Any) -> None:
    answer = connect(start(error_body=reading)).post("/instruments", json={})
    assert answer.status_code == 422
    assert answer.json() == body


def test_n1_error_bodies_that_are_no_json(start: Any, connect: Any) -> None:
    sim = start(error_body="html")
    client = connect(sim)
    page = client.post("/instruments", json={"<b>": 1})
    assert page.headers["content-type"] == "text/html"
    assert "&lt;b&gt;" in page.text
    sim.configure(error_body="empty")
    assert client.post("/instruments", json={}).content == b""


@pytest.mark.parametrize(
    ("switches", "key", "written", "read"),
    [
        ({"number_text": "normalised"}, "lot_size", "1.10", "1.1"),
        ({"number_text": "normalised"}, "lot_size", "+1e3", "1000"),
        ({"number_text": "normalised"}, "lot_size", "-0.00", "0"),
        ({"number_text": "rounded6"}, "lot_size", "0.12345678", "0.123457"),
        ({"number_text": "rounded6"}, "lot_size", "100", "100"),
        ({"date_text": "datetime"}, "listed_on", "2026-01-02", "2026-01-02T00:00:00Z"),
        ({"text_case": "upper"}, "isin", "au0", "AU0"),
        ({"text_trim": True}, "isin", " au ", "au"),
        ({"text_trim": True, "text_case": "upper"}, "isin", " au ", "AU"),
    ],
)
def test_a33_values_come_back_changed(
    start: Any, connect: Any, bhp: Body, switches: Any, key: str, written: str, read: str
) -> None:
    sim = start(**switches)
    client = connect(sim)
    made = client.post("/instruments", json={**bhp, "field_values": {key: written}})
    assert made.json()["data"]["extra_fields_snapshot"][key] == read
    assert client.get("/instruments/bhp.xasx").json() == made.json()


def test_a33_the_digest_sees_no_difference(start: Any, bhp: Body) -> None:
    plain, changed = start(), start(number_text="normalised", date_text="datetime")
    for one in (plain, changed):
        one.seed([bhp])
    assert plain.digest() == changed.digest()


@pytest.mark.parametrize(("reading", "shown"), [("null", {"isin": None}), ("empty", {"isin": ""})])
def test_n6_missing_values(start: Any, connect: Any, bhp: Body, reading: Any, shown: Body) -> None:
    sim = start(missing_value=reading)
    sim.seed([{**bhp, "field_values": {}}])
    client = connect(sim)
    snapshot = client.get("/instruments/bhp.xasx").json()["data"]["extra_fields_snapshot"]
    assert snapshot.items() >= shown.items()
    sim.configure(missing_value="absent")
    snapshot = client.get("/instruments/bhp.xasx").json()["data"]["extra_fields_snapshot"]
    assert snapshot == {}


@pytest.mark.parametrize(
    ("reading", "status", "value"),
    [("clears", 200, None), ("ignored", 200, "AUD"), ("refused", 422, "AUD")],
)
def test_n6_patch_with_null(
    start: Any, connect: Any, bhp: Body, reading: Any, status: int, value: str | None
) -> None:
    sim = start(patch_null=reading)
    sim.seed([bhp])
    client = connect(sim)
    answer = client.patch("/instruments/bhp.xasx", json={"field_values": {"currency": None}})
    assert answer.status_code == status
    held = client.get("/instruments/bhp.xasx").json()["data"]["extra_fields_snapshot"]
    assert held["currency"] == value


@pytest.mark.parametrize(
    ("reading", "held"), [("merge", {"a": 1, "b": 2.5}), ("replace", {"b": 2.5})]
)
def test_n6_extras(start: Any, connect: Any, bhp: Body, reading: Any, held: Body) -> None:
    sim = start(extras=reading)
    sim.seed([{**bhp, "extras": {"a": 1}}])
    answer = connect(sim).patch("/instruments/bhp.xasx", json={"extras": {"b": 2.5}})
    assert answer.json()["data"]["extras"] == held


def test_n6_unknown_fields_ignored(start: Any, connect: Any, bhp: Body) -> None:
    client = connect(start(unknown_field="ignore"))
    answer = client.post("/instruments", json={**bhp, "field_values": {"colour": "red"}})
    assert answer.status_code == 201
    assert "colour" not in answer.json()["data"]["extra_fields_snapshot"]


def test_n3_identifiers_folded_and_trimmed(start: Any, connect: Any, bhp: Body) -> None:
    client = connect(start(identifier_case="lower", identifier_trim=True))
    made = client.post("/instruments", json={**bhp, "identifier": " BHP.xasx "})
    assert made.json()["data"]["identifier"] == "bhp.xasx"
    assert client.post("/instruments", json=bhp).status_code == 409
    assert client.get("/instruments/BHP.XASX").status_code == 200


def test_n3_identifiers_of_few_characters(start: Any, connect: Any, bhp: Body) -> None:
    client = connect(start(identifier_characters="slug"))
    assert client.post("/instruments", json={**bhp, "identifier": "a b"}).status_code == 422
    assert client.post("/instruments", json={**bhp, "identifier": "a.b-c_d:e"}).status_code == 201


def test_d5_an_archived_record_holds_its_identifier(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(archived_holds_identifier=True)
    sim.seed([{**bhp, "archived": True}])
    assert connect(sim).post("/instruments", json=bhp).status_code == 409


@pytest.mark.parametrize("status", [204, 404, 409])
def test_n4_archiving_the_archived(start: Any, connect: Any, bhp: Body, status: Any) -> None:
    sim = start(delete_archived=status)
    sim.seed([{**bhp, "archived": True}])
    assert connect(sim).delete("/instruments/bhp.xasx").status_code == status


@pytest.mark.parametrize("status", [200, 404, 409])
def test_n4_patching_the_archived(start: Any, connect: Any, bhp: Body, status: Any) -> None:
    sim = start(patch_archived=status)
    sim.seed([{**bhp, "archived": True}])
    answer = connect(sim).patch("/instruments/bhp.xasx", json={"name": "B"})
    assert answer.status_code == status


def test_n4_identifiers_of_archived_records(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(get_finds_archived_identifier=False)
    sim.seed([{**bhp, "archived": True}])
    client = connect(sim)
    assert client.get("/instruments/bhp.xasx").status_code == 404
    assert client.patch("/instruments/bhp.xasx", json={}).status_code == 404
    uuid = client.get("/instruments?archived=true").json()["data"][0]["id"]
    assert client.get(f"/instruments/{uuid}").status_code == 200
    assert client.post("/instruments/bhp.xasx/restore").status_code == 200


@pytest.mark.parametrize(("winner", "name"), [("active", "New"), ("archived", "Old")])
def test_a35_which_of_two_an_identifier_means(
    start: Any, connect: Any, bhp: Body, winner: Any, name: str
) -> None:
    sim = start(identifier_winner=winner)
    sim.seed([{**bhp, "name": "Old", "archived": True}, {**bhp, "name": "New"}])
    assert connect(sim).get("/instruments/bhp.xasx").json()["data"]["name"] == name


def test_type_change_refused(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(type_change="refused")
    sim.seed([bhp])
    client = connect(sim)
    assert client.patch("/instruments/bhp.xasx", json={"type_id": "bond"}).status_code == 422
    assert client.patch("/instruments/bhp.xasx", json={"type_id": "equity"}).status_code == 200


def test_n14_updated_at_and_a34_unknown_keys(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(updated_at="present", unknown_keys="present")
    sim.seed([bhp])
    client = connect(sim)
    page = client.get("/instruments").json()
    assert page["trace"] == {"region": "loopback"}
    assert {"updated_at", "revision_hint"} <= page["data"][0].keys()


def test_n16_bodies(start: Any, connect: Any, bhp: Body) -> None:
    client: httpx.Client = connect(start(content_type="strict", max_body_bytes=500))
    assert client.post("/instruments", content=json.dumps(bhp)).status_code == 415
    assert client.post("/instruments", json=bhp).status_code == 201
    big = {**bhp, "identifier": "b", "extras": {"x": "y" * 500}}
    assert client.post("/instruments", json=big).status_code == 413


def test_n5_calendars_may_not_exist(start: Any, connect: Any) -> None:
    assert connect(start(calendars="absent")).get("/market-calendars").status_code == 404


def test_unknown_keys_and_values_of_the_configuration_are_refused() -> None:
    with pytest.raises(ValueError, match="count_boddy"):
        Config.model_validate({"count_boddy": "bare"})
    with pytest.raises(ValueError, match="count_body"):
        Config.model_validate({"count_body": "maybe"})


def test_every_switch_is_documented_with_its_row_or_section() -> None:
    for name, field in Config.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("name", ["guide", "reference", "hostile"])
def test_a_correct_client_reaches_the_same_state_under_every_preset(
    start: Any, connect: Any, bhp: Body, name: Any
) -> None:
    overrides: Body = {"fault_rates": {}, "burst_per_second": None}
    sim = start(Config.preset(name, **overrides))
    client = connect(sim)
    made = client.post("/instruments", json=bhp).json()
    uuid = made.get("data", made)["id"]
    client.patch(f"/instruments/{uuid}", json={"field_values": {"lot_size": "2"}})
    client.post("/instruments", json={**bhp, "identifier": "rio.xasx"})
    rows = client.get("/instruments?archived=all&limit=100").json()["data"]
    rio = next(row["id"] for row in rows if row["identifier"] == "rio.xasx")
    client.delete(f"/instruments/{rio}")
    state = sim.state()["instruments"]
    assert [(row["identifier"], row["archived"]) for row in state] == [
        ("bhp.xasx", False),
        ("rio.xasx", True),
    ]
    assert state[0]["field_values"]["lot_size"] == "2"


def test_presets_take_overrides() -> None:
    config = Config.preset("hostile", count_body="data.count", api_calls=5)
    assert config.count_body == "data.count"
    assert config.page_limit_max == 100
    assert Config.preset("guide").export_key == "resource_type"
