"""What parents are called: the same in every workspace, also where several share a name."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import pytest

from armillary.restore.directory import Directory

Row = dict[str, Any]

OLD, OLDER = "2025-01-01T00:00:00Z", "2024-01-01T00:00:00Z"


def instruments(*rows: Row) -> Directory:
    directory = Directory()
    for row in rows:
        body = {"name": row.get("name", "Acme")}
        directory.add("instruments", row, (row["identifier"],), body)
    directory.settle("instruments")
    return directory


def instrument(uuid: str, identifier: str = "acme", **more: Any) -> Row:
    return {"id": uuid, "identifier": identifier, "archived_at": None, **more}


REFERENCES: list[Row] = [
    {"instrument_id": "u1"},
    {"instrument_id": "acme"},
    {"instrument": {"id": "u1", "identifier": "acme"}},
    {"instrument": {"id": "elsewhere", "identifier": "acme"}},
    {"instrument": {"identifier": "acme"}},
    {"instrument_id": {"id": "u1"}},
    {"instrument_id": None, "instrument": {"id": "u1"}},
    {"instrument_id": "gone", "instrument": {"id": "u1"}},
]


@pytest.mark.parametrize("row", REFERENCES, ids=str)
def test_d2_a_parent_is_found_however_it_is_meant(row: Row) -> None:
    directory = instruments(instrument("u1"), instrument("u2", "other"))
    assert directory.key_of("time_series_values", row, "instrument_id") == ("acme",)


@pytest.mark.parametrize("row", [{}, {"instrument_id": None}, {"instrument_id": "gone"}], ids=str)
def test_nobody_is_meant(row: Row) -> None:
    directory = instruments(instrument("u1"))
    assert directory.key_of("market_listings", row, "instrument_id") is None


def test_d5_the_active_one_has_the_name_and_the_archived_ones_a_mark() -> None:
    directory = instruments(
        instrument("a2", name="Second", archived_at=OLD),
        instrument("live", name="Third"),
        instrument("a1", name="First", archived_at=OLDER),
    )

    def key(reference: str) -> Any:
        return directory.key_of("market_listings", {"instrument_id": reference}, "instrument_id")

    assert key("acme") == key("live") == ("acme",)
    assert {key("a1"), key("a2")} == {("acme", "~2"), ("acme", "~3")}
    assert directory.uuid_of("instruments", ("acme",)) == "live"
    marked = [directory.uuid_of("instruments", ("acme", mark)) for mark in ("~2", "~3")]
    assert directory.uuids_of("instruments", ("acme",)) == ["live", *marked]
    assert {"a1", "a2"} == set(marked)
    assert directory.has("instruments", ("acme", "~3"))
    assert not directory.has("instruments", ("acme", "~4"))


def test_d5_archived_namesakes_get_the_same_marks_in_every_order() -> None:
    rows = [instrument(f"a{n}", name=f"Name {n}", archived_at=OLD) for n in range(4)]
    marks = set()
    for order in itertools.permutations(rows):
        directory = instruments(*order)
        marks.add(tuple(directory.uuids_of("instruments", ("acme",))))
    assert len(marks) == 1
    assert len(marks.pop()) == 4


def test_d5_the_only_one_has_the_name_though_it_is_archived() -> None:
    directory = instruments(instrument("u1", archived_at=OLD))
    assert directory.uuid_of("instruments", ("acme",)) == "u1"
    assert directory.uuids_of("instruments", ("acme",)) == ["u1"]


def test_a_uuid_goes_before_an_identifier_of_the_same_text() -> None:
    directory = instruments(instrument("u1", "u2"), instrument("u2", "other"))
    row = {"instrument_id": "u2"}
    assert directory.key_of("time_series_values", row, "instrument_id") == ("other",)


def test_n12_parents_that_do_not_tell_their_uuid() -> None:
    directory = instruments({"identifier": "acme"})
    row = {"instrument_id": "acme"}
    assert directory.key_of("time_series_values", row, "instrument_id") == ("acme",)
    assert directory.has("instruments", ("acme",))
    assert directory.uuid_of("instruments", ("acme",)) is None
    assert directory.uuids_of("instruments", ("acme",)) == []


def test_listings_are_found_by_uuid() -> None:
    directory = Directory()
    directory.add("market_listings", {"id": "l1"}, ("acme", "xasx"))
    directory.settle("market_listings")
    row = {"listing_id": "l1"}
    kind = "market_listing_suspensions"
    assert directory.key_of(kind, row, "listing_id") == ("acme", "xasx")
    assert directory.key_of(kind, {"listing_id": "acme"}, "listing_id") is None


def test_asked_too_early_or_added_too_late() -> None:
    directory = Directory()
    directory.add("instruments", instrument("u1"), ("acme",))
    row = {"instrument_id": "acme"}
    with pytest.raises(RuntimeError, match="before they are settled"):
        directory.key_of("time_series_values", row, "instrument_id")
    directory.settle("instruments")
    with pytest.raises(RuntimeError, match="forget them first"):
        directory.add("instruments", instrument("u2"), ("other",))


def test_a_type_that_is_read_anew() -> None:
    directory = instruments(instrument("u1"), instrument("gone", "other"))
    find = directory.finder("instruments")
    directory.forget("instruments")
    with pytest.raises(RuntimeError, match="before they are settled"):
        directory.uuid_of("instruments", ("acme",))
    directory.add("instruments", instrument("u9"), ("acme",))
    directory.settle("instruments")
    assert directory.uuid_of("instruments", ("acme",)) == "u9"
    assert (find("u9"), find("u1"), find("other")) == (("acme",), None, None)


def test_many_parents_stay_small() -> None:
    tracemalloc.start(1)
    before = tracemalloc.get_traced_memory()[0]
    directory = Directory()
    for number in range(10_000):
        row = instrument(f"01920000-0000-7000-8000-{number:012}", f"co{number:06}.xasx")
        directory.add("instruments", row, (row["identifier"],), {"name": "Acme"})
    directory.settle("instruments")
    for number in range(12_000):
        row = {
            "id": f"01930000-0000-7000-8000-{number:012}",
            "instrument_id": f"co{number % 10000:06}.xasx",
        }
        key = directory.key_of("market_listings", row, "instrument_id") or ()
        directory.add("market_listings", row, (*key, "xasx" if number < 10_000 else "xnys"), {})
    directory.settle("market_listings")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 10_000_000
    assert held - before < 9_000_000
