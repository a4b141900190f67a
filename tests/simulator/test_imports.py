from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]
Load = Callable[..., Body]
CSV = "identifier,name,type_id,isin,lot_size,colour\na,A,equity,X1,1.10,red\nb,B,equity,,,\n"


def row(identifier: str, **rest: Any) -> Body:
    return {"identifier": identifier, "name": identifier, "type_id": "equity", **rest}


def send(client: httpx.Client, content: str | bytes | list[Body], **form: str) -> httpx.Response:
    if isinstance(content, list):
        content = json.dumps(content)
    form = {"resource_type": "instruments", **form}
    return client.post("/imports", files={"file": ("x", content)}, data=form)


@pytest.fixture
def load(client: httpx.Client) -> Load:
    def run(content: str | bytes | list[Body], **form: str) -> Body:
        answer = send(client, content, **form)
        assert answer.status_code == 202, answer.text
        job: Body = answer.json()["data"]
        assert job["status"] == "queued"
        assert job["row_count"] is None
        for _ in range(20):
            job = client.get(f"/imports/{job['id']}").json()["data"]
            if job["status"] not in ("queued", "processing"):
                break
        return job

    return run


def names(sim: Simulator) -> list[str]:
    return [one["identifier"] for one in sim.state()["instruments"]]


def test_csv_with_field_columns(sim: Simulator, load: Load) -> None:
    job = load(CSV)
    assert job["status"] == "completed"
    assert (job["row_count"], job["rows_imported"], job["rows_failed"]) == (2, 2, 0)
    first, second = sim.state()["instruments"]
    assert first["field_values"] == {"isin": "X1", "lot_size": "1.1"}
    assert second["field_values"] == {}


def test_csv_with_prefixed_columns_bom_and_quoted_newlines(sim: Simulator, load: Load) -> None:
    job = load('\ufeffidentifier,name,type_id,field.sector\r\na,"A\nB",equity,"x,y"\r\n')
    assert job["rows_imported"] == 1
    (one,) = sim.state()["instruments"]
    assert one["name"] == "A\nB"
    assert one["field_values"] == {"sector": "x,y"}


def test_json_with_nested_values(sim: Simulator, load: Load) -> None:
    rows = [row("a", field_values={"isin": "X"}, extras={"k": [1]}, note="ignored")]
    assert load(rows)["rows_imported"] == 1
    assert sim.state()["instruments"][0]["extras"] == {"k": [1]}


def test_rows_are_judged_as_single_writes(sim: Simulator, load: Load) -> None:
    rows = [
        row("a"),
        row("b", field_values={"lot_size": "x"}),
        row("a"),
        {"identifier": "d"},
        row("e"),
    ]
    job = load(rows, on_error="continue")
    assert job["status"] == "completed"
    assert (job["row_count"], job["rows_imported"], job["rows_failed"]) == (5, 2, 3)
    assert [(e["row"], e["status"], e["field"]) for e in job["errors"]] == [
        (2, 422, "field_values.lot_size"),
        (3, 409, "identifier"),
        (4, 422, "name"),
    ]
    assert names(sim) == ["a", "e"]


@pytest.mark.parametrize(("reading", "kept"), [("keeps", ["a"]), ("rolls_back", [])])
def test_abort_stops_at_the_first_bad_row(
    sim: Simulator, load: Load, reading: Any, kept: list[str]
) -> None:
    sim.configure(import_abort=reading)
    job = load([row("a"), row("b", name=""), row("c")], on_error="abort")
    assert job["status"] == "failed"
    assert (job["rows_imported"], job["rows_failed"]) == (len(kept), 1)
    assert names(sim) == kept


@pytest.mark.parametrize(
    "content",
    ["", "a,a\n1,2\n", "[1]", '{"a": 1}', "[{", b"\xff\xfe\x00", "id\n\xff".encode("latin-1")],
)
def test_files_that_cannot_be_read_fail_the_job(load: Load, content: str | bytes) -> None:
    job = load(content)
    assert job["status"] == "failed"
    assert job["rows_imported"] == 0
    assert len(job["errors"]) == 1


