from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulator import Simulator

Body = dict[str, Any]
Export = Callable[..., Body]
Shares = Callable[[int], list[Body]]


@pytest.fixture
def export(client: httpx.Client) -> Export:
    def run(**body: Any) -> Body:
        body = {"object_type": "instruments", "format": "json", **body}
        answer = client.post("/exports", json=body)
        assert answer.status_code == 202, answer.text
        job: Body = answer.json()["data"]
        assert (job["status"], job["download_url"]) == ("queued", None)
        for _ in range(50):
            job = client.get(f"/exports/{job['id']}").json()["data"]
            if job["status"] not in ("queued", "processing"):
                break
        return job

    return run


def fetch(job: Body) -> httpx.Response:
    return httpx.get(job["download_url"])


def test_json_export_is_what_the_workspace_holds(
    sim: Simulator, client: httpx.Client, export: Export, shares: Shares
) -> None:
    sim.seed(shares(4))
    job = export()
    assert job["object_type"] == "instruments"
    answer = fetch(job)
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    rows = answer.json()
    assert [row["identifier"] for row in rows] == ["s0", "s1", "s3"]
    assert rows[0]["type_id"] == "equity"
    assert rows[0]["field_values"]["lot_size"] == "0"
    assert rows[0].keys() >= {"id", "archived_at", "extras"}
    assert len(fetch(export(include_archived=True)).json()) == 4
    node = {"field": "field.lot_size", "op": "gt", "value": 0}
    assert len(fetch(export(include_archived=True, filter={"and": [node]})).json()) == 3


def test_the_file_is_of_the_moment_the_job_worked(
    sim: Simulator, client: httpx.Client, export: Export, bhp: Body
) -> None:
    sim.seed([bhp])
    job = export()
    client.patch("/instruments/bhp.xasx", json={"name": "later"})
    assert fetch(job).json()[0]["name"] == "BHP Group"


def test_csv_export(sim: Simulator, export: Export, bhp: Body) -> None:
    sim.seed([{**bhp, "name": 'A "quoted", name', "extras": {"a": 1}}])
    answer = fetch(export(format="csv"))
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert row["name"] == 'A "quoted", name'
    assert (row["isin"], row["sector"], row["extras"]) == ("AU000000BHP4", "", '{"a":1}')


@pytest.mark.parametrize("file_format", ["json", "csv"])
def test_an_export_is_imported_unchanged(
    start: Any, connect: Any, sim: Simulator, export: Export, shares: Shares, file_format: str
) -> None:
    sim.seed(shares(10))
    target = start(job_polls=1, import_keeps_archived=True)
    client = connect(target)
    content = fetch(export(format=file_format, include_archived=True)).content
    form = {"resource_type": "instruments"}
    job = client.post("/imports", files={"file": ("x", content)}, data=form).json()["data"]
    done = client.get(f"/imports/{job['id']}").json()["data"]
    assert (done["rows_imported"], done["rows_failed"]) == (10, 0)
    assert target.digest() == sim.digest()


@pytest.mark.parametrize(
    ("reading", "accepted"),
    [
        ("object_type", {"object_type"}),
        ("resource_type", {"resource_type"}),
        ("either", {"object_type", "resource_type"}),
    ],
)
def test_d7_export_key(
    sim: Simulator, client: httpx.Client, reading: Any, accepted: set[str]
) -> None:
    sim.configure(export_key=reading)
    for key in ("object_type", "resource_type"):
        answer = client.post("/exports", json={key: "instruments", "format": "json"})
        assert answer.status_code == (202 if key in accepted else 422)


@pytest.mark.parametrize(
    "change",
    [
        {"object_type": "tags"},
        {"format": "xml"},
        {"include_archived": "yes"},
        {"colour": 1},
        {"filter": {"field": "x"}},
    ],
)
def test_wrong_bodies(client: httpx.Client, change: Body) -> None:
    body = {"object_type": "instruments", "format": "json", **change}
    assert client.post("/exports", json=body).status_code in (400, 422)


def test_n12_shapes(sim: Simulator, export: Export, bhp: Body) -> None:
    sim.seed([bhp])
    sim.configure(
        export_shape="wrapped",
        export_fields="extra_fields_snapshot",
        export_archived_at="absent",
        export_ids="absent",
        export_references="uuid",
    )
    (row,) = fetch(export()).json()["data"]
    assert row["extra_fields_snapshot"]["currency"] == "AUD"
    assert row["type_id"] == sim.store.instrument_types.table.rows[0].id
    assert not row.keys() & {"id", "archived_at", "field_values"}
    sim.configure(export_fields="flat", csv_columns="prefixed", csv_encoding="utf-8-sig")
    assert fetch(export()).json()["data"][0]["currency"] == "AUD"
    content = fetch(export(format="csv")).content
    assert content.startswith(b"\xef\xbb\xbfidentifier,name,type_id,field.isin")
    assert content.count(b"\xef\xbb\xbf") == 1


