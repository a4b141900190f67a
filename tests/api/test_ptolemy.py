"""The client against every shape the contract leaves open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armillary.api.envelope import count_of, reference, references, unwrap
from armillary.api.outgoing import filled
from armillary.errors import NotFound, RequestRejected
from tests.api.conftest import Serve
from tests.api.wire import Behaviour, answer, json

ROW = {"id": "u1", "identifier": "bhp.ax"}


@pytest.mark.parametrize("body", [ROW, {"data": ROW}, {"data": ROW, "warnings": ["x"]}])
def test_d1_a_record_with_or_without_envelope(serve: Serve, body: Any) -> None:
    bench = serve(json(body, 201))
    assert bench.ptolemy.instruments.create({"identifier": "bhp.ax"}) == ROW
    assert bench.ptolemy.instruments.get("bhp.ax") == ROW
    assert bench.ptolemy.instruments.patch("bhp.ax", {}) == ROW
    assert bench.ptolemy.instruments.restore("bhp.ax") == ROW


def test_d1_a_record_that_has_a_field_called_data_is_not_unwrapped() -> None:
    assert unwrap({"id": "1", "data": {"x": 1}}) == {"id": "1", "data": {"x": 1}}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"type_id": "u9"}, "u9"),
        ({"type": "u9"}, "u9"),
        ({"type": {"id": "u9", "identifier": "equity"}}, "u9"),
        ({"type": {"identifier": "equity"}}, "equity"),
        ({"type_id": {"id": "u9"}}, "u9"),
        ({"type_id": None, "type": {"id": "u9"}}, "u9"),
        ({"type": {}}, None),
        ({"type": None}, None),
        ({"type": 7}, None),
        ({}, None),
    ],
)
def test_d2_a_reference_in_any_shape(row: dict[str, Any], found: str | None) -> None:
    assert reference(row, "type") == found


def test_d2_all_names_of_a_reference() -> None:
    row = {"type_id": "u9", "instrument_type": {"id": "u9", "identifier": "equity"}}
    assert references(row, "type", "instrument_type") == {"u9", "equity"}


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"data": {"count": 7}}, 7),
        ({"count": 7}, 7),
        ({"data": 7}, None),
        (7, 7),
        ("7", 7),
        ({"count": "7"}, 7),
        ({"total": 7}, 7),
        ({"count": 0}, 0),
        ({"count": None}, None),
        ({"count": True}, None),
        ({"count": 7.5}, None),
        ({"data": []}, None),
        (None, None),
    ],
)
def test_n7_a_count_in_any_shape(body: Any, number: int | None) -> None:
    assert count_of(body) == number


@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_n7_a_count_that_is_not_offered_is_unknown(serve: Serve, status: int) -> None:
    bench = serve(answer(status))
    assert bench.ptolemy.instruments.count({"and": []}) is None


def test_n7_a_count_sends_the_filter_and_its_shorthands(serve: Serve) -> None:
    bench = serve(json({"count": 3}))
    assert bench.ptolemy.instruments.count({"and": []}, type_id="equity") == 3
    assert bench.ptolemy.events.count() == 3
    assert [r.json for r in bench.server.received] == [
        {"filter": {"and": []}, "type_id": "equity"},
        {},
    ]


def test_numbers_keep_their_decimals(serve: Serve) -> None:
    bench = serve(answer(200, b'{"id": "1", "extras": {"a": 1.10, "b": 0.1, "c": 7}}'))
    row = bench.ptolemy.instruments.get("x")
    assert row["extras"] == {"a": Decimal("1.10"), "b": Decimal("0.1"), "c": 7}
    assert str(row["extras"]["a"]) == "1.10"


AWKWARD = [
    "a/b",
    "a b",
    "a:b#c?d",
    "^gspc",
    "$brk.b",
    "%41",
    "münchen",
    "a+b",
    "a%2Fb",
    "...",
    "日本",
]


@pytest.mark.parametrize("identifier", AWKWARD)
def test_n3_every_identifier_survives_its_address(serve: Serve, identifier: str) -> None:
    bench = serve(json(ROW))
    bench.ptolemy.instruments.get(identifier)
    target = bench.server.received[0].target
    prefix, _, part = target.rpartition("/")
    assert prefix == "/v1/workspaces/acme/instruments"
    assert unquote(part) == identifier


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: t not in "..")
)
def test_n3_any_identifier_survives_its_address(identifier: str) -> None:
    path = filled("GET", "/instruments/{id}", identifier)
    assert path.count("/") == 2
    assert unquote(path.removeprefix("/instruments/")) == identifier


@pytest.mark.parametrize("identifier", ["", ".", "..", "\ud800"])
def test_n3_an_identifier_an_address_would_lose_is_refused(serve: Serve, identifier: str) -> None:
    bench = serve(json(ROW))
    with pytest.raises(RequestRejected, match="cannot stand in an address; nothing was sent"):
        bench.ptolemy.instruments.archive(identifier)
    assert bench.server.received == []


def test_a_value_json_cannot_hold_rejects_the_record(serve: Serve) -> None:
    bench = serve(json(ROW))
    with pytest.raises(RequestRejected, match="cannot be written as JSON"):
        bench.ptolemy.instruments.create({"name": "\ud800"})
    assert bench.server.received == []


def test_decimals_are_sent_as_text(serve: Serve) -> None:
    bench = serve(json(ROW))
    bench.ptolemy.values.create({"value": Decimal("45.820")})
    assert bench.server.received[0].json == {"value": "45.820"}


def test_writes_answered_without_a_body(serve: Serve) -> None:
    bench = serve(answer(204))
    assert bench.ptolemy.instruments.patch("x", {}) == {}
    assert bench.ptolemy.instruments.restore("x") == {}
    bench.ptolemy.instruments.archive("x")
    bench.ptolemy.markets.hard_delete("asx")
    assert bench.server.calls == [
        "PATCH /instruments/x",
        "POST /instruments/x/restore",
        "DELETE /instruments/x",
        "DELETE /markets/asx?hard=true",
    ]


def test_an_archive_answered_200_and_empty_is_done(serve: Serve) -> None:
    bench = serve(answer(200, b""))
    bench.ptolemy.instruments.archive("x")
    assert len(bench.server.received) == 1


def test_the_workspace_that_answers(serve: Serve) -> None:
    bench = serve(json({"data": {"id": "w1", "slug": "acme", "name": "Acme", "plan": "growth"}}))
    found = bench.ptolemy.workspace()
    assert (found.id, found.slug, found.name) == ("w1", "acme", "Acme")
    assert found.raw["plan"] == "growth"
    assert bench.server.calls == ["GET "]


@pytest.mark.parametrize("first", [answer(404), answer(307, b"", {"Location": "/x/"})])
def test_the_workspace_below_a_slash_is_remembered(serve: Serve, first: Behaviour) -> None:
    bench = serve(first, json({"id": "w1"}))
    assert bench.ptolemy.workspace().id == "w1"
    assert bench.ptolemy.workspace().slug == ""
    assert bench.server.calls == ["GET ", "GET /", "GET /"]


def test_a37_a_workspace_the_token_does_not_open(serve: Serve) -> None:
    bench = serve(answer(404))
    with pytest.raises(NotFound):
        bench.ptolemy.workspace()


def test_usage(serve: Serve) -> None:
    bench = serve(json({"data": {"api_calls": {"used": 1}}}))
    assert bench.ptolemy.usage() == {"api_calls": {"used": 1}}
    assert bench.server.calls == ["GET /plan"]


@pytest.mark.parametrize("body", [{"data": [{"event_type": "*"}]}, [{"event_type": "*"}], ["*"]])
def test_subscriptions_of_a_webhook(serve: Serve, body: Any) -> None:
    bench = serve(json(body))
    assert bench.ptolemy.webhooks.subscriptions("w/1") == [{"event_type": "*"}]
    assert bench.server.calls == ["GET /webhooks/w%2F1/subscriptions"]
