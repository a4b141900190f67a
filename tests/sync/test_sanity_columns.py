"""Columns of a delivery that became blank or constant, and wrong check digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from armillary.feeds.reading import FeedReading
from armillary.runs.memory import ColumnFacts
from armillary.sync.check_digits import failing_check_digits, schemes_of
from armillary.sync.sanity import column_facts
from tests.sync.build import feed, record
from tests.sync.deliveries import (
    delivered,
    found,
    last,
    remembering,
)


def test_f18_a_column_that_became_blank_is_said() -> None:
    memory = remembering(last(), isin=ColumnFacts(filled=30), lot_size=ColumnFacts(filled=30))
    [said] = found(delivered(), memory).warnings
    assert said == (
        "Look at the delivery: isin has a value in 0 of 30 records; at the last good delivery it "
        "had one in 30 of 30."
    )


def test_f18_a_column_that_is_thinly_filled_by_nature_is_not_said() -> None:
    memory = remembering(last(records=3000), lot_size=ColumnFacts(filled=300))
    assert found(delivered(), memory).warnings == ()


def test_f18_a_column_that_became_constant_is_said_once() -> None:
    memory = remembering(last(), exchange=ColumnFacts(30, commonest=20))
    examined = found(delivered(), memory)
    assert examined.warnings == (
        "Look at the delivery: exchange is 'xasx' in every record that has a value; at the last "
        "good delivery at least 10 of 30 had another one.",
    )
    again = remembering(last(), exchange=examined.columns["field.exchange"])
    assert found(delivered(), again).warnings == ()


@pytest.mark.parametrize(
    ("records_before", "filled", "commonest", "said"),
    [
        (40, 40, 30, False),
        (40, 40, 26, True),
        (20, 20, 17, False),
        (20, 20, 16, True),
        (400, 400, 396, False),
        (400, 400, 395, True),
        (30, 30, None, False),
    ],
    ids=[
        "the others are gone as records",
        "more others than records are gone",
        "three others",
        "four",
        "one in a hundred",
        "more",
        "a memory of an older release",
    ],
)
def test_f18_a_column_is_constant_only_if_its_other_values_are_gone_and_not_their_records(
    records_before: int, filled: int, commonest: int | None, said: bool
) -> None:
    facts = ColumnFacts(filled, commonest=commonest)
    memory = remembering(last(records=records_before), exchange=facts)
    records = 400 if records_before == 400 else 30
    warnings = found(delivered(records), memory).warnings
    assert ["exchange is 'xasx' in every record" in each for each in warnings] == [True] * said


def test_f18_the_fixture_of_a_small_feed_says_nothing() -> None:
    memory = remembering(last(records=5), isin=ColumnFacts(filled=5))
    assert found(delivered(5), memory).warnings == ()


@pytest.mark.parametrize(("filled_before", "said"), [(19, False), (20, True)])
def test_f18_of_a_column_with_few_values_nothing_can_be_told(
    filled_before: int, said: bool
) -> None:
    """One of 100 that is gone is no blank column, and 20 equal ones are no constant one."""
    memory = remembering(
        last(records=100),
        isin=ColumnFacts(filled=filled_before),
        lot_size=ColumnFacts(filled=filled_before, commonest=1),
    )
    rows = [record(f"a{n}", isin="", lot_size="7" if n < 20 else "") for n in range(100)]
    warnings = found(replace(feed(*rows), content_sha256="today"), memory).warnings
    assert ["isin has a value in 0 of 100" in each for each in warnings] == [True, False] * said
    assert ["lot_size is '7' in every" in each for each in warnings] == [False, True] * said


def test_a_null_and_a_blank_are_both_no_value() -> None:
    frame = pl.DataFrame({"name": ["a"] * 20 + ["", None], "row": range(22)})
    assert column_facts(frame) == {"name": ColumnFacts(20, "a", commonest=20)}


SOUND = {
    "isin": "US0378331005",
    "cusip": "037833100",
    "sedol": "0263494",
    "figi": "BBG000BLNNH6",
    "lei": "5493001KJTIIGC8Y1R12",
}


@pytest.mark.parametrize("scheme", SOUND)
def test_f15_a_code_with_one_wrong_character_fails(scheme: Any) -> None:
    good = SOUND[scheme]
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")
    damaged = [bad, good[1:], good.lower() if good.lower() != good else f" {good}", "1.23E+11"]
    frame = pl.DataFrame({"row": range(2, 8), "field.x": [good, *damaged, None]})
    [failing] = failing_check_digits(frame, {"x": scheme})
    assert (failing.failing, failing.looked_at) == (4, 5)
    assert failing.first[0] == (3, bad)


def test_f15_fields_are_known_by_the_end_of_their_keys() -> None:
    keys = ["isin", "composite_figi", "issuer_LEI", "lot_size", "isin_old", "sedol"]
    assert schemes_of(keys, None) == {
        "isin": "isin",
        "composite_figi": "figi",
        "issuer_LEI": "lei",
        "sedol": "sedol",
    }
    assert schemes_of(keys, {"lot_size": "cusip"}) == {"lot_size": "cusip"}


def with_isins(bad: int, good: int) -> FeedReading:
    rows = [record(f"b{number}", isin=f"US037833{number:04}") for number in range(bad)]
    rows += [record(f"g{number}", isin=isin_of(number)) for number in range(good)]
    return replace(feed(*rows), content_sha256="today")


def isin_of(number: int) -> str:
    from stdnum import isin  # noqa: PLC0415 - here alone

    return isin.from_natid("AU", f"{number:09}")


def test_f15_wrong_check_digits_are_said_with_the_first_rows() -> None:
    examined = found(with_isins(3, 97), check_digits="hold")
    assert examined.doubts == (), "below the share that the feed tolerates"
    [said] = examined.warnings
    assert said.startswith(
        "Look at the delivery: isin fails the check digit of an identifier of the kind ISIN in 3 "
        "of 100 values (3.00%), first: row 2 'US0378330000', row 3 "
    )


def test_f15_a_large_share_of_wrong_check_digits_is_of_the_level_of_the_feed() -> None:
    [doubt] = found(with_isins(6, 94), check_digits="hold").doubts
    assert doubt.endswith("(sanity.check_digits: hold)")
    assert found(with_isins(6, 94), check_digits="off").warnings == ()


def test_of_a_large_feed_every_nth_record_is_looked_at() -> None:
    frame = pl.DataFrame({"row": range(200_000), "field.isin": ["x"] * 200_000}).with_columns(
        pl.format("bad{}", "row").alias("field.isin")
    )
    [failing] = failing_check_digits(frame, {"isin": "isin"})
    assert (failing.looked_at, failing.failing, failing.every) == (10_000, 10_000, 20)