def test_d13_calendars(sim: Simulator, client: httpx.Client) -> None:
    body = {"object_type": "market_calendars", "format": "json"}
    assert client.post("/exports", json=body).status_code == 202
    sim.configure(calendar_export="refused")
    assert client.post("/exports", json=body).status_code == 422


def test_empty_workspace(export: Export) -> None:
    assert fetch(export()).content == b"[]"
    assert fetch(export(format="csv")).text.count("\n") == 1


def test_a_large_export_is_written_in_slices(
    sim: Simulator, export: Export, shares: Shares
) -> None:
    sim.seed({**row, "archived": False} for row in shares(7_000))
    answer = fetch(export())
    assert len(answer.json()) == 7_000


def test_links_die_after_fifteen_minutes(
    sim: Simulator, client: httpx.Client, export: Export
) -> None:
    job = export()
    sim.advance(899)
    assert fetch(job).status_code == 200
    sim.advance(2)
    dead = fetch(job)
    assert dead.status_code == 403
    assert "<Code>AccessDenied</Code>" in dead.text
    fresh = client.get(f"/exports/{job['id']}").json()["data"]
    assert fetch(fresh).status_code == 200


def test_n13_one_link_for_ever(sim: Simulator, client: httpx.Client, export: Export) -> None:
    sim.configure(link_refresh="fixed", link_seconds=60)
    job = export()
    sim.advance(61)
    again = client.get(f"/exports/{job['id']}").json()["data"]
    assert again["download_url"] == job["download_url"]
    assert fetch(again).status_code == 403


def test_a_link_is_the_only_credential(
    sim: Simulator, client: httpx.Client, export: Export
) -> None:
    job = export()
    headers = {"Authorization": f"Bearer {sim.token}"}
    assert httpx.get(job["download_url"], headers=headers).status_code == 400
    assert httpx.get(job["download_url"] + "0").status_code == 403
    assert httpx.get(job["download_url"].partition("?")[0]).status_code == 403
    assert httpx.head(job["download_url"]).status_code == 403
    used = sim.store.quota.calls_used
    fetch(job)
    assert sim.store.quota.calls_used == used, "a download is no API call"
    assert sim.calls()["GET /downloads/{id}"] == 4
    assert "signature" not in str(sim.log())


def test_ranges(sim: Simulator, export: Export, bhp: Body) -> None:
    sim.seed([bhp])
    job = export()
    whole = fetch(job)
    size = len(whole.content)
    part = httpx.get(job["download_url"], headers={"Range": "bytes=5-9"})
    assert part.status_code == 206
    assert part.content == whole.content[5:10]
    assert part.headers["content-range"] == f"bytes 5-9/{size}"
    assert part.headers["etag"] == whole.headers["etag"]
    rest = httpx.get(job["download_url"], headers={"Range": "bytes=7-"})
    assert rest.content == whole.content[7:]
    beyond = httpx.get(job["download_url"], headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416
    sim.configure(link_ranges="ignored")
    ignored = httpx.get(job["download_url"], headers={"Range": "bytes=5-9"})
    assert (ignored.status_code, ignored.content) == (200, whole.content)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"status": "failed", "errors": ["disk full"]}, {"status": "failed", "download_url": None}),
        ({"status": "processing"}, {"status": "processing", "download_url": None}),
        ({"status": "paused"}, {"status": "paused", "download_url": None}),
        ({"no_link": True}, {"status": "completed", "download_url": None}),
    ],
)
def test_jobs_that_go_wrong(sim: Simulator, export: Export, script: Body, expected: Body) -> None:
    sim.faults = [{"method": "POST", "path": "/exports", "action": "job", "job": script}]
    assert export().items() >= expected.items()


def test_j03_a_lost_job_and_j12_an_empty_file(
    sim: Simulator, client: httpx.Client, export: Export, bhp: Body
) -> None:
    sim.seed([bhp])
    sim.faults = [
        {"path": "/exports", "action": "job", "nth": 1, "job": {"lost": True}},
        {"path": "/exports", "action": "job", "nth": 1, "job": {"empty_file": True, "polls": 5}},
    ]
    body = {"object_type": "instruments", "format": "json"}
    lost = client.post("/exports", json=body).json()["data"]
    assert client.get(f"/exports/{lost['id']}").status_code == 404
    assert fetch(export()).content == b"[]"
    assert sim.calls()["GET /exports/{id}"] == 6


def test_j19_a_counter_that_lies(sim: Simulator, client: httpx.Client) -> None:
    sim.configure(job_polls=1)
    sim.faults = [{"path": "/imports", "action": "job", "job": {"rows_imported": 77}}]
    form = {"resource_type": "instruments"}
    job = client.post("/imports", files={"file": ("x", b"[]")}, data=form).json()["data"]
    assert client.get(f"/imports/{job['id']}").json()["data"]["rows_imported"] == 77
