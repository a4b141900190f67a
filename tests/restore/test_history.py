"""One instrument through the backups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from armillary.backup.bucket import Bucket
from armillary.backup.catalogue import Catalogue
from armillary.errors import BackupDamaged, ConfigurationError
from armillary.restore.history import History, Step, history, moment_of, values_on
from simulator import Simulator
from tests.backup.by_hand import back_up
from tests.backup.made import Rows, Shelf, StoppedClock
from tests.backup.workspace import seed
from tests.sync.chain import open_client

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def night(day: int) -> str:
    return f"2026-03-{day:02}T02-00-00Z"


def instrument(identifier: str = "bhp", uuid: str = "i-1", **changed: Any) -> dict[str, Any]:
    return {
        "id": uuid,
        "identifier": identifier,
        "name": "BHP",
        "type_id": "equity",
        "field_values": {"lot_size": "1.10", "isin": "AU1"},
        "archived_at": None,
        **changed,
    }


def listing(uuid: str = "l-1", of: str = "i-1", **changed: Any) -> dict[str, Any]:
    return {
        "id": uuid,
        "instrument_id": of,
        "market_id": "m-1",
        "local_code": "BHP",
        "currency": "AUD",
        "lot_size": 1,
        "archived_at": None,
        **changed,
    }


def put(
    shelf: Shelf, day: int, instruments: Rows, listings: Rows | None = None, **more: Any
) -> None:
    rows = {
        "market_listings": [listing()] if listings is None else listings,
        "instruments": [instrument("cba", "i-9"), *instruments],
        "markets": [{"id": "m-1", "identifier": "xasx", "name": "ASX"}],
    }
    shelf.backup(night(day), rows, **more)


def through(bucket: Bucket, identifier: str = "bhp", newest: int = 0) -> History:
    return history(bucket, catalogue(bucket), identifier, newest)


def catalogue(bucket: Bucket) -> Catalogue:
    return Catalogue(bucket, "demo", clock=StoppedClock(NOW))


def on(bucket: Bucket, text: str, identifier: str = "bhp") -> History:
    return values_on(bucket, catalogue(bucket), identifier, moment_of(text))


def steps(found: History) -> list[tuple[str, str, str | None, str | None]]:
    return [(step.backup_id, step.field, step.before, step.after) for step in found.steps]


# What changed, and since when


def test_which_lot_size_did_we_have(bucket: Bucket, shelf: Shelf) -> None:
    ten: dict[str, Any] = {"field_values": {"lot_size": 10, "isin": "AU1"}}
    put(shelf, 1, [])
    put(shelf, 2, [instrument()])
    put(shelf, 3, [instrument(name="BHP Group", **ten)], [listing(currency="USD")])
    put(shelf, 4, [instrument(name="BHP Group", field_values={"lot_size": "10.0", "isin": "AU1"})],
        [listing(currency="USD")])  # fmt: skip
    put(shelf, 5, [instrument(name="BHP Group", archived_at="2026-03-04T09:00:00Z", **ten)], [])
    found = through(bucket)
    assert found.backups == tuple(map(night, range(1, 6)))
    assert found.values_of == night(2)
    assert found.values == {
        "name": "BHP",
        "type": "equity",
        "fields.lot_size": "1.1",
        "fields.isin": "AU1",
        "archived": "false",
        "id": "i-1",
        "listing xasx local_code": "BHP",
        "listing xasx currency": "AUD",
        "listing xasx lot_size": "1",
        "listing xasx archived": "false",
    }
    assert steps(found) == [
        (night(3), "fields.lot_size", "1.1", "10"),
        (night(3), "listing xasx currency", "AUD", "USD"),
        (night(3), "name", "BHP", "BHP Group"),
        (night(5), "archived", "false", "true"),
        (night(5), "listing xasx archived", "false", None),
        (night(5), "listing xasx currency", "USD", None),
        (night(5), "listing xasx local_code", "BHP", None),
        (night(5), "listing xasx lot_size", "1", None),
    ]
    assert (found.notes, found.not_read, found.place) == ((), (), "s3://backups/desk/demo")
    assert json.loads(json.dumps(found.as_dict()))["steps"][0]["after"] == "10"


def test_only_the_newest_are_looked_into(bucket: Bucket, shelf: Shelf) -> None:
    for day, name in enumerate(("one", "two", "three"), start=1):
        put(shelf, day, [instrument(name=name)])
    found = through(bucket, newest=2)
    assert found.backups == (night(2), night(3))
    assert found.steps == (Step(night(3), "name", "two", "three"),)


def test_an_instrument_that_was_gone_for_a_while(bucket: Bucket, shelf: Shelf) -> None:
    put(shelf, 1, [instrument()], [])
    put(shelf, 2, [], [])
    put(shelf, 3, [instrument(uuid="i-2")], [])
    found = [step for step in through(bucket).steps if step.field == "id"]
    assert found == [Step(night(2), "id", "i-1", None), Step(night(3), "id", None, "i-2")]


def test_the_active_record_is_followed_and_its_namesake_is_told(
    bucket: Bucket, shelf: Shelf
) -> None:
    old = instrument(uuid="i-0", name="Old BHP", archived_at="2026-01-01T00:00:00Z")
    older = instrument(uuid="i-00", name="Older BHP", archived_at="2025-01-01T00:00:00Z")
    others = [listing("l-0", "i-0", local_code="OLD"), listing("l-00", "i-00", local_code="OLDER")]
    put(shelf, 1, [older, old], others)
    put(shelf, 2, [old, instrument(), older], [*others, listing()])
    found = through(bucket)
    assert (found.values["id"], found.values["listing xasx local_code"]) == ("i-0", "OLD")
    assert ("id", "i-0", "i-1") in [step[1:] for step in steps(found)]
    assert ("listing xasx local_code", "OLD", "BHP") in [step[1:] for step in steps(found)]
    assert found.notes == (
        f"Backup {night(2)} holds 2 more records of this identifier, all archived. The active one "
        "is followed, else the one archived last.",
    )


def test_a_night_like_the_one_before_is_not_read_again(bucket: Bucket, shelf: Shelf) -> None:
    for day in (1, 2):
        put(shelf, day, [instrument()])
    for kind in ("instruments", "market_listings", "markets"):
        shelf.delete(f"demo/{night(2)}/{kind}.json.zst")
    found = through(bucket)
    assert (found.backups, found.steps) == ((night(1), night(2)), ())


# What is not read


def test_s08_a_damaged_backup_is_named_and_the_others_go_on(bucket: Bucket, shelf: Shelf) -> None:
    for day, name in enumerate(("one", "two", "three"), start=1):
        put(shelf, day, [instrument(name=name)])
    shelf.change(f"demo/{night(2)}/instruments.json.zst", at=20)
    found = through(bucket)
    assert found.steps == (Step(night(3), "name", "one", "three"),)
    [told] = found.not_read
    assert told.startswith(
        f"{night(2)}: s3://backups/desk/demo/{night(2)}/instruments.json.zst: it is as long as"
    )
    for day in (1, 3):
        shelf.delete(f"demo/{night(day)}/instruments.json.zst")
    with pytest.raises(
        BackupDamaged, match=r"No backup could be read that would tell\. 2026-03-01"
    ):
        through(bucket)


def test_backups_that_do_not_count_are_passed_over_and_counted(
    bucket: Bucket, shelf: Shelf
) -> None:
    put(shelf, 1, [instrument()])
    put(shelf, 2, [instrument(name="PARTIAL")], state="PARTIAL", problems=["markets is missing."])
    put(shelf, 3, [instrument(name="subset")], coverage="subset")
    shelf.put(f"demo/{night(4)}/manifest.json", b"{")
    found = through(bucket)
    assert (found.backups, found.steps) == ((night(1),), ())
    assert found.notes == ("Passed over, not complete or not of everything: 3 backups.",)


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("BHP", "'BHP'; they lie in s3://backups/desk/demo. Upper and lower case count: there is "
         "bhp."),
        ("rio", "'rio'; they lie in s3://backups/desk/demo. Look for its identifier"),
    ],
)  # fmt: skip
def test_nobody_of_this_name(bucket: Bucket, shelf: Shelf, identifier: str, words: str) -> None:
    for day in (1, 2):
        put(shelf, day, [instrument(name=str(day))])
    with pytest.raises(ConfigurationError) as told:
        through(bucket, identifier)
    assert str(told.value).startswith(
        f"None of the 2 backups from {night(1)} to {night(2)} holds an instrument {words}"
    )


def test_no_complete_backup_at_all(bucket: Bucket, shelf: Shelf) -> None:
    put(shelf, 1, [instrument()], state="PARTIAL")
    with pytest.raises(ConfigurationError, match="the newest being 2026-03-01T02-00-00Z: PARTIAL"):
        through(bucket)


# On a day


@pytest.mark.parametrize(
    ("asked", "name", "of", "read"),
    [
        ("2026-03-01", "one", 1, (1, 2)),
        ("2026-03-03", "two", 2, (2, 4)),
        ("2026-03-02T01:59", "one", 1, (1, 2)),
        ("2026-03-02T02:00", "two", 2, (2, 4)),
        ("2026-03-02T03:30+02:00", "one", 1, (1, 2)),
        ("2026-06-01", "four", 4, (4,)),
    ],
)
def test_the_newest_backup_that_is_not_later_tells_and_the_next_one_says_more(
    bucket: Bucket, shelf: Shelf, asked: str, name: str, of: int, read: Sequence[int]
) -> None:
    for day, name_then in ((1, "one"), (2, "two"), (4, "four")):
        put(shelf, day, [instrument(name=name_then)])
    found = on(bucket, asked)
    assert (found.values["name"], found.values_of) == (name, night(of))
    assert found.backups == tuple(map(night, read))
    assert [step.backup_id for step in found.steps] == [night(day) for day in read[1:]]


def test_before_the_first_backup_and_before_the_instrument(bucket: Bucket, shelf: Shelf) -> None:
    put(shelf, 2, [])
    put(shelf, 3, [instrument()])
    with pytest.raises(ConfigurationError) as told:
        on(bucket, "2026-03-01")
    assert str(told.value) == (
        "In s3://backups/desk/demo no complete backup is from before 2026-03-01 23:59 UTC: the "
        f"oldest is {night(2)}. Ask for a later time; `armillary backups` lists all."
    )
    with pytest.raises(ConfigurationError, match=f"Backup {night(2)} holds no instrument 'bhp'"):
        on(bucket, "2026-03-02")


def test_s08_the_backup_before_tells_where_the_one_of_the_day_is_damaged(
    bucket: Bucket, shelf: Shelf
) -> None:
    for day, name in ((1, "one"), (2, "two"), (3, "three")):
        put(shelf, day, [instrument(name=name)])
    shelf.delete(f"demo/{night(2)}/markets.json.zst")
    found = on(bucket, "2026-03-02")
    assert (found.values["name"], found.values_of) == ("one", night(1))
    assert found.steps == (Step(night(3), "name", "one", "three"),)
    assert found.not_read[0].startswith(
        f"{night(2)}: s3://backups/desk/demo/{night(2)}/markets.json.zst: nothing"
    )


@pytest.mark.parametrize("text", ["yesterday", "31.03.2026", "2026-02-30", ""])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no date\. Write it as 2026-03-31"):
        moment_of(text)


# Of a real workspace


def test_a_real_workspace(sim: Simulator, bucket: Bucket, runs_folder: None) -> None:
    seed(sim)
    back_up(sim, bucket)
    with open_client(sim) as ptolemy:
        record = next(
            row for row in ptolemy.instruments.list() if row["identifier"] == "co000001.xasx"
        )
        ptolemy.instruments.patch(record["id"], {"field_values": {"lot_size": "10"}})
        of_it = next(row for row in ptolemy.listings.list() if row["local_code"] == "C1")
        ptolemy.listings.archive(of_it["id"])
    back_up(sim, bucket)
    found = history(bucket, Catalogue(bucket, "demo"), "co000001.xasx")
    first, second = found.backups
    assert found.values["fields.lot_size"] == "1.1"
    assert found.values["listing xasx local_code"] == "C1"
    assert steps(found) == [
        (second, "fields.lot_size", "1.1", "10"),
        (second, "listing xasx archived", "false", "true"),
    ]
    assert found.values_of == first
