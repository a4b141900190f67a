"""Two backups of one workspace, made of a real one, before and after people worked in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from armillary.api.ptolemy import Ptolemy
from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.errors import ConfigurationError, FileDamaged, ManifestDamaged
from armillary.restore import largest
from armillary.restore.compare_backups import changes_between
from armillary.restore.compared import (
    Change,
    Compared,
    TypeChanges,
    change_rows,
    headline,
    summary,
)
from armillary.restore.largest import Largest
from armillary.restore.two_backups import two_backups
from simulator import Simulator
from tests.backup.by_hand import back_up
from tests.backup.made import Shelf, StoppedClock, rows_of
from tests.backup.workspace import seed
from tests.conftest import MakeSimulator
from tests.sync.chain import open_client

FIRST, SECOND = "2026-11-20T02-00-00Z", "2026-11-20T02-00-00Z-2"


def between(bucket: Bucket, first: str = FIRST, second: str = SECOND) -> Compared:
    catalogue = Catalogue(bucket, "demo")
    return changes_between(bucket, *two_backups(catalogue, first, second))


def counts(result: Compared) -> dict[str, tuple[int, ...]]:
    """Added, removed, changed, archived, restored; of types in which anything is not the same."""
    found = {
        kind.resource_type: (
            kind.added, kind.removed, kind.changed, kind.archived, kind.restored
        )
        for kind in result.types
    }  # fmt: skip
    return {kind: of_kind for kind, of_kind in found.items() if any(of_kind)}


def one(result: Compared, resource_type: str) -> TypeChanges:
    return next(kind for kind in result.types if kind.resource_type == resource_type)


def shown(result: Compared, **wanted: Any) -> list[Change]:
    return [
        change
        for change in result.changes
        if all(getattr(change, name) == value for name, value in wanted.items())
    ]


def work(ptolemy: Ptolemy) -> None:
    """A day in the workspace."""
    by_name = {row["identifier"]: row["id"] for row in ptolemy.instruments.list(archived="all")}
    ptolemy.instruments.patch(by_name["co000001.xasx"], {"field_values": {"lot_size": "110"}})
    ptolemy.instruments.patch(
        by_name["co000002.xasx"], {"name": "Renamed", "field_values": {"lot_size": "1.100"}}
    )
    ptolemy.instruments.archive(by_name["co000003.xasx"])
    ptolemy.instruments.restore(by_name["co000009.xasx"])
    ptolemy.instruments.create(
        {"identifier": "new.xasx", "name": "New", "type_id": "equity",
         "field_values": {"isin": "AU9", "exchange": "XASX"}}
    )  # fmt: skip
    value = next(
        row for row in ptolemy.values.list() if row["instrument_id"] == by_name["co000001.xasx"]
    )
    ptolemy.values.patch(value["id"], {"value": "99.5"})


# What changed


def test_a_day_in_a_workspace(sim: Simulator, bucket: Bucket, runs_folder: None) -> None:
    rows = seed(sim)
    back_up(sim, bucket)
    with open_client(sim) as ptolemy:
        work(ptolemy)
    back_up(sim, bucket)
    result = between(bucket)
    assert counts(result) == {"instruments": (1, 0, 2, 1, 1), "time_series_values": (0, 0, 1, 0, 0)}
    instruments = one(result, "instruments")
    assert (instruments.rows_first, instruments.rows_second) == (30, 31)
    assert instruments.fields == {"fields.lot_size": 1, "name": 1}
    assert one(result, "time_series_values").fields == {"value": 1}
    assert {kind.resource_type: kind.rows_first for kind in result.types} == rows
    assert headline(result) == (
        f"Between backups {FIRST} and {SECOND}: 1 added, 3 changed, 1 archived, 1 restored."
    )
    assert (result.workspace, result.place) == ("demo", "s3://backups/desk/demo")
    assert result.notes == ()

    number = result.changes[0]
    assert (number.row, number.field) == ("co000001.xasx", "fields.lot_size")
    assert (number.first, number.second) == ("1.1", "110")
    assert number.relative == pytest.approx(99.0)
    [renamed] = shown(result, field="name")
    assert (renamed.row, renamed.first, renamed.second) == (
        *("co000002.xasx", "Company 2", "Renamed"),
    )
    assert [change.row for change in shown(result, what="added")] == ["new.xasx"]
    assert [change.row for change in shown(result, what="archived")] == ["co000003.xasx"]
    assert [change.row for change in shown(result, what="restored")] == ["co000009.xasx"]
    told = summary(result)
    assert "| instruments | 30 → 31 | 1 | 0 | 2 | 1 | 1 | fields.lot_size 1, name 1 |" in told
    assert "| instruments | co000001.xasx | fields.lot_size | 1.1 | 110 | +9,900.0% |" in told


def test_the_other_way_round_is_told_and_counts_the_other_way(
    sim: Simulator, bucket: Bucket, runs_folder: None
) -> None:
    seed(sim)
    back_up(sim, bucket)
    with open_client(sim) as ptolemy:
        work(ptolemy)
    back_up(sim, bucket)
    assert counts(between(bucket, SECOND, FIRST))["instruments"] == (0, 1, 2, 1, 1)


@pytest.mark.parametrize(
    "switches",
    [
        {"export_shape": "wrapped"},
        {"export_fields": "extra_fields_snapshot"},
        {"export_fields": "flat", "export_references": "uuid"},
        {"export_references": "uuid", "export_shape": "wrapped"},
    ],
    ids=str,
)
def test_the_same_workspace_exported_in_another_shape_is_the_same(
    switches: dict[str, Any], make_simulator: MakeSimulator, bucket: Bucket, runs_folder: None
) -> None:
    for of_this_backup in ({}, switches):
        sim = make_simulator(**of_this_backup)
        seed(sim)
        assert back_up(sim, bucket).state == "COMPLETE"
    result = between(bucket)
    assert result.same
    rows = sum(kind.rows_second for kind in result.types)
    assert headline(result) == f"Backups {FIRST} and {SECOND} hold the same {rows:,} rows."
    assert not result.changes


def test_csv_and_json_hold_the_same(sim: Simulator, bucket: Bucket, runs_folder: None) -> None:
    seed(sim)
    back_up(sim, bucket)
    back_up(sim, bucket, format="csv", compression="none")
    result = between(bucket)
    assert counts(result) == {}, result.changes


# What was not compared


def test_what_only_one_of_them_holds_is_told(
    sim: Simulator, bucket: Bucket, runs_folder: None
) -> None:
    seed(sim)
    back_up(sim, bucket)
    back_up(sim, bucket, resource_types=["instruments", "markets"], include_archived=False)
    result = between(bucket)
    assert [kind.resource_type for kind in result.types] == ["instruments", "markets"]
    assert one(result, "instruments").removed == 3, "the archived ones"
    assert result.notes[0] == (
        "The two do not cover the same, and what one leaves out counts as removed. "
        f"{FIRST}: full. {SECOND}: instruments, markets; without archived rows."
    )
    assert f"time_series_values were not compared: backup {SECOND} does not hold them." in (
        result.notes
    )


def test_rows_without_a_parent_are_counted_and_named(bucket: Bucket, shelf: Shelf) -> None:
    rows = rows_of()
    points = [
        {"id": f"v-{name}", "instrument_id": f"i-{name}", "type_id": "close",
         "timestamp": "2026-04-15T09:00:00Z", "value": "1.10"}
        for name in ("ACME0", "GONE")
    ]  # fmt: skip
    for backup_id in (FIRST, SECOND):
        shelf.backup(backup_id, {"instruments": rows["instruments"], "time_series_values": points})
    result = between(bucket)
    values = one(result, "time_series_values")
    assert (values.rows_first, values.rows_second, values.not_compared) == (2, 2, 2)
    assert any(
        note.startswith(
            f"1 time_series_values of backup {FIRST} were not compared, because they have no "
            "natural key. The first is i-GONE close 2026-04-15T09:00:00Z: "
        )
        for note in result.notes
    ), result.notes


def test_a_backup_of_a_workspace_that_was_made_anew(bucket: Bucket, shelf: Shelf) -> None:
    shelf.backup(FIRST, {"markets": rows_of()["markets"]})
    shelf.backup(
        SECOND,
        {"markets": [{**rows_of()["markets"][0], "id": "m-another"}]},
        workspace_id="7b0d4a9c-0000-4000-8000-000000000009",
        state="PARTIAL",
        problems=["instruments is missing."],
    )
    result = between(bucket)
    assert result.same, "the natural key is the same"
    assert result.notes[0].startswith("The two are of different workspaces that had one name")
    assert f"Backup {SECOND} is PARTIAL. instruments is missing." in result.notes


def test_s08_a_damaged_file_is_named_and_nothing_is_compared(bucket: Bucket, shelf: Shelf) -> None:
    markets = {"markets": rows_of()["markets"]}
    shelf.backup(FIRST, markets)
    shelf.backup(SECOND, markets)
    shelf.change(f"demo/{SECOND}/markets.json.zst", at=30)
    with pytest.raises(FileDamaged, match=rf"demo/{SECOND}/markets\.json\.zst: .*altered"):
        between(bucket)
    shelf.put(f"demo/{FIRST}/schemas.json", b"{}")
    with pytest.raises(FileDamaged, match=rf"demo/{FIRST}/schemas\.json is not what"):
        between(bucket)


def test_s07_a_backup_without_a_manifest_that_can_be_believed(bucket: Bucket, shelf: Shelf) -> None:
    shelf.manifest(FIRST)
    shelf.put(f"demo/{SECOND}/manifest.json", b"{}")
    with pytest.raises(ManifestDamaged, match=f"Backup {SECOND} cannot be used"):
        between(bucket)


# Which two


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("previous", "latest"), (2, 4)),
        (("latest", "previous"), (4, 2)),
        (("previous", "2"), (1, 2)),
        (("1", "latest"), (1, 4)),
        (("3", "1"), (3, 1)),
    ],
)
def test_words_for_backups(
    bucket: Bucket, shelf: Shelf, asked: tuple[str, str], found: Sequence[int]
) -> None:
    def night(day: int | str) -> str:
        return f"2026-11-0{day}T02-00-00Z"

    for day in (1, 2, 4):
        shelf.manifest(night(day))
    shelf.manifest(night(3), state="PARTIAL")
    first, second = (word if word.isalpha() else night(word) for word in asked)
    chosen = two_backups(
        Catalogue(bucket, "demo", clock=StoppedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))),
        first,
        second,
    )
    assert [backup.backup_id for backup in chosen] == [night(day) for day in found]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("latest", "latest", "Both backups to compare are 'latest'. Name two:"),
        ("latest", FIRST, "'latest' and '2026-11-20T02-00-00Z' mean the same one"),
        ("previous", "latest", "no complete backup of everything that is older than 2026-11-20"),
        ("yesterday", "latest", "There is no backup 'yesterday'"),
    ],
)
def test_what_cannot_be_compared(
    bucket: Bucket, shelf: Shelf, first: str, second: str, words: str
) -> None:
    shelf.manifest(FIRST)
    with pytest.raises(ConfigurationError) as told:
        two_backups(
            Catalogue(bucket, "demo", clock=StoppedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))),
            first,
            second,
        )
    assert words in str(told.value)


# Which of all changes are shown


def test_the_largest_numbers_come_first_and_others_get_their_places() -> None:
    found = Largest()
    for number in range(1, 201):
        found.number(Change("time_series_values", str(number), "changed", "value",
                            "100", str(100 + number)))  # fmt: skip
    for number in range(10):
        found.example(Change("instruments", str(number), "added"))
    found.number(Change("instruments", "zero", "changed", "fields.x", "0", "5"))
    found.number(Change("instruments", "none", "changed", "fields.x", None, "5"))
    shown = found.shown()
    assert len(shown) == largest.MOST_SHOWN
    assert [change.row for change in shown[:3]] == ["zero", "200", "199"]
    assert [change.relative for change in shown[:3]] == [None, 2.0, 1.99]
    assert [change.row for change in shown[-4:]] == ["0", "none", "1", "2"]


def test_texts_of_digits_are_no_numbers(sim: Simulator, bucket: Bucket, runs_folder: None) -> None:
    seed(sim)
    back_up(sim, bucket)
    with open_client(sim) as ptolemy:
        record = ptolemy.instruments.list()[0]["id"]
        ptolemy.instruments.patch(record, {"field_values": {"isin": "17"}})
    back_up(sim, bucket)
    [change] = between(bucket).changes
    assert (change.field, change.second, change.relative) == ("fields.isin", "17", None)


def test_cells_of_the_table_hold_names_that_would_end_them() -> None:
    result = Compared(
        FIRST, SECOND, "demo", "s3://b", (TypeChanges("markets", 1, 1, changed=1),),
        (Change("markets", "a|b", "changed", "name", "two\nlines", None),),
    )  # fmt: skip
    assert "| markets | a\\|b | name | two lines |  |  |" in summary(result)
    assert change_rows(result)[0]["row"] == "a|b"
