"""Bodies that bring rows back: what a strict service takes, and makes the same workspace of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from armillary.api.ptolemy import Ptolemy
from armillary.backup.schemas import Schemas
from armillary.restore.bodies import Bodies
from armillary.restore.directory import Directory
from armillary.restore.natural import Natural, Naturals, Orphan
from armillary.restore.order import FIXED, IDENTIFIER_COLUMN, RESTORE_ORDER
from armillary.restore.records import records_of
from armillary.restore.types import TypeNames
from simulator import Config, Simulator
from tests.backup.workspace import seed
from tests.restore.exported import PARENTS, Read, exported, read, types_of
from tests.sync.chain import open_client

Row = dict[str, Any]

OLD = {
    "id": "01930000-0000-7000-8000-000000000001",
    "identifier": "co000002.xasx",
    "name": "The first of this name",
    "type_id": "equity",
    "field_values": {"listed_on": "1999-01-04", "etf": "true", "lot_size": "1e2"},
    "extras": {"note": 'é, "quoted"', "deep": {"weights": [1, 2.5]}},
    "archived": True,
}


def seeded(sim: Simulator) -> None:
    point = {"instrument_id": OLD["id"], "type_id": "close-price", "value": "0.50"}
    values = [{**point, "timestamp": "1999-01-04T00:00:00Z"}]
    sim.seed_all({"instruments": [OLD], "time_series_values": values})
    seed(sim, 10, days=1)


def bring(ptolemy: Ptolemy, target: Simulator, source: Read) -> None:
    """Create every row one by one, archived ones first, and archive them again."""
    directory, types = Directory(), types_of(target)
    for kind in RESTORE_ORDER:
        bodies = Bodies(kind, source.naturals[kind], types, directory)
        records = records_of(ptolemy, kind)
        for row in sorted(source.rows[kind], key=lambda row: not row["archived_at"]):
            made = records.create(bodies.create(row))
            if row["archived_at"]:
                records.archive(made["id"])
        if kind in PARENTS:
            naturals = Naturals(kind, types, directory)
            for row in exported(target, kind):
                naturals.enrol(row)
            directory.settle(kind)


SHAPES: dict[str, dict[str, Any]] = {
    "json": {},
    "flat": {"export_fields": "flat"},
    "csv": {},
    "dates with a time, upper case": {"date_text": "datetime"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_n12_rows_of_every_shape_are_taken_by_another_workspace(shape: str) -> None:
    shapes = {**SHAPES[shape], "job_polls": 1, "export_references": "uuid"}
    strict = {"content_type": "strict", "unknown_field": "refuse", "series_value": "string"}
    with (
        Simulator(Config(**shapes)) as source,
        Simulator(Config(**shapes, **strict, seed=2)) as target,
    ):
        seeded(source)
        of_format = "csv" if shape == "csv" else "json"
        backup = read(source, of_format=of_format)
        with open_client(target) as ptolemy:
            bring(ptolemy, target, backup)
        found = read(target)
        for kind in RESTORE_ORDER:
            assert found.content(kind) == backup.content(kind), kind
        numbers = [row["field_values"]["lot_size"] for row in target.state()["instruments"]]
        assert {*numbers} == {"1.1", "100"}


CHANGES: dict[str, tuple[str, Row]] = {
    "name": ("instruments", {"name": "Renamed"}),
    "fields": (
        "instruments",
        {"field_values": {"isin": None, "lot_size": 7, "sector": "energy", "listed_on": None}},
    ),
    "extras": ("instruments", {"extras": {"note": "x", "deep": {"more": 1}, "added": [1]}}),
    "market": ("markets", {"name": "Elsewhere", "extras": {"a": 1}}),
    "listing": ("market_listings", {"currency": None, "lot_size": 5, "local_code": "X"}),
    "suspension": (
        "market_listing_suspensions",
        {"suspended_until": "2026-03-01T00:00:00Z", "reason": None},
    ),
    "calendar": ("market_calendars", {"is_open": True, "description": None}),
    "value": ("time_series_values", {"value": "9"}),
    "composite": (
        "composite_time_series_values",
        {"items": [{"field_key": "open", "value": "9"}, {"field_key": "volume", "value": "5"}]},
    ),
}


@pytest.mark.parametrize("extras", ["merge", "replace"])
def test_n6_a_patch_brings_back_what_was_changed(extras: Any) -> None:
    with Simulator(Config(job_polls=1, export_references="uuid", extras=extras)) as sim:
        seeded(sim)
        backup = read(sim)
        with open_client(sim) as ptolemy:
            for kind, change in CHANGES.values():
                for row in backup.rows[kind]:
                    records_of(ptolemy, kind).patch(row["id"], change)
            changed = read(sim)
            for kind in RESTORE_ORDER:
                assert changed.content(kind) != backup.content(kind), kind
                bodies = Bodies(kind, backup.naturals[kind], changed.types, changed.directory)
                found = {each.id: each for each in changed.found[kind]}
                for row in backup.rows[kind]:
                    patch = bodies.patch(row, found[row["id"]])
                    assert not patch.keys() & FIXED[kind]
                    records_of(ptolemy, kind).patch(row["id"], patch)
        found_again = read(sim)
        for kind in RESTORE_ORDER:
            assert found_again.content(kind) == backup.content(kind), kind


TYPES = TypeNames.of(
    Schemas(
        {
            "instrument_types": [{"id": "t1", "identifier": "equity"}],
            "instrument_type_fields": [
                {"type_id": "t1", "field_key": key, "data_type": data_type}
                for key, data_type in {
                    "isin": "text",
                    "lot": "number",
                    "etf": "boolean",
                    "listed_on": "date",
                }.items()
            ],
            "series": [{"id": "s1", "identifier": "close"}],
        },
        {},
    )
)


def parents(*, prefix: str) -> Directory:
    found = Directory()
    found.add("instruments", {"id": f"{prefix}i1"}, ("acme",))
    found.add("markets", {"id": f"{prefix}m1"}, ("xasx",))
    found.add("market_listings", {"id": f"{prefix}l1"}, ("acme", "xasx"))
    for kind in PARENTS:
        found.settle(kind)
    return found


def bodies_of(kind: str, target: Directory | None = None) -> Bodies:
    source = Naturals(kind, TYPES, parents(prefix="old-"))
    return Bodies(kind, source, TYPES, target or parents(prefix="new-"))


@pytest.mark.parametrize(
    ("kind", "row", "body"),
    [
        (
            "instruments",
            {
                "id": "old-i1", "identifier": "acme", "name": "Acme", "type_id": "t1",
                "field_values": {
                    "isin": None, "lot": Decimal("1.10"), "etf": True,
                    "listed_on": "2026-01-02T00:00:00Z",
                },
                "extras": {}, "created_at": "2026-01-01", "archived_at": "2026-02-01",
            },
            {
                "identifier": "acme", "name": "Acme", "type_id": "equity",
                "field_values": {"lot": "1.10", "etf": "true", "listed_on": "2026-01-02"},
            },
        ),
        (
            "instruments",
            {
                "identifier": "acme", "name": "Acme", "type_id": "equity", "field.isin": " AU1 ",
                "field.lot": "007", "field.etf": "TRUE", "extras": '{"a": 1.50}',
            },
            {
                "identifier": "acme", "name": "Acme", "type_id": "equity",
                "field_values": {"isin": " AU1 ", "lot": "007", "etf": "true"},
                "extras": {"a": msgspec.Raw(b"1.50")},
            },
        ),
        (
            "market_listings",
            {"id": "l", "instrument_id": "old-i1", "market": {"id": "old-m1"}, "lot_size": "100"},
            {"instrument_id": "new-i1", "market_id": "new-m1", "lot_size": 100},
        ),
        (
            "market_listing_suspensions",
            {"listing_id": "old-l1", "suspended_from": "2026-01-05T11:00:00+11:00", "reason": ""},
            {"listing_id": "new-l1", "suspended_from": "2026-01-05T00:00:00Z"},
        ),
        (
            "market_calendars",
            {"market_id": "xasx", "date": "2026-12-25", "is_open": "false", "description": None},
            {"market_id": "new-m1", "date": "2026-12-25", "is_open": False},
        ),
        (
            "time_series_values",
            {"instrument_id": "acme", "type_id": "s1", "timestamp": "2026-01-05",
             "value": Decimal("1.10E+3")},
            {"instrument_id": "new-i1", "type_id": "close", "timestamp": "2026-01-05T00:00:00Z",
             "value": "1100"},
        ),
        (
            "composite_time_series_values",
            {"instrument_id": "acme", "type_id": "s1", "timestamp": "2026-01-05T00:00:00Z",
             "items": [{"field_key": "open", "value": 1.5}, {"field_key": "low", "value": None}]},
            {"instrument_id": "new-i1", "type_id": "close", "timestamp": "2026-01-05T00:00:00Z",
             "items": [{"field_key": "open", "value": "1.5"}]},
        ),
    ],
)  # fmt: skip
def test_d16_bodies_in_the_form_of_the_contract(kind: str, row: Row, body: Row) -> None:
    assert bodies_of(kind).create(row) == body


@pytest.mark.parametrize("written", ["1.10", "0.000001", "100", "12345678901234567890.5"])
def test_d16_a_value_keeps_its_digits(written: str) -> None:
    row = {"instrument_id": "acme", "type_id": "close", "timestamp": "2026-01-05"}
    create = bodies_of("time_series_values").create
    assert create({**row, "value": written})["value"] == written
    assert create({**row, "value": Decimal(written)})["value"] == written


def test_a_parent_that_the_target_does_not_have() -> None:
    empty = Directory()
    for kind in PARENTS:
        empty.settle(kind)
    row = {"instrument_id": "acme", "type_id": "close", "timestamp": "2026-01-05"}
    with pytest.raises(Orphan) as caught:
        bodies_of("time_series_values", empty).create(row)
    assert caught.value.reason == (
        "it belongs to acme, which is not among the instruments of the workspace."
    )


def test_n12_a_target_that_does_not_tell_its_ids() -> None:
    told = Directory()
    told.add("instruments", {}, ("acme",))
    told.add("market_listings", {}, ("acme", "xasx"))
    for kind in PARENTS:
        told.settle(kind)
    row = {"instrument_id": "acme", "type_id": "close", "timestamp": "2026-01-05"}
    assert bodies_of("time_series_values", told).create(row)["instrument_id"] == "acme"
    suspension = {"listing_id": "old-l1", "suspended_from": "2026-01-05"}
    with pytest.raises(Orphan) as caught:
        bodies_of("market_listing_suspensions", told).create(suspension)
    assert caught.value.reason == (
        "it belongs to acme xasx, of which the workspace does not tell the id."
    )


ROW: Row = {
    "identifier": "acme", "name": "Acme", "type_id": "t1",
    "field_values": {"isin": "AU1", "lot": "1.10"}, "extras": {"a": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "patch"),
    [
        ({"name": "Acme", "type": "equity", "fields": {"isin": "AU1", "lot": "1.1"},
          "extras": '{"a":1}'}, {}),
        ({"name": "Other", "type": "equity", "fields": {"isin": "AU1", "lot": "2", "etf": "true"},
          "extras": '{"a":1}'},
         {"name": "Acme", "field_values": {"etf": None, "lot": "1.10"}}),
        ({"name": "Acme", "type": "bond", "fields": {"isin": "AU1", "lot": "1.1"},
          "extras": '{"a":{"b":2},"c":3}'},
         {"type_id": "equity", "extras": {"a": 1, "c": None}}),
        ({"name": "Acme", "type": "equity", "fields": {}},
         {"field_values": {"isin": "AU1", "lot": "1.10"}, "extras": {"a": 1}}),
    ],
)  # fmt: skip
def test_n6_a_patch_says_only_what_differs(body: Row, patch: Row) -> None:
    found = Natural(("acme",), body, False, "new-i1")
    assert bodies_of("instruments").patch(ROW, found) == patch


def test_what_every_record_has_is_never_cleared() -> None:
    found = Natural(("acme",), {"name": "Acme", "type": "equity", "fields": {}}, False, "new-i1")
    assert bodies_of("instruments").patch({"identifier": "acme", "type_id": "t1"}, found) == {}


def test_d13_calendars_alone_have_no_import() -> None:
    assert set(RESTORE_ORDER) - IDENTIFIER_COLUMN.keys() == {"market_calendars"}
    assert FIXED.keys() == set(RESTORE_ORDER)
