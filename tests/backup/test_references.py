"""References from the rows of one file to those of another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from armillary.backup.examination import Examination
from armillary.backup.references import dangling
from armillary.backup.seen import Seen

Row = dict[str, Any]

UUID = "01920000-0000-7000-8000-{:012}"


def gathered(**files: list[Row]) -> dict[str, Seen]:
    """What is seen as the files pass."""
    return {resource_type: seen_of(resource_type, rows) for resource_type, rows in files.items()}


def seen_of(resource_type: str, rows: list[Row]) -> Seen:
    examination = Examination(resource_type)
    examination.feed(json.dumps(rows).encode())
    return examination.close().seen


def missing(files: Mapping[str, Seen]) -> list[str]:
    """What is said of them."""
    return [
        f"{child}: {found.words(column)}"
        for child, columns in dangling(files).items()
        for column, found in columns.items()
    ]


def instrument(number: int, **more: Any) -> Row:
    return {"id": UUID.format(number), "identifier": f"acme{number}", **more}


PARENTS = [instrument(number) for number in range(3)]


WRITTEN: list[Row] = [
    {"instrument_id": UUID.format(1)},
    {"instrument_id": "acme1"},
    {"instrument": {"id": UUID.format(1), "identifier": "acme1"}},
    {"instrument": {"identifier": "acme1"}},
    {"instrument_id": {"id": UUID.format(1)}},
    {"instrument_id": None},
    {},
]


@pytest.mark.parametrize(
    "reference",
    WRITTEN,
    ids=["uuid", "identifier", "object", "object without id", "object as id", "null", "absent"],
)
def test_a_reference_is_met_however_it_is_written(reference: Row) -> None:
    assert missing(gathered(time_series_values=[reference], instruments=PARENTS)) == []
    assert missing(gathered(instruments=PARENTS, time_series_values=[reference])) == []


def test_j16_what_is_not_there_is_counted_and_named() -> None:
    values: list[Row] = [{"instrument_id": f"gone{number}"} for number in (1, 1, 1)]
    assert missing(gathered(time_series_values=values, instruments=PARENTS)) == [
        "time_series_values: its instrument_id has 1 name that instruments of this backup does "
        "not have: gone1."
    ]
    values = [{"instrument": {"id": UUID.format(number)}} for number in range(10)]
    assert missing(gathered(time_series_values=values, instruments=PARENTS)) == [
        "time_series_values: its instrument_id has 7 names that instruments of this backup does "
        f"not have: {UUID.format(3)}, {UUID.format(4)}, {UUID.format(5)}, …."
    ]


def test_every_kind_of_reference_is_followed() -> None:
    files = gathered(
        time_series_values=[{"instrument_id": "a"}],
        composite_time_series_values=[{"instrument_id": "b"}],
        market_listing_suspensions=[{"listing_id": "c"}],
        market_calendars=[{"market_id": "d"}],
        market_listings=[{"id": "l", "identifier": "l", "instrument_id": "e", "market_id": "f"}],
        instruments=PARENTS,
        markets=[{"id": UUID.format(9), "identifier": "xasx"}],
    )
    found = {
        (child, column): (entry.parent_type, entry.count, entry.examples)
        for child, columns in dangling(files).items()
        for column, entry in columns.items()
    }
    assert found == {
        ("time_series_values", "instrument_id"): ("instruments", 1, ("a",)),
        ("composite_time_series_values", "instrument_id"): ("instruments", 1, ("b",)),
        ("market_listing_suspensions", "listing_id"): ("market_listings", 1, ("c",)),
        ("market_calendars", "market_id"): ("markets", 1, ("d",)),
        ("market_listings", "instrument_id"): ("instruments", 1, ("e",)),
        ("market_listings", "market_id"): ("markets", 1, ("f",)),
    }


def test_an_archived_parent_is_a_parent() -> None:
    parents = [instrument(1, archived_at="2026-01-01T00:00:00Z")]
    assert not missing(
        gathered(instruments=parents, time_series_values=[{"instrument_id": "acme1"}])
    )


def test_a_parent_that_is_not_in_the_backup_is_not_missed() -> None:
    assert missing(gathered(time_series_values=[{"instrument_id": "acme1"}])) == []


def test_an_empty_parent_has_nothing() -> None:
    values: list[Row] = [{"instrument_id": "acme1"}, {"instrument_id": UUID.format(1)}]
    assert "has 2 names" in missing(gathered(instruments=[], time_series_values=values))[0]


@pytest.mark.parametrize(
    ("kept", "told"), [("id", "has 1 name that"), ("identifier", "has 1 name that"), ("", "")]
)
def test_rows_that_do_not_tell_a_kind_of_name_are_not_found_wanting(kept: str, told: str) -> None:
    """Contract N12: an export may tell UUIDs, identifiers, both or none."""
    parents = [{key: row[key] for key in row if key == kept} for row in PARENTS]
    values = [{"instrument_id": "gone"}, {"instrument_id": UUID.format(77)}]
    said = missing(gathered(instruments=parents, time_series_values=values))
    assert bool(said) == bool(told)
    assert all(told in words for words in said)
    gone = {"id": UUID.format(77), "identifier": "gone"}.get(kept, "")
    assert all(words.endswith(f"{gone}.") for words in said)


def test_names_of_rows_that_nobody_refers_to_are_not_kept() -> None:
    values = [{"id": UUID.format(number), "instrument_id": "acme1"} for number in range(500)]
    files = gathered(time_series_values=values, instruments=PARENTS)
    assert files["time_series_values"].names == set()
    assert files["time_series_values"].meant == {"instrument_id": {"acme1"}}
    assert files["instruments"].names == {name for row in PARENTS for name in row.values()}
