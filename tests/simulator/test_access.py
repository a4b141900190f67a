from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]
TWO = [{"slug": "demo"}, {"slug": "other"}]


@pytest.mark.parametrize(
    "header", [None, "", "Basic abc", "Bearer", "Bearer ptk_live_00", "Token x"]
)
def test_without_a_valid_token_401(sim: Simulator, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert httpx.get(sim.workspace_url + "/instruments", headers=headers).status_code == 401


def test_tokens_look_like_the_real_ones(sim: Simulator) -> None:
    assert sim.token.startswith("ptk_live_")
    assert len(sim.token) == len("ptk_live_") + 64
    assert sim.token != sim.token_for("viewer")


def test_viewer_reads_and_member_writes(sim: Simulator, connect: Any, bhp: Body) -> None:
    viewer, member = connect(sim, "viewer"), connect(sim, "member")
    assert member.post("/instruments", json=bhp).status_code == 201
    assert viewer.get("/instruments/bhp.xasx").status_code == 200
    assert viewer.post("/instruments/filter", json={}).status_code == 200
    assert viewer.post("/instruments/count", json={}).status_code == 200
    for method, path in (
        ("POST", "/instruments"),
        ("PATCH", "/instruments/bhp.xasx"),
        ("DELETE", "/instruments/bhp.xasx"),
        ("POST", "/instruments/bhp.xasx/restore"),
        ("POST", "/imports"),
        ("POST", "/exports"),
    ):
        assert viewer.request(method, path, json={}).status_code == 403, path
    assert sim.state()["instruments"][0]["archived"] is False


def test_expired_and_revoked_tokens(start: Any, connect: Any) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    token = {"name": "short", "token": "ptk_live_short", "expires_at": end.isoformat()}
    sim = start(workspaces=[{"slug": "demo", "tokens": [token]}])
    headers = {"Authorization": "Bearer ptk_live_short"}
    assert httpx.get(sim.workspace_url, headers=headers).status_code == 200
    sim.advance(3601)
    assert httpx.get(sim.workspace_url, headers=headers).status_code == 401
    client = connect(sim)
    assert client.get("").status_code == 200
    sim.revoke("member")
    assert client.get("").status_code == 401


def test_workspace_by_slug_and_by_uuid(sim: Simulator, client: httpx.Client) -> None:
    by_slug = client.get("").json()["data"]
    assert by_slug["slug"] == "demo"
    answer = client.get(sim.url_of(by_slug["id"]) + "/")
    assert answer.json()["data"] == by_slug


@pytest.mark.parametrize(("reading", "status"), [(404, 404), (403, 403)])
def test_a37_another_workspace_is_refused(
    start: Any, connect: Any, reading: Any, status: int
) -> None:
    sim = start(workspaces=TWO, wrong_workspace=reading)
    client = connect(sim)
    assert client.get(sim.url_of("other") + "/instruments").status_code == status
    assert client.get(sim.url_of("nowhere") + "/instruments").status_code == 404


def test_a37_another_workspace_looks_empty(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(workspaces=TWO, wrong_workspace="empty")
    sim.seed([bhp], workspace="other")
    client, other = connect(sim), sim.url_of("other")
    assert client.get(f"{other}/instruments").json()["data"] == []
    assert client.post(f"{other}/instruments/filter", json={}).json()["data"] == []
    assert client.post(f"{other}/instruments/count", json={}).json()["data"]["count"] == 0
    assert client.get(other).json()["data"]["slug"] == "demo"
    assert client.get(f"{other}/instruments/bhp.xasx").status_code == 404
    assert client.patch(f"{other}/instruments/bhp.xasx", json={}).status_code == 404


def test_workspaces_share_nothing(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(workspaces=TWO)
    assert connect(sim).post("/instruments", json=bhp).status_code == 201
    assert connect(sim, workspace="other").get("/instruments").json()["data"] == []
    assert sim.digest("demo") != sim.digest("other")


@pytest.mark.parametrize("role", ["member", "editor", "admin"])
def test_n4_role_of_hard_delete(start: Any, connect: Any, bhp: Body, role: Any) -> None:
    sim = start(hard_delete_role="admin")
    sim.seed([bhp])
    answer = connect(sim, role).delete("/instruments/bhp.xasx?hard=true")
    assert answer.status_code == (204 if role == "admin" else 403)


def test_d4_types_written_by_editors_only_where_allowed(start: Any, connect: Any) -> None:
    sim = start(schema_writes="editor")
    body = {"identifier": "fund", "name": "Fund"}
    assert connect(sim).post("/instrument-types", json=body).status_code == 403
    editor = connect(sim, "editor")
    assert editor.post("/instrument-types", json=body).status_code == 201
    assert editor.post("/instrument-types", json=body).status_code == 409
    field = {"type_id": "fund", "field_key": "nav", "data_type": "number"}
    assert editor.post("/instrument-type-fields", json=field).status_code == 201
    assert editor.post("/instrument-type-fields", json=field).status_code == 409
    share = {"name": "F", "identifier": "f", "type_id": "fund", "field_values": {"nav": "1"}}
    assert connect(sim).post("/instruments", json=share).status_code == 201


def test_a_field_added_later_is_empty_in_older_records(start: Any, connect: Any, bhp: Body) -> None:
    sim = start(schema_writes="editor")
    sim.seed([bhp])
    field = {"type_id": "equity", "field_key": "lei", "data_type": "text"}
    connect(sim, "editor").post("/instrument-type-fields", json=field)
    client = connect(sim)
    assert (
        client.get("/instruments/bhp.xasx").json()["data"]["extra_fields_snapshot"]["lei"] is None
    )
    client.patch("/instruments/bhp.xasx", json={"field_values": {"lei": "L"}})
    assert sim.state()["instruments"][0]["field_values"]["lei"] == "L"
