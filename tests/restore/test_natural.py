"""Rows by natural key and canonical content: the same in every shape an export may have."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from armillary.backup.schemas import Schemas
from armillary.restore.directory import Directory
from armillary.restore.natural import Natural, Naturals, Orphan
from armillary.restore.order import RESTORE_ORDER
from armillary.restore.records import records_of
from armillary.restore.types import TypeNames
from simulator import Config, Simulator
from tests.backup.workspace import seed
from tests.restore.exported import Read, read, types_of
from tests.sync.chain import open_client

Row = dict[str, Any]

FIRST = "01930000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def workspace() -> Iterator[Simulator]:
    """Something of each type; of one identifier an archived record too, with a value (D5)."""
    old = {"instrument_id": FIRST, "type_id": "close-price", "timestamp": "1999-01-04T00:00:00Z"}
    with Simulator(Config(job_polls=1)) as sim:
        sim.seed_all(
            {
                "instruments": [
                    {
                        "id": FIRST,
                        "identifier": "co000002.xasx",
                        "name": " The first of this name",
                        "type_id": "equity",
                        "field_values": {"listed_on": "1999-01-04", "etf": "true"},
                        "extras": {"note": 'é, "quoted"', "weights": [1.10, 2]},
                        "archived": True,
                    }
                ],
                "time_series_values": [{**old, "value": "0.50"}],
            }
        )
        seed(sim, 20, days=2)
        yield sim


@pytest.fixture(scope="module")
def plainly(workspace: Simulator) -> Read:
    return read(workspace)


@pytest.fixture(scope="module")
def by_uuid(workspace: Simulator) -> Read:
    workspace.configure(export_references="uuid")
    found = read(workspace)
    workspace.configure(export_references="identifier")
    return found


SHAPES: dict[str, dict[str, Any]] = {
    "snapshot": {"export_fields": "extra_fields_snapshot"},
    "flat": {"export_fields": "flat"},
    "uuids": {"export_references": "uuid"},
    "wrapped": {"export_shape": "wrapped"},
    "normalised": {"number_text": "normalised"},
    "dates with a time": {"date_text": "datetime"},
    "blanks left out": {"missing_value": "absent"},
    "blanks as text": {"missing_value": "empty", "export_fields": "flat"},
    "csv": {},
    "csv prefixed": {"csv_columns": "prefixed", "csv_encoding": "utf-8-sig"},
    "csv of uuids": {"export_references": "uuid", "date_text": "datetime"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_n12_every_shape_means_the_same(
    workspace: Simulator, plainly: Read, by_uuid: Read, shape: str
) -> None:
    usual_read = by_uuid if "uuids" in shape else plainly
    usual = Config().model_dump(include=set(SHAPES[shape]))
    workspace.configure(**SHAPES[shape])
    try:
        of_format = "csv" if shape.startswith("csv") else "json"
        found = read(workspace, of_format=of_format, types=plainly.types)
    finally:
        workspace.configure(**usual)
    for kind in RESTORE_ORDER:
        assert found.content(kind) == usual_read.content(kind), kind
        assert found.naturals[kind].unknown_columns == set(), kind
        assert found.naturals[kind].used == plainly.naturals[kind].used, kind


@pytest.mark.parametrize("references", ["embedded", "plain", "both"])
@pytest.mark.parametrize("unknown", ["absent", "present"])
def test_n12_pages_mean_the_same(
    workspace: Simulator, by_uuid: Read, references: str, unknown: str
) -> None:
    workspace.configure(references=references, updated_at="present", unknown_keys=unknown)
    try:
        with open_client(workspace) as ptolemy:
            rows = {kind: records_of(ptolemy, kind).list(archived="all") for kind in RESTORE_ORDER}
        found = Read(rows, types_of(workspace))
    finally:
        workspace.configure(references="embedded", updated_at="absent", unknown_keys="absent")
    for kind in RESTORE_ORDER:
        assert found.content(kind) == by_uuid.content(kind), kind
        hinted = {"revision_hint"} if unknown == "present" else set()
        assert found.naturals[kind].unknown_columns == hinted, kind


def test_n12_rows_that_do_not_tell_their_state(workspace: Simulator, plainly: Read) -> None:
    workspace.configure(export_archived_at="absent")
    try:
        found = read(workspace, types=plainly.types)
    finally:
        workspace.configure(export_archived_at="present")
    assert {each.archived for each in found.found["instruments"]} == {None}


def test_d5_an_identifier_that_two_share_does_not_tell_which(plainly: Read, by_uuid: Read) -> None:
    kind, old = "time_series_values", ("close-price", "1999-01-04T00:00:00Z")
    assert ("co000002.xasx", *old) in {each.key for each in plainly.found[kind]}
    assert plainly.naturals[kind].ambiguous == 3
    assert ("co000002.xasx", "~2", *old) in {each.key for each in by_uuid.found[kind]}
    assert by_uuid.naturals[kind].ambiguous == 0


def test_what_a_workspace_means(plainly: Read) -> None:
    instruments = {each.id: each for each in plainly.found["instruments"]}
    assert instruments[FIRST] == Natural(
        ("co000002.xasx",),
        {
            "name": "The first of this name",
            "type": "equity",
            "fields": {"listed_on": "1999-01-04", "etf": "true"},
            "extras": '{"note":"é, \\"quoted\\"","weights":[1.1,2]}',
        },
        True,
        FIRST,
    )
    namesakes = [each for each in instruments.values() if each.key == ("co000002.xasx",)]
    assert {each.archived for each in namesakes} == {True, False}
    keys = {each.key for each in plainly.found["time_series_values"]}
    assert ("co000002.xasx", "close-price", "2000-01-01T00:00:00Z") in keys
    (first, *_) = plainly.found["market_listings"]
    assert first.key == ("co000000.xasx", "xasx")
    assert first.body == {"local_code": "C0", "currency": "AUD", "lot_size": "1"}
    suspension = plainly.found["market_listing_suspensions"][0]
    assert suspension.key == ("co000000.xasx", "xasx", "2026-01-05T00:00:00Z")
    assert suspension.body == {"reason": 'awaiting news, "as usual"\nsee above'}
    (day,) = plainly.found["market_calendars"]
    assert (day.key, day.body) == (
        ("xasx", "2026-12-25"),
        {"is_open": "false", "description": "Christmas"},
    )
    composite = plainly.found["composite_time_series_values"][0]
    assert composite.body == {"items": dict.fromkeys(("open", "high", "low", "close"), "1.1")}
    used = plainly.naturals["instruments"].used
    assert used.keys() == {"equity"}
    assert used["equity"].keys() == {"isin", "exchange", "lot_size", "listed_on", "etf"}
    assert plainly.naturals["time_series_values"].used == {"close-price": {}}
    assert plainly.naturals["market_listings"].used == {}


TYPES = TypeNames.of(
    Schemas(
        {
            "instrument_types": [{"id": "t1", "identifier": "equity"}, {"identifier": "bond"}],
            "instrument_type_fields": [
                {"type_id": "t1", "field_key": "lot", "data_type": "number"},
                {"type_id": "bond", "field_key": "coupon", "data_type": "number"},
            ],
            "series": [{"id": "s1", "identifier": "close"}],
        },
        {},
    )
)


def directory() -> Directory:
    found = Directory()
    found.add("instruments", {"id": "i1"}, ("acme",))
    found.add("markets", {"id": "m1"}, ("xasx",))
    found.add("market_listings", {"id": "l1"}, ("acme", "xasx"))
    for kind in ("instruments", "markets", "market_listings"):
        found.settle(kind)
    return found


def naturals(resource_type: str) -> Naturals:
    return Naturals(resource_type, TYPES, directory())


@pytest.mark.parametrize(
    ("resource_type", "row", "reason"),
    [
        ("instruments", {"name": "x"}, "it has no identifier."),
        ("market_listings", {"instrument_id": "i1"}, "its market_id is blank."),
        (
            "market_listings",
            {"instrument": {"id": "i7", "identifier": "gone"}, "market_id": "xasx"},
            "its instrument_id means gone, which is not among the instruments.",
        ),
        (
            "market_listing_suspensions",
            {"listing_id": "l7", "suspended_from": "2026-01-01"},
            "its listing_id means l7, which is not among the market_listings.",
        ),
        ("market_listing_suspensions", {"listing_id": "l1"}, "its suspended_from is blank."),
        ("market_calendars", {"market_id": "xasx", "date": ""}, "its date is blank."),
        ("time_series_values", {"instrument_id": "i1"}, "its timestamp is blank."),
    ],
)
def test_j16_a_row_that_cannot_be_placed(resource_type: str, row: Row, reason: str) -> None:
    with pytest.raises(Orphan) as caught:
        naturals(resource_type).of(row)
    assert caught.value.reason == reason


def test_j16_an_orphan_is_no_parent() -> None:
    listings = Naturals("market_listings", TYPES, found := directory())
    found.forget("market_listings")
    with pytest.raises(Orphan):
        listings.enrol({"id": "l2", "instrument_id": "gone", "market_id": "xasx"})
    found.settle("market_listings")
    assert not found.has("market_listings", ("gone", "xasx"))


def test_columns_that_nobody_knows_are_named_and_not_compared() -> None:
    found = naturals("time_series_values")
    row = {"instrument_id": "i1", "type_id": "s1", "timestamp": "2026-01-01", "value": Decimal(1)}
    assert found.of({**row, "quality": "good"}) == found.of(row)
    assert found.unknown_columns == {"quality"}
    flat = naturals("instruments")
    of_equity = {"identifier": "acme", "type_id": "equity", "lot": "1.0", "coupon": None}
    assert flat.of({**of_equity, "colour": "red"}).body["fields"] == {"lot": "1"}
    assert flat.unknown_columns == {"colour"}


def test_n5_fields_of_market_types_nobody_tells() -> None:
    row = {"identifier": "xasx", "type_id": "exchange", "opens": "9.50", "mic": " XASX "}
    flat, nested = naturals("markets"), naturals("markets")
    assert flat.of(row).body["fields"] == {"opens": "9.5", "mic": "XASX"}
    held = {"field_values": {"opens": Decimal("9.5"), "mic": "XASX"}, "seen": "x"}
    assert nested.of({"identifier": "xasx", "type": "exchange", **held}) == flat.of(row)
    assert (flat.unknown_columns, nested.unknown_columns) == (set(), {"seen"})
    assert flat.used.keys() == nested.used.keys() == {"exchange"}
    assert flat.used["exchange"].keys() == nested.used["exchange"].keys() == {"opens", "mic"}


def test_d2_types_by_uuid_object_or_name() -> None:
    found = naturals("instruments")
    ways: list[Row] = [
        {"type_id": "t1"}, {"type_id": "equity"}, {"type": {"id": "t1"}}, {"type": "equity"},
        {"type": {"id": "elsewhere", "identifier": "equity"}},
    ]  # fmt: skip
    assert {found.of({"identifier": "acme", **way}).body["type"] for way in ways} == {"equity"}
    assert found.of({"identifier": "acme", "type_id": "unheard"}).body["type"] == "unheard"
    assert "type" not in found.of({"identifier": "acme"}).body
    assert {"equity", "unheard"} <= found.used.keys()


def test_a_type_without_any_value_is_used_too() -> None:
    found = naturals("instruments")
    found.of({"identifier": "acme", "type_id": "bond", "field_values": {"coupon": ""}})
    assert found.used == {"bond": {}}
    assert found.rows_of_type == {"bond": 1}
