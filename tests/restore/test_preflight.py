"""What a person has to create before a backup can live in a workspace, in words to follow."""

from __future__ import annotations

from typing import Any

import pytest

from armillary.backup.schemas import Schemas, read_schemas
from armillary.restore.preflight import Used, what_is_missing, what_is_not_told
from simulator.config import TypeConfig, WorkspaceConfig
from tests.api.clocks import TodaysClock
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client

TEXT, NUMBER, DATE = "text", "number", "date"

READINGS: list[dict[str, Any]] = [
    {},
    {"references": "embedded", "reference_identifier": "absent"},
    {"references": "both"},
]
"""How a field may name its type (contract D2)."""


def field(key: str, data_type: str = TEXT, **more: Any) -> dict[str, Any]:
    return {"field_key": key, "data_type": data_type, **more}


def of(identifier: str, *fields: dict[str, Any], name: str | None = None) -> TypeConfig:
    return TypeConfig.model_validate({"identifier": identifier, "name": name, "fields": fields})


EQUITY = of("equity", field("isin"), field("lot_size", NUMBER, is_required=True), name="Equity")
BARS = of("bars", field("open", NUMBER, is_required=True), field("volume", NUMBER), name="Bars")
CLOSE = of("close", name="Close price")
EXCHANGE = of("exchange", field("mic"), name="Exchange")

USED: Used = {
    "instrument": {"equity": {"isin", "lot_size"}},
    "market": {"exchange": {"mic"}},
    "series": {"bars": {"open", "volume"}, "close": set()},
}


class Workspaces:
    """Makes workspaces with given types, and tells their schemas."""

    def __init__(self, make: MakeSimulator) -> None:
        self._make = make

    def __call__(
        self,
        instruments: list[TypeConfig] | None = None,
        markets: list[TypeConfig] | None = None,
        series: list[TypeConfig] | None = None,
        **switches: Any,
    ) -> Schemas:
        faults = switches.pop("faults", [])
        workspace = WorkspaceConfig(
            instrument_types=instruments or [],
            market_types=markets or [],
            series_types=series or [],
        )
        sim = self._make(workspaces=[workspace], **switches)
        sim.faults = faults
        with open_client(sim, clock=TodaysClock()) as ptolemy:
            return read_schemas(ptolemy)


@pytest.fixture
def workspace(make_simulator: MakeSimulator) -> Workspaces:
    return Workspaces(make_simulator)


@pytest.fixture
def source(workspace: Workspaces) -> Schemas:
    return workspace([EQUITY], [EXCHANGE], [BARS, CLOSE])


def words(source: Schemas, target: Schemas, used: Used = USED, **more: Any) -> list[str]:
    return [str(missing) for missing in what_is_missing(source, target, used, **more)]


@pytest.mark.parametrize("switches", READINGS)
def test_j25_nothing_is_missing_where_all_is_there(
    workspace: Workspaces, source: Schemas, switches: dict[str, Any]
) -> None:
    target = workspace([EQUITY], [EXCHANGE], [BARS, CLOSE], **switches)
    assert words(source, target) == []
    assert what_is_not_told(source, target, USED) == []


@pytest.mark.parametrize("switches", READINGS)
def test_j25_types_that_are_not_there_are_told_with_the_fields_that_rows_use(
    workspace: Workspaces, switches: dict[str, Any]
) -> None:
    source = workspace([EQUITY], [EXCHANGE], [BARS, CLOSE], **switches)
    target = workspace()
    found = what_is_missing(source, target, USED)
    assert [str(missing) for missing in found] == [
        "instrument type equity (Equity) with the fields isin (text), lot_size (number, required)",
        "market type exchange (Exchange) with the fields mic (text)",
        "series type bars (Bars) with the fields open (number, required), volume (number)",
        "series type close (Close price) without fields",
    ]
    assert [(missing.kind, missing.type_identifier) for missing in found] == [
        ("instrument", "equity"),
        ("market", "exchange"),
        ("series", "bars"),
        ("series", "close"),
    ]


def test_j25_a_field_that_is_not_there(workspace: Workspaces, source: Schemas) -> None:
    target = workspace(
        [of("equity", field("isin"))], [EXCHANGE], [of("bars", field("open", NUMBER)), CLOSE]
    )
    assert words(source, target) == [
        "field lot_size (number, required) of instrument type equity",
        "field volume (number) of series type bars",
    ]


def test_j25_a_field_of_another_data_type(workspace: Workspaces, source: Schemas) -> None:
    target = workspace([of("equity", field("isin"), field("lot_size"))], [EXCHANGE], [BARS, CLOSE])
    (found,) = what_is_missing(source, target, USED)
    assert str(found) == (
        "field lot_size of instrument type equity is text there and number in the backup"
    )
    assert (found.kind, found.type_identifier, found.field_key) == (
        "instrument",
        "equity",
        "lot_size",
    )


def test_j25_what_no_row_uses_is_not_missing(workspace: Workspaces, source: Schemas) -> None:
    target = workspace([of("equity", field("isin"))])
    assert words(source, target, {"instrument": {"equity": {"isin"}}}) == []
    assert words(source, target, {"instrument": {}, "market": {}, "series": {}}) == []
    assert words(source, target, {}) == []


def test_j25_a_required_field_that_no_row_has_a_value_for(
    workspace: Workspaces, source: Schemas
) -> None:
    target = workspace(
        [
            of(
                "equity",
                field("isin"),
                field("lot_size", NUMBER, is_required=True),
                field("country", is_required=True),
                field("sector", is_required=True, has_default=True, default="none"),
                field("figi"),
            )
        ]
    )
    used: Used = {"instrument": {"equity": {"isin", "lot_size"}}}
    assert words(source, target, used) == [
        "field country of instrument type equity is required there, has no default, and no row of "
        "the backup has a value for it"
    ]