def test_a_ragged_line_fails_the_job(sim: Simulator, load: Load) -> None:
    job = load("identifier,name,type_id\na,A,equity\nb,B\n")
    assert job["status"] == "failed"
    assert "2 cells" in job["errors"][0]["message"]


def test_d11_upsert_by_identifier_column(sim: Simulator, load: Load) -> None:
    load([row("a", field_values={"isin": "X"})])
    job = load([row("a", name="New"), row("b")], identifier_column="identifier")
    assert (job["rows_imported"], job["rows_failed"]) == (2, 0)
    first, _ = sim.state()["instruments"]
    assert first["name"] == "New"
    assert first["field_values"] == {"isin": "X"}
    job = load([{"name": "x"}], identifier_column="identifier", on_error="continue")
    assert job["rows_failed"] == 1


def test_d11_duplicates_conflict(sim: Simulator, load: Load) -> None:
    sim.configure(import_duplicates="conflict")
    load([row("a")])
    job = load([row("a"), row("b")], identifier_column="identifier", on_error="continue")
    assert (job["rows_imported"], job["rows_failed"]) == (1, 1)
    assert job["errors"][0]["status"] == 409


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"resource_type": "market_calendars"}, 422),
        ({"resource_type": "tags"}, 422),
        ({"on_error": "stop"}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_wrong_forms(client: httpx.Client, form: dict[str, str], status: int) -> None:
    assert send(client, [], **form).status_code == status


def test_forms_that_are_none(client: httpx.Client) -> None:
    assert client.post("/imports", json={}).status_code == 415
    without_file = client.post("/imports", files={"other": ("x", b"")}, data={"a": "b"})
    assert without_file.status_code == 422
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/imports", content=b"--y", headers=headers).status_code == 400
    only = client.post("/imports", files={"resource_type": (None, "instruments")})
    assert only.json()["field"] == "file"


def test_files_over_the_limit_are_413(start: Any, connect: Any) -> None:
    client = connect(start(import_max_bytes=1000))
    assert send(client, "x" * 1001).status_code == 413
    assert send(client, "x" * 3_000_000).status_code == 413


def test_d10_zip(sim: Simulator, client: httpx.Client, load: Load) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("instruments.csv", CSV)
    assert send(client, packed.getvalue()).status_code == 422
    sim.configure(import_zip="accepted")
    assert load(packed.getvalue())["rows_imported"] == 2


def test_n12_ids_and_archived_state_kept(sim: Simulator, load: Load) -> None:
    sim.configure(import_keeps_ids=True, import_keeps_archived=True)
    uuid = "11111111-2222-4333-8444-555555555555"
    load([row("a", id=uuid, archived_at="2026-01-01T00:00:00Z")])
    assert sim.store.instruments.table.by_id(uuid) is not None
    assert sim.state()["instruments"][0]["archived"] is True
    again = load([row("b", id=uuid)], on_error="continue")
    assert again["rows_failed"] == 1


def test_n12_unknown_keys_refused(sim: Simulator, load: Load) -> None:
    sim.configure(import_unknown_keys="refused")
    job = load([row("a", note=1), row("b", id="x", created_at="y")], on_error="continue")
    assert (job["rows_imported"], job["rows_failed"]) == (1, 1)


@pytest.mark.parametrize(
    ("reading", "errors"),
    [("strings", ["row 1: name is required"]), ("absent", None)],
)
def test_n13_entries_of_errors(sim: Simulator, load: Load, reading: Any, errors: Any) -> None:
    sim.configure(job_errors=reading)
    assert load([{"identifier": "a"}], on_error="continue").get("errors") == errors


def test_j19_counters_not_told(sim: Simulator, load: Load) -> None:
    sim.configure(job_counters="absent")
    assert "rows_imported" not in load([row("a")])


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_d12_cancel(sim: Simulator, client: httpx.Client, status: Any) -> None:
    sim.configure(cancel_status=status)
    job = send(client, [row("a")]).json()["data"]
    answer = client.post(f"/imports/{job['id']}/cancel")
    assert answer.json()["data"]["status"] == status
    assert client.post(f"/imports/{job['id']}/cancel").status_code == 409
    assert client.get(f"/imports/{job['id']}").json()["data"]["status"] == status
    assert names(sim) == []


def test_jobs_move_by_polls(sim: Simulator, client: httpx.Client) -> None:
    sim.configure(job_polls=3)
    job = send(client, [row("a")]).json()["data"]
    path = f"/imports/{job['id']}"
    assert names(sim) == []
    states = [client.get(path).json()["data"]["status"] for _ in range(4)]
    assert states == ["processing", "processing", "completed", "completed"]
    (listed,) = client.get("/imports").json()["data"]
    assert listed["status"] == "completed"


def test_jobs_move_by_the_clock(start: Any, connect: Any) -> None:
    sim = start(job_seconds=100, frozen_clock=True)
    client = connect(sim)
    job = send(client, [row("a")]).json()["data"]
    path = f"/imports/{job['id']}"
    assert client.get(path).json()["data"]["status"] == "queued"
    sim.advance(50)
    assert client.get("/imports").json()["data"][0]["status"] == "processing"
    sim.advance(50)
    assert client.get(path).json()["data"]["status"] == "completed"


def test_n13_jobs_at_once_and_kept(start: Any, connect: Any) -> None:
    sim = start(jobs_at_once=1, job_keep_seconds=60, frozen_clock=True, job_polls=1)
    client = connect(sim)
    first = send(client, []).json()["data"]
    assert send(client, []).status_code == 409
    assert client.get(f"/imports/{first['id']}").json()["data"]["status"] == "completed"
    assert send(client, []).status_code == 202
    sim.advance(61)
    assert client.get(f"/imports/{first['id']}").status_code == 404


def test_a_large_import_goes_on_in_the_background_and_can_be_cancelled(
    sim: Simulator, client: httpx.Client, load: Load
) -> None:
    rows = [row(f"i{number}") for number in range(12_000)]
    job = send(client, rows).json()["data"]
    path = f"/imports/{job['id']}"
    states = [client.get(path).json()["data"]["status"] for _ in range(2)]
    assert states == ["processing", "processing"]
    cancelled = client.post(f"{path}/cancel")
    assert cancelled.status_code == 200
    assert 5_000 <= len(names(sim)) < 12_000
    more = [row(f"j{number}") for number in range(6_000)]
    job = load(more)
    for _ in range(2000):
        if job["status"] == "completed":
            break
        job = client.get(f"/imports/{job['id']}").json()["data"]
    assert job["rows_imported"] == 6_000


def test_every_importable_type(sim: Simulator, client: httpx.Client, load: Load) -> None:
    load([row("a")])
    load("identifier,name,type_id,mic\nasx,ASX,exchange,XASX\n", resource_type="markets")
    job = load(
        "instrument_id,market_id,local_code,currency,lot_size\na,asx,A,AUD,100\n",
        resource_type="market_listings",
    )
    assert job["rows_imported"] == 1
    listing = client.get("/market-listings").json()["data"][0]["id"]
    job = load(
        [{"listing_id": listing, "suspended_from": "2026-01-01", "reason": "x"}],
        resource_type="market_listing_suspensions",
    )
    assert job["rows_imported"] == 1
    job = load(
        "instrument_id,type_id,timestamp,value\na,close-price,2026-01-01,1.5\n",
        resource_type="time_series_values",
    )
    assert job["rows_imported"] == 1
    bars = "instrument_id,type_id,timestamp,open,high,low,close\na,ohlcv-daily,2026-01-01,1,2,3,4\n"
    assert load(bars, resource_type="composite_time_series_values")["rows_imported"] == 1
    again = load(bars, resource_type="composite_time_series_values", identifier_column="timestamp")
    assert (again["rows_imported"], again["rows_failed"]) == (1, 0)
    assert all(len(rows) == 1 for name, rows in sim.state().items() if name != "market_calendars")


def test_item_quota_fails_rows(start: Any, connect: Any) -> None:
    sim = start(items=1, job_polls=1)
    client = connect(sim)
    job = send(client, [row("a"), row("b")], on_error="continue").json()["data"]
    job = client.get(f"/imports/{job['id']}").json()["data"]
    assert (job["rows_imported"], job["rows_failed"]) == (1, 1)
    assert job["errors"][0]["status"] == 403
