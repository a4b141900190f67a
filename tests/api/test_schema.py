"""Which fields a type has, whichever way they say so."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.errors import UnexpectedAnswer
from tests.api.conftest import Serve
from tests.api.wire import Exchange, json, page


def field(key: str, **more: Any) -> dict[str, Any]:
    return {"id": f"f-{key}", "field_key": key, "data_type": "text", **more}


OURS: list[dict[str, Any]] = [
    {"type_id": "u-eq"},
    {"type_id": "equity"},
    {"instrument_type_id": "u-eq"},
    {"type": "equity"},
    {"instrument_type": "u-eq"},
    {"type": {"id": "u-eq"}},
    {"instrument_type": {"identifier": "equity"}},
    {"instrument_type_id": {"id": "u-eq", "identifier": "equity"}},
]


def test_d2_fields_name_their_type_in_any_way(serve: Serve) -> None:
    ours = [field(f"k{number}", **how) for number, how in enumerate(OURS)]
    others = [field("o1", type_id="u-bond"), field("o2", type={"identifier": "bond"})]
    gone = [field("old", type_id="u-eq", archived_at="2026-01-01T00:00:00Z")]
    bench = serve(page([*others, *ours[:4]], "c1"), page([*ours[4:], *gone]))
    found = bench.ptolemy.instrument_type_fields.for_type("u-eq", "equity")
    assert [f.field_key for f in found] == [f"k{number}" for number in range(len(OURS))]
    assert len(bench.server.received) == 2


def test_fields_that_name_no_type_count_only_if_the_type_embeds_them(serve: Serve) -> None:
    def behave(exchange: Exchange) -> bool:
        if exchange.request.target.endswith("/instrument-types/u-eq"):
            return json({"data": {"id": "u-eq", "fields": [field("isin"), "lot_size"]}})(exchange)
        return page([field("isin"), field("lot_size"), field("coupon")])(exchange)

    bench = serve(behave)
    found = bench.ptolemy.instrument_type_fields.for_type("u-eq", "equity")
    assert [f.field_key for f in found] == ["isin", "lot_size"]


def test_a_field_definition(serve: Serve) -> None:
    bench = serve(
        page([field("isin", type={"id": "u-eq"}, is_required=True, has_default=False, new_key=1)])
    )
    (found,) = bench.ptolemy.instrument_type_fields.for_type("u-eq", "equity")
    assert (found.id, found.data_type, found.type) == ("f-isin", "text", "u-eq")
    assert (found.is_required, found.has_default, found.allow_null) == (True, False, True)


def test_a_field_without_data_type_is_not_guessed(serve: Serve) -> None:
    bench = serve(page([{"field_key": "isin", "type_id": "u-eq"}]))
    with pytest.raises(UnexpectedAnswer, match="field 'isin' has no key or no data type"):
        bench.ptolemy.instrument_type_fields.for_type("u-eq", "equity")