def test_j25_a_required_field_that_some_rows_leave_blank(
    workspace: Workspaces, source: Schemas
) -> None:
    target = workspace([of("equity", field("isin", is_required=True), field("lot_size", NUMBER))])
    used: Used = {"instrument": {"equity": {"isin", "lot_size"}}}
    assert words(source, target, used) == []
    assert words(source, target, used, blank={"instrument": {"equity": {"isin", "lot_size"}}}) == [
        "field isin of instrument type equity is required there, has no default, and some rows of "
        "the backup leave it blank"
    ]


def test_j25_a_scalar_series_that_is_composite_there(
    workspace: Workspaces, source: Schemas
) -> None:
    target = workspace(series=[of("close", field("last", NUMBER, is_required=True))])
    assert words(source, target, {"series": {"close": set()}}) == [
        "field last of series type close is required there, has no default, and no row of the "
        "backup has a value for it"
    ]


def test_j25_a_field_of_rows_that_the_backup_does_not_describe(
    workspace: Workspaces, source: Schemas
) -> None:
    target = workspace([EQUITY])
    assert words(source, target, {"instrument": {"equity": {"isin", "lot_size", "old"}}}) == [
        "field old of instrument type equity"
    ]


def archived(schemas: Schemas, resource: str, key: str, value: str) -> Schemas:
    """The same, with one type or field archived."""
    resources = dict(schemas.resources)
    resources[resource] = [
        {**row, "archived_at": "2026-11-01T00:00:00Z"} if row[key] == value else row
        for row in resources[resource]
    ]
    return Schemas(resources, schemas.missing)


def test_j25_what_is_archived_there_takes_no_rows(workspace: Workspaces, source: Schemas) -> None:
    target = workspace([EQUITY])
    used: Used = {"instrument": {"equity": {"isin", "lot_size"}}}
    hidden_type = archived(target, "instrument_types", "identifier", "equity")
    assert words(source, hidden_type, used) == [
        "instrument type equity (Equity) is archived there: restore it"
    ]
    hidden_field = archived(target, "instrument_type_fields", "field_key", "isin")
    assert words(source, hidden_field, used) == [
        "field isin (text) of instrument type equity is archived there: restore it"
    ]


def test_j25_an_archived_namesake_hides_no_type(workspace: Workspaces, source: Schemas) -> None:
    target = workspace([EQUITY])
    hidden = archived(workspace([of("equity")]), "instrument_types", "identifier", "equity")
    both = target.resources["instrument_types"] + hidden.resources["instrument_types"]
    merged = Schemas({**target.resources, "instrument_types": both}, {})
    assert words(source, merged, {"instrument": {"equity": {"isin", "lot_size"}}}) == []


def test_fields_that_only_their_type_names(workspace: Workspaces, source: Schemas) -> None:
    target = workspace([EQUITY])
    fields = [
        {key: value for key, value in row.items() if not key.startswith("type")}
        for row in target.resources["instrument_type_fields"]
    ]
    types = [
        {**row, "fields": [field["id"] for field in fields]}
        for row in target.resources["instrument_types"]
    ]
    resources = {**target.resources, "instrument_types": types, "instrument_type_fields": fields}
    used: Used = {"instrument": {"equity": {"isin", "lot_size"}}}
    assert words(source, Schemas(resources, {}), used) == []


# What is not told


def test_n5_market_types_that_the_workspace_does_not_tell_are_a_note(
    workspace: Workspaces, source: Schemas
) -> None:
    refused = [{"path": "/market-type*", "action": "status", "status": 404, "times": None}]
    target = workspace([EQUITY], [], [BARS, CLOSE], faults=refused)
    assert words(source, target) == []
    assert what_is_not_told(source, target, USED) == [
        "Whether the workspace has the market types exchange could not be checked: it does not "
        "tell its market types (no documented path (contract N5), answered 404)."
    ]


def test_n5_fields_that_the_workspace_does_not_tell_are_a_note(
    workspace: Workspaces, source: Schemas
) -> None:
    refused = [{"path": "/market-type-fields", "action": "status", "status": 404, "times": None}]
    target = workspace([EQUITY], [], [BARS, CLOSE], faults=refused)
    assert words(source, target) == ["market type exchange (Exchange) with the fields mic (text)"]
    target = workspace([EQUITY], [EXCHANGE], [BARS, CLOSE], faults=refused)
    assert words(source, target) == []
    assert what_is_not_told(source, target, USED) == [
        "Whether the market types exchange have the fields mic could not be checked: the workspace "
        "does not tell them (no documented path (contract N5), answered 404)."
    ]


def test_n5_a_backup_that_does_not_tell_its_fields(workspace: Workspaces) -> None:
    refused = [{"path": "/market-type-fields", "action": "status", "status": 404, "times": None}]
    source = workspace([EQUITY], [EXCHANGE], [BARS, CLOSE], faults=refused)
    target = workspace([EQUITY], [of("exchange", field("country"))], [BARS, CLOSE])
    assert words(source, target) == ["field mic of market type exchange"]
    assert what_is_not_told(source, target, USED) == [
        "Whether fields of market types are of the same data type as in the backup could not be "
        "checked: the backup does not tell them (no documented path (contract N5), answered 404)."
    ]
    assert words(source, workspace([EQUITY], [], [BARS, CLOSE])) == [
        "market type exchange (Exchange) with the fields mic"
    ]


def test_n5_a_backup_that_tells_nothing_still_names_what_rows_use(workspace: Workspaces) -> None:
    nothing = Schemas({}, {})
    assert words(nothing, workspace(), {"series": {"close": set(), "bars": {"open"}}}) == [
        "series type bars with the fields open",
        "series type close",
    ]
