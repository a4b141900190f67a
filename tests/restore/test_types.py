"""Types by UUID and identifier, and their fields, however the service names them."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.api.envelope import Row
from armillary.backup.schemas import Schemas, read_schemas
from armillary.restore.types import Kind, TypeNames
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client

SERIES_FIELDS = dict.fromkeys(("open", "high", "low", "close", "volume"), "number")


def names(**resources: list[Row]) -> TypeNames:
    return TypeNames.of(Schemas(resources, {}))


@pytest.mark.parametrize(
    "switches",
    [
        {"references": "embedded"},
        {"references": "embedded", "reference_identifier": "absent"},
        {"references": "plain"},
        {"references": "both"},
    ],
    ids=str,
)
def test_d2_the_types_of_a_workspace(make_simulator: MakeSimulator, switches: Any) -> None:
    with open_client(make_simulator(**switches)) as ptolemy:
        schemas = read_schemas(ptolemy)
    types = TypeNames.of(schemas)
    assert types.fields("series", "ohlcv-daily") == SERIES_FIELDS
    assert types.fields("series", "close-price") == {}
    assert types.fields("instrument", "bond")["maturity"] == "date"
    assert types.fields("market", "exchange")["mic"] == "text"
    for kind, name in (("instrument", "instrument_types"), ("series", "series")):
        for row in schemas.resources[name]:
            by_uuid = types.identifier_of(kind, row["id"])  # type: ignore[arg-type]
            assert by_uuid == row["identifier"]
    assert types.identifier_of("instrument", "equity") == "equity"
    assert types.identifier_of("market", "equity") is None


def test_n5_market_types_that_nobody_tells() -> None:
    types = names(instrument_types=[{"id": "t1", "identifier": "equity"}])
    assert types.identifier_of("market", "exchange") is None
    assert types.fields("market", "exchange") == {}
    assert not types.tells_fields("market")
    assert types.keys("market") == frozenset()


EQUITY: Row = {"id": "t1", "identifier": "equity"}
BOND: Row = {"id": "t2", "identifier": "bond"}


@pytest.mark.parametrize(
    "field",
    [
        {"instrument_type_id": "t1"},
        {"instrument_type": {"identifier": "equity"}},
        {"type": "equity"},
        {"type_id": "t1", "type": {"id": "t1"}},
    ],
    ids=str,
)
def test_d2_a_field_names_its_type_somehow(field: Row) -> None:
    known = {"id": "f1", "field_key": "isin", "data_type": "text", **field}
    types = names(instrument_types=[EQUITY, BOND], instrument_type_fields=[known])
    assert types.fields("instrument", "equity") == {"isin": "text"}
    assert types.fields("instrument", "bond") == {}


@pytest.mark.parametrize("carried", [["f1"], [{"id": "f1"}], [{"field_key": "isin"}], ["isin"]])
def test_d2_a_field_that_names_none_is_its_that_carries_it(carried: list[Any]) -> None:
    known = {"id": "f1", "field_key": "isin", "data_type": "text"}
    types = names(
        instrument_types=[BOND, {**EQUITY, "fields": carried}], instrument_type_fields=[known]
    )
    assert types.fields("instrument", "equity") == {"isin": "text"}
    assert types.fields("instrument", "bond") == {}


def test_a_key_of_two_types_belongs_to_the_one_that_carries_its_uuid() -> None:
    fields: list[Row] = [
        {"id": "f1", "field_key": "lot", "data_type": "number"},
        {"id": "f2", "field_key": "lot", "data_type": "text"},
    ]
    types = names(
        instrument_types=[
            {**EQUITY, "fields": [{"id": "f1", "field_key": "lot"}]},
            {**BOND, "fields": [{"id": "f2", "field_key": "lot"}]},
        ],
        instrument_type_fields=fields,
    )
    assert types.fields("instrument", "equity") == {"lot": "number"}
    assert types.fields("instrument", "bond") == {"lot": "text"}


@pytest.mark.parametrize("archived_first", [True, False])
def test_an_active_field_counts_before_an_archived_one(archived_first: bool) -> None:
    old: Row = {"field_key": "lot", "data_type": "text", "type_id": "t1", "archived_at": "2020"}
    new: Row = {"field_key": "lot", "data_type": "number", "type_id": "t1", "archived_at": None}
    fields = [old, new] if archived_first else [new, old]
    types = names(instrument_types=[EQUITY], instrument_type_fields=fields)
    assert types.fields("instrument", "equity") == {"lot": "number"}


@pytest.mark.parametrize("kind", ["instrument", "market", "series"])
def test_rows_that_say_nothing_are_passed_over(kind: Kind) -> None:
    types = names(
        instrument_types=[{"id": "t1"}, {"identifier": None}],
        instrument_type_fields=[{"field_key": "x"}, {"data_type": "text", "type_id": "t1"}],
    )
    assert types.identifier_of(kind, "t1") is None
    assert types.keys(kind) == frozenset()
